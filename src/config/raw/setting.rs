//! The declaration of a setting: once, with its default and its range.
//!
//! `connect: Setting<Span> = Span::or(seconds(5)).above(Duration::ZERO).up_to(minutes(5))` is the whole declaration.
//! The decoder checks the range, the schema states it, and a test compares it with the tables of
//! `docs/CONFIGURATION.md`.
use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::values::Whole;
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Decode, Field, Member, Members, Needed};
use crate::config::yaml::faults::Faults;

/// The meaning of an absent setting, and the range for its value.
#[derive(Clone, Debug)]
pub struct Rule<T: Measure, A> {
    absent: A,
    /// Whether the value must be greater than `least`.
    is_above: bool,
    least: Option<T::Value>,
    most: Option<T::Value>,
}

/// There is a default.
#[derive(Clone, Debug)]
pub struct Or<T: Measure>(T::Value);

/// There is no default; the text tells what leaving the setting out means.
#[derive(Clone, Debug)]
pub struct Otherwise(&'static str);

/// The meaning of an absent setting.
pub trait Absent<T: Measure> {
    fn default(&self) -> Option<&T::Value>;

    /// The hint for a value out of range.
    fn hint(&self) -> String;
}

impl<T: Measure> Absent<T> for Or<T> {
    fn default(&self) -> Option<&T::Value> {
        Some(&self.0)
    }

    fn hint(&self) -> String {
        format!("leave it out for the default, {}", T::show(&self.0))
    }
}

impl<T: Measure> Absent<T> for Otherwise {
    fn default(&self) -> Option<&T::Value> {
        None
    }

    fn hint(&self) -> String {
        self.0.to_owned()
    }
}

/// A value that can have a default or a range.
pub trait Measure: Decode {
    type Value: Clone;
    /// The noun with its article: `a duration`.
    const NOUN: &'static str = "";
    /// Whether the documentation formats values as code.
    const IS_CODE: bool = true;

    fn value(&self) -> &Self::Value;

    /// The value as it is written in YAML.
    fn show(value: &Self::Value) -> String;

    /// The value as it is in the schema.
    fn json(value: &Self::Value) -> Value {
        Self::show(value).into()
    }

    /// `None` = values of this kind have no order.
    fn compare(_value: &Self::Value, _bound: &Self::Value) -> Option<Ordering> {
        None
    }

    /// A rule with this default.
    fn or(default: Self::Value) -> Rule<Self, Or<Self>> {
        Rule::new(Or(default))
    }

    /// A rule without a default. `otherwise` is the hint of a fault: what leaving the setting out means.
    fn otherwise(otherwise: &'static str) -> Rule<Self, Otherwise> {
        Rule::new(Otherwise(otherwise))
    }
}

impl<T: Measure, A: Absent<T>> Rule<T, A> {
    fn new(absent: A) -> Self {
        Self {
            absent,
            is_above: false,
            least: None,
            most: None,
        }
    }

    /// The value must be at least `least`.
    pub fn from(self, least: T::Value) -> Self {
        Self {
            least: Some(least),
            ..self
        }
    }

    /// The value must be greater than `least`.
    pub fn above(self, least: T::Value) -> Self {
        Self {
            is_above: true,
            ..self.from(least)
        }
    }

    /// The value must be at most `most`.
    pub fn up_to(self, most: T::Value) -> Self {
        Self {
            most: Some(most),
            ..self
        }
    }

    /// `from 1KiB to 1GiB`; `None` = there is no limit. `quote` surrounds the bounds.
    fn range(&self, quote: &str) -> Option<String> {
        let show = |bound: &T::Value| format!("{quote}{}{quote}", T::show(bound));
        match (self.least.as_ref().map(show), self.most.as_ref().map(show)) {
            (None, None) => None,
            (Some(least), None) if self.is_above => Some(format!("above {least}")),
            (Some(least), None) => Some(format!("at least {least}")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (Some(least), Some(most)) if self.is_above => {
                Some(format!("above {least}, at most {most}"))
            }
            (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
        }
    }

    /// Whether the value is in the range; otherwise a fault is recorded.
    fn admits(&self, value: &T::Value, at: &At, faults: &mut Faults) -> bool {
        let against =
            |bound: &Option<T::Value>| bound.as_ref().and_then(|bound| T::compare(value, bound));
        let low = against(&self.least)
            .is_some_and(|order| order.is_lt() || self.is_above && order.is_eq());
        let high = against(&self.most).is_some_and(Ordering::is_gt);
        if low || high {
            let message = format!(
                "found `{}`, expected {} {}",
                T::show(value),
                T::NOUN,
                self.range("").unwrap_or_default()
            );
            faults.add_with(at, message, Some(self.absent.hint()));
        }
        !low && !high
    }

    /// Adds the default and the range to the schema of the setting.
    pub fn describe(&self, schema: &mut Schema) {
        let mut text = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some(range) = self.range("") {
            let (first, rest) = range.split_at(1);
            text += &format!(" {}{rest}.", first.to_uppercase());
            let quote = if T::IS_CODE { "`" } else { "" };
            schema.insert(RANGE.to_owned(), self.range(quote).into());
        }
        if let Some(default) = self.absent.default() {
            text += &format!(" Default {}.", T::show(default));
            schema.insert("default".to_owned(), T::json(default));
        }
        schema.insert("description".to_owned(), text.into());
        let least = if self.is_above {
            "exclusiveMinimum"
        } else {
            "minimum"
        };
        for (keyword, bound) in [(least, &self.least), ("maximum", &self.most)] {
            let number = bound.as_ref().map(T::json).filter(Value::is_number);
            if let Some(number) = number {
                schema.insert(keyword.to_owned(), number);
            }
        }
    }
}

/// A setting with a default.
#[derive(Clone, Debug)]
pub struct Setting<T: Measure> {
    field: Field<T>,
    default: T::Value,
}

impl<T: Measure> Setting<T> {
    /// The value, or the default if it is absent.
    pub fn value(&self) -> T::Value {
        self.field
            .get()
            .map_or_else(|| self.default.clone(), |value| value.value().clone())
    }
}

impl<T: Measure> std::ops::Deref for Setting<T> {
    type Target = Field<T>;

    fn deref(&self) -> &Field<T> {
        &self.field
    }
}

/// A member that is declared with a rule.
pub trait Ruled<T: Measure, A>: Sized {
    fn take_ruled(
        members: &Members<'_>,
        name: &'static str,
        rule: Rule<T, A>,
        faults: &mut Faults,
    ) -> Self;
}

impl<T: Measure> Ruled<T, Otherwise> for Field<T> {
    fn take_ruled(
        members: &Members<'_>,
        name: &'static str,
        rule: Rule<T, Otherwise>,
        faults: &mut Faults,
    ) -> Self {
        let field: Self = Member::take(members, name, faults);
        field.filter(|at, value| rule.admits(value.value(), at, faults))
    }
}

impl<T: Measure> Ruled<T, Otherwise> for Needed<T> {
    fn take_ruled(
        members: &Members<'_>,
        name: &'static str,
        rule: Rule<T, Otherwise>,
        faults: &mut Faults,
    ) -> Self {
        let field: Self = Member::take(members, name, faults);
        field.filter(|at, value| rule.admits(value.value(), at, faults))
    }
}

impl<T: Measure> Ruled<T, Or<T>> for Setting<T> {
    fn take_ruled(
        members: &Members<'_>,
        name: &'static str,
        rule: Rule<T, Or<T>>,
        faults: &mut Faults,
    ) -> Self {
        let field: Field<T> = Member::take(members, name, faults);
        Self {
            field: field.filter(|at, value| rule.admits(value.value(), at, faults)),
            default: rule.absent.0,
        }
    }
}

impl<T: Measure + JsonSchema> JsonSchema for Setting<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl Setting<Whole> {
    /// The value as a 32-bit number, which it fits by its declared range.
    pub fn small(&self) -> u32 {
        u32::try_from(self.value()).unwrap_or(u32::MAX)
    }
}

/// The keyword of the schema for the range in words, as in the tables of the documentation.
const RANGE: &str = "x-weir-range";

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

pub const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}
