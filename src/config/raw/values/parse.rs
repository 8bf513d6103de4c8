//! Parses texts into values. Each function parses one notation. Its error is a hint, if there is more to tell than what
//! was expected.
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::diagnostic::{did_you_mean, suggest};
use crate::config::{AccessLog, AdminAddr, Glob};

/// The value of a text, or the hint why it has none.
pub(super) type Parsed<T> = Result<T, Option<String>>;

pub(super) fn name(text: &str) -> Parsed<String> {
    crate::config::name::read(text).map_err(Some)
}

pub(super) fn duration(text: &str) -> Parsed<Duration> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        "" => {
            return Err(
                Some(format!("a unit is missing: `{number}s`, say")).filter(|_| !number.is_empty())
            );
        }
        _ => return Err(Some("the units are `ms`, `s`, `m`, `h` and `d`".to_owned())),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| Some("a number and a unit: `30s`".to_owned()))?;
    // Milliseconds are the finest unit; rounding removes the inexactness of binary fractions.
    let millis = (number * seconds * 1000.0).round();
    if !(0.0..=LONGEST_MILLIS).contains(&millis) {
        return Err(Some("the longest duration is `365d`".to_owned()));
    }
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|_| None)
}

pub(super) fn size(text: &str) -> Parsed<usize> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TiB" => 1 << 40,
        "TB" => 1_000_000_000_000,
        _ => return Err(did_you_mean_unit(unit)),
    };
    let too_large = || Some("the number is too large: no machine has so much".to_owned());
    if number.len() > MOST_DIGITS {
        return Err(too_large());
    }
    let number: u64 = number
        .parse()
        .map_err(|_| Some("a whole number and a unit: `32MiB`".to_owned()))?;
    let bytes = number.checked_mul(factor).ok_or_else(too_large)?;
    usize::try_from(bytes).map_err(|_| too_large())
}

fn did_you_mean_unit(unit: &str) -> Option<String> {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB"];
    let letters = match unit {
        "K" | "k" => Some("KiB"),
        "M" | "m" => Some("MiB"),
        "G" | "g" => Some("GiB"),
        "T" | "t" => Some("TiB"),
        _ => suggest(unit, units),
    };
    letters.map(|unit| format!("did you mean `{unit}`?"))
}

/// Splits a text into its number and its unit.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start_matches(' '))
}

pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(match &*text.to_lowercase() {
            "yes" | "on" | "y" => Some("write `true`".to_owned()),
            "no" | "off" | "n" => Some("write `false`".to_owned()),
            _ => Some("write `true` or `false`, without quotes".to_owned()),
        }),
    }
}

pub(super) fn whole(text: &str) -> Parsed<u64> {
    if text.starts_with('+') {
        return Err(Some("write it without a sign".to_owned()));
    }
    text.parse().map_err(|_| {
        let bare = text.replace(['_', ','], "");
        let number = (bare != text).then(|| bare.parse::<u64>().ok()).flatten();
        let said = number.map(|number| format!("write `{number}`"));
        said.or(Some("write digits only, without quotes".to_owned()))
    })
}

pub(super) fn number(text: &str) -> Parsed<f64> {
    let number: f64 = text.parse().map_err(|_| None)?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(None)
    }
}

pub(super) fn pattern(text: &str, ignore_case: bool) -> Parsed<Glob> {
    if text.is_empty() {
        return Err(Some("`*` matches everything".to_owned()));
    }
    if text.len() > LONGEST_PATTERN {
        return Err(Some(format!(
            "a pattern has at most {LONGEST_PATTERN} bytes"
        )));
    }
    let glob = if ignore_case {
        Glob::new_ignoring_case(text)
    } else {
        Glob::new(text)
    };
    glob.map_err(|err| Some(err.to_string()))
}

pub(super) fn network(text: &str) -> Parsed<ipnet::IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    text.parse().map_err(|_| {
        Some("an address, or an address, a slash and the length of its prefix; names are not looked up".to_owned())
    })
}

pub(super) fn moment(text: &str) -> Parsed<SystemTime> {
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| {
        let date_only = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        let no_zone = text.parse::<jiff::civil::DateTime>().is_ok() && !date_only;
        if date_only {
            Some(format!("a time of day is missing: `{text}T00:00:00Z`"))
        } else if no_zone {
            Some(format!("a time zone is missing: `{text}Z` is UTC"))
        } else {
            Some("date, `T`, time and zone, as RFC 3339 has it".to_owned())
        }
    })?;
    Ok(timestamp.into())
}

