//! The place of a request in a trace, by `traceparent`, incoming and outgoing (W3C Trace Context, level 1).

/// A request as a span of a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The id that all spans of the trace share.
    trace: u128,
    /// The id of the request's own span.
    span: u64,
    /// The id of the sender's span; `None` = there is none.
    parent: Option<u64>,
    sampled: bool,
}

impl Trace {
    /// Continues the trace that the header names, or begins a new one. `draws` are random. Of the requests whose trace
    /// begins here, this `share` is exported; a request in another sender's trace is exported if its header says so.
    pub fn of(header: Option<&str>, draws: [u64; 3], share: f64) -> Self {
        let [high, low, span] = draws;
        let span = span.max(1);
        if let Some((trace, parent, sampled)) = header.and_then(parse) {
            return Self {
                trace,
                span,
                parent: Some(parent),
                sampled,
            };
        }
        Self {
            trace: ((u128::from(high) << 64) | u128::from(low)).max(1),
            span,
            parent: None,
            sampled: ((low >> 11) as f64) < share * (1_u64 << 53) as f64,
        }
    }

    /// Whether the request is exported.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace id in 32 hex digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span id in 16 hex digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The id of the sender's span in 16 hex digits.
    pub fn parent_id(&self) -> Option<String> {
        self.parent.map(|parent| format!("{parent:016x}"))
    }

    /// The span id of the attempt with this number, from 0, in 16 hex digits.
    pub fn attempt_id(&self, number: usize) -> String {
        // The ids differ for all numbers and from the request's own: multiplication by an odd number is a permutation.
        let step = (number as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:016x}", self.span.wrapping_add(step).max(1))
    }

    /// The `traceparent` for the upstream of this attempt.
    pub fn header(&self, number: usize) -> String {
        let flags = u8::from(self.sampled);
        format!(
            "00-{:032x}-{}-{flags:02x}",
            self.trace,
            self.attempt_id(number)
        )
    }
}

/// The trace id, the parent id and the sampled flag. Later versions begin like version 0.
fn parse(header: &str) -> Option<(u128, u64, bool)> {
    let mut parts = header.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(digit)
    };
    let well_formed =
        is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok()?;
    let parent = u64::from_str_radix(parent, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (trace != 0 && parent != 0).then_some((trace, parent, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_of_the_caller_goes_on() {
        let trace = Trace::of(Some(PARENT), [1, 2, 3], 0.0);
        assert!(trace.is_sampled());
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.parent_id().as_deref(), Some("b7ad6b7169203331"));
        assert_eq!(trace.span_id(), "0000000000000003");
        let header = trace.header(0);
        assert!(
            header.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && header.ends_with("-01")
        );
        assert_eq!(header.split('-').nth(2), Some(&*trace.attempt_id(0)));
        let ids: std::collections::BTreeSet<String> =
            (0..100).map(|n| trace.attempt_id(n)).collect();
        assert!(ids.len() == 100 && !ids.contains(&trace.span_id()));
        let unsampled = PARENT.replace("-01", "-00");
        assert!(!Trace::of(Some(&unsampled), [1, 2, 3], 1.0).is_sampled());
        let later = PARENT.replacen("00", "01", 1) + "-more";
        assert!(
            Trace::of(Some(&later), [1, 2, 3], 0.0)
                .parent_id()
                .is_some()
        );
    }

    #[test]
    fn what_is_no_trace_begins_one() {
        let wrong = [
            String::new(),
            "00-0-0-01".to_owned(),
            PARENT.to_uppercase(),
            PARENT.replacen("00", "ff", 1),
            PARENT.to_owned() + "-more",
            PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            PARENT.replace('b', "é"),
        ];
        for header in wrong {
            let trace = Trace::of(Some(&header), [1, 2, 3], 1.0);
            assert_eq!(trace.parent_id(), None, "{header}");
            assert_eq!(trace.trace_id(), "00000000000000010000000000000002");
        }
    }

    #[test]
    fn a_share_of_new_traces_is_exported() {
        let sampled = |share| {
            (0..1000_u64)
                .filter(|n| {
                    let draw = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    Trace::of(None, [0, draw, 1], share).is_sampled()
                })
                .count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 1000));
        assert!((200..300).contains(&sampled(0.25)), "{}", sampled(0.25));
    }
}
