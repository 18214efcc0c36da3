//! How values are written: sizes, durations, addresses, in the forms that Go programs accept, since
//! configurations written for them shall work here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where to listen: `host:port`, `[v6]:port`, or `:port` for every interface, IPv4 and IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr {
    /// Which interface.
    pub host: ListenHost,
    /// The port; 0 lets the system choose a free one.
    pub port: u16,
}

/// The interface of a [`ListenAddr`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenHost {
    /// Every interface, IPv4 and IPv6 alike.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A name that is resolved when the listener is bound.
    Name(String),
}

impl ListenAddr {
    /// Whether the two would claim the same port of the same interface.
    pub(crate) fn collides_with(&self, other: &Self) -> bool {
        let unspecified = |host: &ListenHost| match host {
            ListenHost::Any => true,
            ListenHost::Ip(ip) => ip.is_unspecified(),
            ListenHost::Name(_) => false,
        };
        self.port != 0
            && self.port == other.port
            && (self.host == other.host || unspecified(&self.host) || unspecified(&other.host))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ListenHost::Any => write!(f, ":{}", self.port),
            ListenHost::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            ListenHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl From<(Ipv4Addr, u16)> for ListenAddr {
    fn from((ip, port): (Ipv4Addr, u16)) -> Self {
        Self {
            host: ListenHost::Ip(ip.into()),
            port,
        }
    }
}

/// Reads an address to listen on.
pub(crate) fn parse_address(text: &str) -> Result<ListenAddr, &'static str> {
    const NO_PORT: &str = "it needs a port, such as :9000";
    let (host, port) = text.rsplit_once(':').ok_or(NO_PORT)?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NO_PORT);
    }
    let port = port.parse().map_err(|_| "a port is a number up to 65535")?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => match inner.parse() {
            Ok(ip) => ListenHost::Ip(IpAddr::V6(ip)),
            Err(_) => return Err("between brackets stands an IPv6 address"),
        },
        Some(None) => return Err("the bracket is not closed"),
        None if host.is_empty() || host == "*" => ListenHost::Any,
        None if host.contains(':') => return Err("an IPv6 address stands in brackets, as in [::1]:9000"),
        None => match host.parse() {
            Ok(ip) => ListenHost::Ip(IpAddr::V4(ip)),
            Err(_) if is_host_name(host) => ListenHost::Name(host.to_owned()),
            Err(_) => return Err("its host is neither an address nor a name"),
        },
    };
    Ok(ListenAddr { host, port })
}

/// Letters, digits, hyphens and dots, and not four numbers that failed to be an IPv4 address.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253
        && name.split('.').all(label)
        && !name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Units of sizes. `KB`, `MB` and so on are powers of 1024, as in the programs whose configurations
/// are read here; the unambiguous `KiB`, `MiB` mean the same.
const SIZE_UNITS: [(&[&str], u32); 6] = [
    (&["", "b"], 0),
    (&["k", "kb", "kib"], 10),
    (&["m", "mb", "mib"], 20),
    (&["g", "gb", "gib"], 30),
    (&["t", "tb", "tib"], 40),
    (&["p", "pb", "pib"], 50),
];

/// Reads a number of bytes: a whole number with an optional unit.
pub(crate) fn parse_size(text: &str) -> Result<u64, &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    if number.is_empty() {
        return Err("it is a whole number of bytes, such as 10737418240, 256MB or 10GiB");
    }
    let Some((_, shift)) = SIZE_UNITS
        .iter()
        .find(|(names, _)| names.contains(&unit.as_str()))
    else {
        return Err("its unit is one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB");
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or("it is too large")
}

/// Writes a number of bytes in the largest unit that is exact.
pub(crate) fn format_size(bytes: u64) -> String {
    const NAMES: [(&str, u32); 5] = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    NAMES
        .iter()
        .find(|(_, shift)| bytes != 0 && bytes.is_multiple_of(1 << shift))
        .map_or_else(
            || bytes.to_string(),
            |(name, shift)| format!("{}{name}", bytes >> shift),
        )
}

/// Units of durations in nanoseconds: those of Go, and days.
const DURATION_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Most digits after a decimal point that count; further ones are below a nanosecond.
const FRACTION_DIGITS: usize = 9;

/// Reads a duration: numbers with units one after the other, such as `1h30m`, `1.5s` or `768h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "it is a duration with its unit, such as 500ms, 30s, 5m or 1h30m";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(FORM);
    }
    let mut rest = text;
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .bytes()
            .take_while(|byte| !byte.is_ascii_digit() && *byte != b'.')
            .count();
        let (unit, tail) = tail.split_at(unit_len);
        let unit = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, nanos)| *nanos);
        let part = unit.and_then(|unit| scale(number, unit)).ok_or(FORM)?;
        nanos = nanos.checked_add(part).ok_or("it is too long")?;
        rest = tail;
    }
    Ok(Duration::from_nanos(nanos))
}