pub(super) fn zone(text: &str) -> Parsed<jiff::tz::TimeZone> {
    jiff::tz::TimeZone::get(text).map_err(|_| {
        let names = jiff::tz::db().available();
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        did_you_mean(text, names.iter().map(String::as_str))
    })
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        let port = |text: &str| text.parse::<u16>().ok();
        if let Some(port) = text.strip_prefix(':').or(text.strip_prefix("*:")).and_then(port) {
            Some(format!("write `0.0.0.0:{port}` for every interface, `127.0.0.1:{port}` for this machine only"))
        } else if let Some(port) = text.strip_prefix("localhost:").and_then(port) {
            Some(format!("write `127.0.0.1:{port}`"))
        } else if let Some(port) = port(text) {
            Some(format!("the address is missing: `127.0.0.1:{port}`"))
        } else if text.parse::<IpAddr>().is_ok() {
            Some("the port is missing".to_owned())
        } else if text.starts_with("http") {
            Some("without `http://`, and without a path".to_owned())
        } else {
            Some("an IP address, a colon and a port; names are not looked up here".to_owned())
        }
    })
}

pub(super) fn admin_address(text: &str) -> Parsed<AdminAddr> {
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') && path.len() <= LONGEST_SOCKET_PATH => {
            Ok(AdminAddr::Unix(path.into()))
        }
        Some(_) => Err(Some(format!(
            "the path is absolute and has at most {LONGEST_SOCKET_PATH} bytes"
        ))),
        None => address(text).map(AdminAddr::Tcp),
    }
}

pub(super) fn file_path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err(None);
    }
    if text.starts_with("~/") {
        return Err(Some(
            "`~` is not expanded here: write the whole path".to_owned(),
        ));
    }
    Ok(text.into())
}

pub(super) fn url_path(text: &str) -> Parsed<String> {
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if text.starts_with('/') && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(None)
    }
}

pub(super) fn origin(text: &str) -> Parsed<String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    match host {
        None => Err(Some("it begins with `https://` or `http://`".to_owned())),
        Some(host) if host.is_empty() || host.contains(['/', '*', '@', '?', '#', ' ']) => Err(
            Some("scheme, host and port only: no path, no trailing slash, no pattern".to_owned()),
        ),
        // Browsers send origins in lower case.
        Some(_) => Ok(text.to_lowercase()),
    }
}

pub(super) fn host_name(text: &str) -> Parsed<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_address = bare.unwrap_or(text).parse::<std::net::IpAddr>().is_ok();
    let is_name = text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
    if !is_name && !is_address {
        return Err(Some(
            "the name alone: no scheme, no port, no path, no pattern".to_owned(),
        ));
    }
    let text = text.to_ascii_lowercase();
    // An address is in the form that it has in a `Host` header.
    Ok(if is_address && text.contains(':') && bare.is_none() {
        format!("[{text}]")
    } else {
        text
    })
}

pub(super) fn sha256(text: &str) -> Parsed<[u8; 32]> {
    let hint = || Some("`weir key new` prints a key and its digest".to_owned());
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    if text.len() != 64 || !text.is_ascii() {
        return Err(hint());
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| hint())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| hint())?;
    }
    Ok(digest)
}

pub(super) fn patience(text: &str) -> Parsed<Option<Duration>> {
    if matches!(text, "off" | "false") {
        return Ok(None);
    }
    let patience = duration(text)?;
    if (SHORTEST_PATIENCE..=LONGEST_PATIENCE).contains(&patience) {
        Ok(Some(patience))
    } else {
        Err(Some("from `1s` to `1h`, or `off`".to_owned()))
    }
}

pub(super) fn access_target(text: &str) -> Parsed<AccessLog> {
    match text {
        "stdout" => Ok(AccessLog::Stdout),
        "off" | "false" => Ok(AccessLog::Off),
        path if path.contains('/') => file_path(path).map(AccessLog::File),
        // A typing error in `stdout` must not become a file of that name.
        word => Err(did_you_mean(word, ["stdout", "off"])
            .or(Some("a path contains a `/`: `./access.log`".to_owned()))),
    }
}

/// The first keep-alive commits the status of an answer, so it must not come at once.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PATIENCE: Duration = Duration::from_hours(1);
const LONGEST_MILLIS: f64 = 365.0 * 86_400_000.0;
/// A number with this many digits certainly fits 64 bits.
const MOST_DIGITS: usize = 19;

