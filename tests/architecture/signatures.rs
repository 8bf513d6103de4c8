//! What declarations say: how many parameters a function takes, which fields other files may touch.

/// Functions with more than `most` parameters beside `self`. What a property draws (`x in …`) is no parameter.
pub fn crowded(tokens: &[String], most: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        // Not the type `fn(…)`.
        if pair[0] != "fn" || pair[1] == "(" {
            continue;
        }
        let count = parameters(&tokens[at + 2..]);
        if count > most {
            faults.push(format!(
                "`{}` has {count} parameters, at most {most}",
                pair[1]
            ));
        }
    }
    faults
}

/// The parameters that follow the name of a function: each has one colon outside of all inner brackets.
fn parameters(tokens: &[String]) -> usize {
    let mut angles = 0_usize;
    let mut depth = 0_usize;
    let mut count = 0;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| &*tokens[before]);
        match token.as_str() {
            // Bounds before the list may hold brackets of their own: `<F: Fn(u8) -> u8>`.
            "<" if depth == 0 => angles += 1,
            ">" if depth == 0 && before != "-" => angles = angles.saturating_sub(1),
            _ if angles > 0 => {}
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            ":" if depth == 1 && before != "self" => count += 1,
            _ => {}
        }
    }
    count
}

/// Names of the fields (of a tuple: their types) that more than their file may touch, and less than everybody.
pub fn shared_fields(tokens: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[0] != "pub" || pair[1] != "(" {
            continue;
        }
        let rest = &tokens[at + 2..];
        let Some(close) = rest.iter().position(|token| token == ")") else {
            continue;
        };
        // The type of a public field may begin with a bracket too: `struct A(pub (u8, u8))`.
        if !["super", "crate", "in", "self"].contains(&&*rest[0]) {
            continue;
        }
        if let Some(next) = rest.get(close + 1)
            && !ITEMS.contains(&&**next)
        {
            found.push(&**next);
        }
    }
    found
}

/// How everything but a field begins after its visibility.
const ITEMS: &[&str] = &[
    "fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "use", "async",
    "unsafe", "extern", "macro",
];

#[cfg(test)]
mod rules_can_fail {
    use super::super::tokens::tokens;
    use super::*;

    #[test]
    fn crowded_functions_are_faults() {
        for text in [
            "fn f(a: A, b: B, c: C) {}",
            "impl X { pub async fn f(&mut self, a: A, (b, c): (B, C), D { d: e }: D) {} }",
            "fn f<F: Fn(A, B) -> C>(self: Arc<Self>, f: impl Fn(x::A) -> B, [b]: [B; 1], c: C)",
            "trait T { fn f(a: A, b: B, c: C,); }",
        ] {
            assert_eq!(crowded(&tokens(text), 2).len(), 1, "{text}");
            assert!(crowded(&tokens(text), 3).is_empty(), "{text}");
        }
        for text in [
            "struct S { f: fn(a: A, b: B, c: C) }",
            "fn f(a: impl Fn(x: A, y: B, z: C), b: (A, B, C)) { let c: C; }",
            "// fn f(a: A, b: B, c: C)",
            "fn drawn(a in 0..3, b in 1..4, c in 2..5) {}",
        ] {
            assert!(crowded(&tokens(text), 2).is_empty(), "{text}");
        }
    }

    #[test]
    fn fields_that_others_may_touch_are_found() {
        let text = "pub struct A { pub(super) a: u8, pub(in crate::x) b: X, pub(crate) c: (u8, u8), pub d: u8, e: u8 }
            struct B(pub(super) u8, pub (u8, u8)); pub(super) struct C; pub(crate) fn f() {} pub(super) const D: u8 = 1;
            pub(super) use x; pub(in a::b) async fn g() {}";
        assert_eq!(shared_fields(&tokens(text)), ["a", "b", "c", "u8"]);
    }
}