/// `number` units, where the number may have a decimal point.
fn scale(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let part = match fraction {
        "" => 0,
        digits => {
            let power = 10u128.pow(u32::try_from(digits.len()).ok()?);
            u64::try_from(digits.parse::<u128>().ok()? * u128::from(unit) / power).ok()?
        }
    };
    whole.checked_mul(unit)?.checked_add(part)
}

/// Writes a duration in the form that [`parse_duration`] reads, hours being the largest unit.
pub(crate) fn format_duration(duration: Duration) -> String {
    const NAMES: [(&str, u64); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, nanos) in NAMES {
        if rest >= nanos {
            text.push_str(&format!("{}{name}", rest / nanos));
            rest %= nanos;
        }
    }
    text
}

/// Reads `true` or `false`.
pub(crate) fn parse_flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("it is true or false"),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_whatever_the_unit_is_called() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1KB", 1024),
            ("1KiB", 1024),
            ("256MB", 256 << 20),
            ("256 mib", 256 << 20),
            ("10GiB", 10 << 30),
            ("10G", 10 << 30),
            ("5368709120", 5 << 30),
            ("50TB", 50 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn sizes_without_a_number_with_a_wrong_unit_or_too_large_are_refused() {
        for text in [
            "",
            "MB",
            "-1",
            "1.5GB",
            "10XB",
            "1 0",
            "18446744073709551616",
            "99999999PB",
            "0x10",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("768h", 768 * 3_600_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1m0.25s", 60_250),
            ("2d", 2 * 86_400_000),
            ("1500us", 1),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), Ok(millis), "{text}");
        }
        assert_eq!(parse_duration("3µs").map(|d| d.as_nanos()), Ok(3_000));
    }

    #[test]
    fn durations_without_a_unit_negative_or_too_long_are_refused() {
        for text in [
            "",
            "5",
            "30",
            "s",
            "-5s",
            "5 s",
            "1..5s",
            "1.2.3s",
            ".s",
            "5x",
            "5sm",
            "9999999999h",
            "1e3s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        let ip = |ip: &str| ListenHost::Ip(ip.parse().unwrap());
        for (text, host, port) in [
            (":9000", ListenHost::Any, 9000),
            ("*:9000", ListenHost::Any, 9000),
            ("0.0.0.0:9000", ip("0.0.0.0"), 9000),
            ("127.0.0.1:0", ip("127.0.0.1"), 0),
            ("[::1]:65535", ip("::1"), 65535),
            ("localhost:80", ListenHost::Name("localhost".to_owned()), 80),
            (
                "node-1.example.com:80",
                ListenHost::Name("node-1.example.com".to_owned()),
                80,
            ),
        ] {
            assert_eq!(parse_address(text), Ok(ListenAddr { host, port }), "{text}");
        }
    }

    #[test]
    fn addresses_without_a_port_or_with_a_broken_host_are_refused() {
        for text in [
            "",
            "9000",
            "localhost",
            ":",
            ":http",
            ":65536",
            ":+80",
            "::1:9000",
            "[::1:9000",
            "[x]:1",
            "a b:1",
            "1.2.3:80",
            "300.1.1.1:80",
            "-a:1",
            "host_name:1",
            "http://x:1",
            "[127.0.0.1]:1",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listeners_collide_when_port_and_interface_meet() {
        let address = |text: &str| parse_address(text).unwrap();
        assert!(address(":9000").collides_with(&address("127.0.0.1:9000")));
        assert!(address("127.0.0.1:9000").collides_with(&address("0.0.0.0:9000")));
        assert!(address("127.0.0.1:9000").collides_with(&address("127.0.0.1:9000")));
        assert!(!address("127.0.0.1:9000").collides_with(&address("127.0.0.2:9000")));
        assert!(!address(":9000").collides_with(&address(":9001")));
        assert!(!address(":0").collides_with(&address(":0")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: u64, nanos: u64) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,24}|[0-9.a-zµ:\\[\\]-]{0,24}") {
            let _ = parse_size(&text);
            let _ = parse_duration(&text);
            let _ = parse_flag(&text);
            if let Ok(address) = parse_address(&text) {
                prop_assert_eq!(parse_address(&address.to_string()), Ok(address));
            }
        }
    }
}
