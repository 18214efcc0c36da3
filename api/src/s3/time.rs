//! Times as HTTP and XML write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::port::UnixMillis;

/// `Last-Modified`: whole seconds, truncated.
pub(crate) fn http_date(time: UnixMillis) -> Option<HeaderValue> {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(time.0 / 1000))?;
    // Beyond the year 9999 there is no such date, and the formatter would panic.
    if time >= UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1) {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// A date of a conditional header; `None` when it is none, which makes the header count as absent
/// (RFC 9110 section 13.1.3).
pub(crate) fn parse_http_date(text: &str) -> Option<UnixMillis> {
    let time: SystemTime = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixMillis(since.as_secs().checked_mul(1000)?))
}

/// `2009-10-12T17:50:30.000Z`, the form of every date in XML.
pub(crate) fn iso8601(time: UnixMillis) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::{LAST_SECOND, http_date, iso8601, parse_http_date};
    use crate::port::UnixMillis;

    #[test]
    fn dates_in_xml_have_milliseconds_and_a_z() {
        assert_eq!(iso8601(UnixMillis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(UnixMillis(1_255_369_830_007)), "2009-10-12T17:50:30.007Z");
        assert_eq!(iso8601(UnixMillis(1_255_369_830_120)), "2009-10-12T17:50:30.120Z");
    }

    #[test]
    fn dates_in_headers_are_whole_seconds() {
        let date = http_date(UnixMillis(1_255_369_830_999)).unwrap();
        assert_eq!(date, "Mon, 12 Oct 2009 17:50:30 GMT");
        assert_eq!(
            parse_http_date(date.to_str().unwrap()),
            Some(UnixMillis(1_255_369_830_000))
        );
    }

    #[test]
    fn dates_out_of_any_calendar_do_no_harm() {
        assert!(http_date(UnixMillis(LAST_SECOND * 1000 + 999)).is_some());
        assert!(http_date(UnixMillis((LAST_SECOND + 1) * 1000)).is_none());
        assert!(http_date(UnixMillis(u64::MAX)).is_none());
        assert!(iso8601(UnixMillis(u64::MAX)).starts_with("9999-"));
        assert_eq!(parse_http_date("yesterday"), None);
        assert_eq!(parse_http_date("Mon, 12 Oct 1969 17:50:30 GMT"), None);
    }
}
