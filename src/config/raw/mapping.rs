//! The macro that declares the mappings of the schema.

/// Declares a mapping of the schema: the struct, its JSON Schema and its decoder, with the same names by construction.
/// A member may be declared with its default and range: `member: Type = rule`.
macro_rules! mapping {
    ($expected:literal $(#[$meta:meta])* $name:ident {
        $($(#[$member_meta:meta])* $member:ident: $type:ty $(= $rule:expr)?,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$member_meta])*
                $(#[schemars(transform = |schema: &mut schemars::Schema| ($rule).describe(schema))])?
                pub $member: $type,
            )*
        }

        impl $crate::config::yaml::decode::Decode for $name {
            const EXPECTED: &'static str = $expected;

            fn decode(
                cursor: &$crate::config::yaml::cursor::Cursor<'_>,
                faults: &mut $crate::config::yaml::faults::Faults,
            ) -> Option<Self> {
                let known = [$(stringify!($member)),*];
                let members = $crate::config::yaml::decode::Members::new(cursor, Self::EXPECTED, &known, faults)?;
                Some(Self {
                    $($member: mapping!(@take members, faults, $member $(, $rule)?),)*
                })
            }
        }
    };
    (@take $members:ident, $faults:ident, $member:ident) => {
        $crate::config::yaml::decode::Member::take(&$members, stringify!($member), $faults)
    };
    (@take $members:ident, $faults:ident, $member:ident, $rule:expr) => {
        $crate::config::raw::setting::Ruled::take_ruled(&$members, stringify!($member), $rule, $faults)
    };
}
pub(super) use mapping;
