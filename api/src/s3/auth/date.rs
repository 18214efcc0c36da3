//! The date of a signature.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A time as signatures write it: `20130524T000000Z`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct AmzDate {
    text: [u8; 16],
    seconds: i64,
}

impl AmzDate {
    /// Reads the basic ISO 8601 form that SigV4 prescribes, and no other.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text: [u8; 16] = text.try_into().ok()?;
        let number = |from: usize, to: usize| {
            text.get(from..to)?.iter().try_fold(0i16, |number, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| number * 10 + i16::from(digit - b'0'))
            })
        };
        let small = |from, to| number(from, to).and_then(|number| i8::try_from(number).ok());
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let time = DateTime::new(
            number(0, 4)?,
            small(4, 6)?,
            small(6, 8)?,
            small(9, 11)?,
            small(11, 13)?,
            small(13, 15)?,
            0,
        );
        let seconds = TimeZone::UTC.to_timestamp(time.ok()?).ok()?.as_second();
        Some(Self { text, seconds })
    }

    /// Reads the value of a `Date` header.
    pub(super) fn parse_http(text: &str) -> Option<Self> {
        let time = httpdate::parse_http_date(text).ok()?;
        let seconds = unix_seconds(time);
        let mut basic = String::with_capacity(16);
        write_basic(&mut basic, seconds)?;
        Some(Self {
            text: basic.as_bytes().try_into().ok()?,
            seconds,
        })
    }

    /// The text itself, as it stands in the string to sign.
    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.text
    }

    /// The text itself.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The day, as it stands in the credential scope.
    pub(super) fn day(&self) -> &[u8] {
        &self.text[..8]
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        self.seconds
    }
}

/// Seconds since 1970, before which everything is 0.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A time as error bodies of S3 write it: `2013-05-24T00:00:00Z`.
pub(super) fn extended(seconds: i64) -> String {
    let Some(time) = utc(seconds) else {
        return String::new();
    };
    let (year, month, day) = (time.year(), time.month(), time.day());
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn write_basic(text: &mut String, seconds: i64) -> Option<()> {
    let time = utc(seconds)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    write!(
        text,
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        time.hour(),
        time.minute(),
        time.second()
    )
    .ok()
}

fn utc(seconds: i64) -> Option<DateTime> {
    jiff::Timestamp::from_second(seconds)
        .ok()
        .map(|time| TimeZone::UTC.to_datetime(time))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn the_basic_form_is_read_to_the_second() {
        let date = AmzDate::parse(b"20130524T000000Z").expect("a date");
        assert_eq!(date.seconds(), 1_369_353_600);
        assert_eq!(date.day(), b"20130524");
        assert_eq!(date.as_str(), "20130524T000000Z");
        assert_eq!(extended(date.seconds()), "2013-05-24T00:00:00Z");
        let leap = AmzDate::parse(b"20240229T235959Z").expect("a leap day");
        assert_eq!(leap.seconds(), 1_709_251_199);
    }

    #[test]
    fn a_date_header_is_the_same_time() {
        let date = AmzDate::parse_http("Fri, 24 May 2013 00:00:00 GMT").expect("a date");
        assert_eq!(date.as_str(), "20130524T000000Z");
        assert_eq!(date.seconds(), 1_369_353_600);
    }

    #[test]
    fn everything_else_is_refused() {
        let wrong: [&[u8]; 14] = [
            b"",
            b"20130524",
            b"20130524T000000",
            b"20130524T000000Z ",
            b"20130524t000000Z",
            b"20130524T000000z",
            b"2013-05-24T00:00",
            b"20131324T000000Z",
            b"20130532T000000Z",
            b"20230229T000000Z",
            b"20130524T240000Z",
            b"20130524T006000Z",
            b"20130524T0000+1Z",
            b"2013052\xc3\xa4T00000Z",
        ];
        for text in wrong {
            assert!(AmzDate::parse(text).is_none(), "{}", text.escape_ascii());
        }
        assert!(AmzDate::parse_http("yesterday").is_none());
    }
}
