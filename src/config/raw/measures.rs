//! The kinds of values that can have a default or a range, and how they are written.
use std::cmp::Ordering;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::setting::Measure;
use super::values::{
    AccessTarget, AdminAddress, Boolean, Number, Patience, Signed, Size, Span, Whole, Word, Words,
    Zone,
};
use crate::config::{AccessLog, AdminAddr};

/// Values that have an order.
macro_rules! ordered {
    ($($type:ident($value:ty), $noun:literal, $is_code:literal, $show:expr, $json:expr;)*) => {
        $(impl Measure for $type {
            type Value = $value;
            const NOUN: &'static str = $noun;
            const IS_CODE: bool = $is_code;

            fn value(&self) -> &Self::Value {
                &self.0
            }

            fn show(value: &Self::Value) -> String {
                let show: fn(&$value) -> String = $show;
                show(value)
            }

            fn json(value: &Self::Value) -> Value {
                let json: fn(&$value) -> Value = $json;
                json(value)
            }

            fn compare(value: &Self::Value, bound: &Self::Value) -> Option<Ordering> {
                value.partial_cmp(bound)
            }
        })*
    };
}

ordered! {
    Whole(u64), "a whole number", false, u64::to_string, |number| (*number).into();
    Signed(i64), "a whole number", false, i64::to_string, |number| (*number).into();
    Number(f64), "a number", false, f64::to_string, |number| (*number).into();
    Size(usize), "a size", true, |bytes| show_size(*bytes), |bytes| show_size(*bytes).into();
    Span(Duration), "a duration", true, |span| show_span(*span), |span| show_span(*span).into();
}

/// Values that have no order.
macro_rules! plain {
    ($($type:ident($value:ty), $show:expr;)*) => {
        $(impl Measure for $type {
            type Value = $value;

            fn value(&self) -> &Self::Value {
                &self.0
            }

            fn show(value: &Self::Value) -> String {
                let show: fn(&$value) -> String = $show;
                show(value)
            }
        })*
    };
}

plain! {
    Patience(Option<Duration>), |patience| patience.map_or_else(|| "off".to_owned(), show_span);
    AccessTarget(AccessLog), |target| match target {
        AccessLog::File(path) => path.display().to_string(),
        AccessLog::Off => "off".to_owned(),
        AccessLog::Stdout => "stdout".to_owned(),
    };
    AdminAddress(AdminAddr), |addr| match addr {
        AdminAddr::Tcp(addr) => addr.to_string(),
        AdminAddr::Unix(path) => format!("unix:{}", path.display()),
    };
    Zone(TimeZone), |zone| zone.iana_name().unwrap_or_default().to_owned();
}

impl Measure for Boolean {
    type Value = bool;

    fn value(&self) -> &bool {
        &self.0
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }

    fn json(value: &bool) -> Value {
        (*value).into()
    }
}

impl<T: Words + PartialEq> Measure for Word<T> {
    type Value = T;

    fn value(&self) -> &T {
        &self.0
    }

    fn show(value: &T) -> String {
        let mut words = T::WORDS.iter().filter(|(_, word)| word == value);
        words.next().map_or("", |(word, _)| word).to_owned()
    }
}

/// The duration in the largest unit in which it is a whole number.
fn show_span(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(60_000, "m"), (3_600_000, "h"), (86_400_000, "d")];
    match units
        .iter()
        .rev()
        .find(|(unit, _)| millis.is_multiple_of(*unit))
    {
        _ if millis == 0 => "0s".to_owned(),
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        None => format!("{millis}ms"),
    }
}

fn show_size(bytes: usize) -> String {
    let units = [(1_usize << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB")];
    match units
        .iter()
        .rev()
        .find(|(unit, _)| bytes.is_multiple_of(*unit))
    {
        Some((unit, name)) if bytes > 0 => format!("{}{name}", bytes / unit),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        let spans = [
            (0, "0s"),
            (250, "250ms"),
            (90_000, "90s"),
            (600_000, "10m"),
            (5_400_000, "90m"),
        ];
        for (millis, text) in spans {
            assert_eq!(show_span(Duration::from_millis(millis)), text);
        }
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (1 << 10, "1KiB"),
            (32 << 20, "32MiB"),
            (3 << 30, "3GiB"),
        ] {
            assert_eq!(show_size(bytes), text);
        }
    }
}