/// In bytes. Model names stay below 100, user agents below 300.
const LONGEST_PATTERN: usize = 512;
/// Longest path of a socket, in bytes: `sun_path` of Linux has 108 bytes including the terminator.
const LONGEST_SOCKET_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: PartialEq + std::fmt::Debug>(
        parse: fn(&str) -> Parsed<T>,
        good: &[(&str, T)],
        bad: &[&str],
    ) {
        for (text, expected) in good {
            assert_eq!(parse(text).as_ref(), Ok(expected), "{text}");
        }
        for text in bad {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn durations() {
        let millis = Duration::from_millis;
        check(
            duration,
            &[
                ("250ms", millis(250)),
                ("30s", millis(30_000)),
                ("1.5s", millis(1_500)),
                ("5m", millis(300_000)),
                ("12h", millis(43_200_000)),
                ("1d", millis(86_400_000)),
                ("30 s", millis(30_000)),
                ("0s", millis(0)),
            ],
            &[
                "",
                "30",
                "s",
                "-1s",
                "1.2.3s",
                "1e3s",
                "30sec",
                "366d",
                "99999999999999999999d",
                "NaNs",
                "infs",
                "1s 2s",
            ],
        );
        assert_eq!(
            duration("30"),
            Err(Some("a unit is missing: `30s`, say".to_owned()))
        );
    }

    #[test]
    fn sizes() {
        check(
            size,
            &[
                ("0", 0),
                ("1024", 1024),
                ("64KiB", 65_536),
                ("32 MiB", 33_554_432),
                ("1GiB", 1 << 30),
                ("10MB", 10_000_000),
                ("5KB", 5_000),
                ("7B", 7),
            ],
            &[
                "",
                "x",
                "1.5MiB",
                "-1",
                "32M",
                "32mib",
                "99999999999999999999",
                "18446744073709551615KiB",
            ],
        );
        assert_eq!(size("32M"), Err(Some("did you mean `MiB`?".to_owned())));
        let too_large = "the number is too large: no machine has so much";
        for text in [
            "99999999999TiB",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert_eq!(size(text), Err(Some(too_large.to_owned())), "{text}");
        }
        assert_eq!(size("2TiB"), Ok(2 << 40));
        assert_eq!(size("32mb"), Err(Some("did you mean `MB`?".to_owned())));
    }

    #[test]
    fn truth_values_and_numbers() {
        check(
            boolean,
            &[("true", true), ("False", false)],
            &["", "yes", "on", "1"],
        );
        check(
            whole,
            &[("0", 0), ("42", 42)],
            &["", "-1", "+1", "1.0", "1_000", "0x10", "1e3"],
        );
        assert_eq!(whole("2,000_000"), Err(Some("write `2000000`".to_owned())));
        check(
            number,
            &[("0.25", 0.25), ("3", 3.0)],
            &["", "x", "inf", ".nan", "NaN"],
        );
    }

    #[test]
    fn names() {
        check(
            name,
            &[
                ("claude-a", "claude-a".to_owned()),
                ("alice@example.com", "alice@example.com".to_owned()),
                ("Ame\u{301}lie", "Amélie".to_owned()),
            ],
            &["", "a b", "-a", "a/b", "é!", "other", &"a".repeat(65)],
        );
    }

    #[test]
    fn networks_and_addresses() {
        check(
            network,
            &[
                ("10.0.0.0/8", "10.0.0.0/8".parse().expect("a network")),
                ("::1", "::1/128".parse().expect("a network")),
            ],
            &["", "10.0.0.0/33", "example.com"],
        );
        check(
            address,
            &[("[::]:80", "[::]:80".parse().expect("an address"))],
            &[
                "",
                ":8080",
                "localhost:1",
                "8080",
                "1.2.3.4",
                "http://1.2.3.4:5",
            ],
        );
        assert_eq!(
            address("localhost:1"),
            Err(Some("write `127.0.0.1:1`".to_owned()))
        );
        check(
            admin_address,
            &[("unix:/run/a.sock", AdminAddr::Unix("/run/a.sock".into()))],
            &["unix:a", "unix:", "9090"],
        );
    }

    #[test]
    fn moments() {
        let epoch = SystemTime::UNIX_EPOCH;
        check(
            moment,
            &[
                ("1970-01-01T00:00:10Z", epoch + Duration::from_secs(10)),
                ("1970-01-01T01:00:00+01:00", epoch),
            ],
            &[
                "",
                "2027-01-01",
                "2027-01-01T00:00:00",
                "tomorrow",
                "2027-13-01T00:00:00Z",
            ],
        );
        assert_eq!(
            moment("2027-01-01"),
            Err(Some(
                "a time of day is missing: `2027-01-01T00:00:00Z`".to_owned()
            ))
        );
    }

    #[test]
    fn patterns_paths_origins_and_digests() {
        assert!(pattern("claude-*", false).is_ok_and(|glob| glob.is_match("claude-x/y")));
        assert!(pattern("Foo*", true).is_ok_and(|glob| glob.is_match("fooBAR")));
        assert!(
            pattern("a[", false).is_err()
                && pattern("{a,b", false).is_err()
                && pattern("", false).is_err()
        );
        check(
            url_path,
            &[("/health?x=1", "/health?x=1".to_owned())],
            &["", "health", "/a b", "/a\u{e9}"],
        );
        check(
            origin,
            &[
                ("*", "*".to_owned()),
                (
                    "https://App.example.com:8443",
                    "https://app.example.com:8443".to_owned(),
                ),
            ],
            &[
                "",
                "app.example.com",
                "https://a/",
                "https://*.a",
                "https://",
            ],
        );
        check(
            sha256,
            &[(&"0A".repeat(32), [10; 32])],
            &["", "0a", &"zz".repeat(32), &"é".repeat(32)],
        );
        check(
            access_target,
            &[
                ("stdout", AccessLog::Stdout),
                ("off", AccessLog::Off),
                ("/var/log/a", AccessLog::File("/var/log/a".into())),
            ],
            &["", "stdot", "~/a"],
        );
    }
}
