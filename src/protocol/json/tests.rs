//! Tests of the module above this file.
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use bytes::Bytes;

#[track_caller]
fn refuses(body: &str, expected: &Fault) {
    assert_eq!(scan(body.as_bytes()).as_ref(), Err(expected), "{body}");
}

#[track_caller]
fn refuses_syntax(body: &str) {
    let fault = scan(body.as_bytes());
    assert!(
        matches!(fault, Err(Fault::Syntax { .. })),
        "{body}: {fault:?}"
    );
}

#[track_caller]
fn edits(body: &str, edits: &[(&str, Edit)], expected: &str) {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let members = scan(&bytes).expect("a valid body");
    let pieces = set(&bytes, &members, edits);
    let whole = pieces.to_bytes();
    assert_eq!(std::str::from_utf8(&whole), Ok(expected));
    assert_eq!(pieces.len(), whole.len());
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
}

fn to(value: &'static str) -> Edit {
    Edit::Set(Bytes::from_static(value.as_bytes()))
}

#[test]
fn finds_members_of_the_top_level_only() {
    let body = br#" { "model" : "m" , "a":{"model":"no"},"stream":true,"n":12, "x":null } "#;
    let members = scan(body).expect("valid");
    assert_eq!(members.string(body, "model").as_deref(), Some("m"));
    assert_eq!(members.boolean(body, "stream"), Some(true));
    assert_eq!(members.integer(body, "n"), Some(12));
    assert_eq!(members.value(body, "a"), Some(&br#"{"model":"no"}"#[..]));
    assert!(!members.has(body, "x"));
    assert_eq!(members.value(body, "y"), None);
    assert_eq!(members.len(), 5);
}

#[test]
fn an_escaped_name_is_found_under_what_it_means() {
    let body = br#"{"mod\u0065l":"a\u00e9\ud83d\ude00\n"}"#;
    let members = scan(body).expect("valid");
    assert_eq!(members.string(body, "model").as_deref(), Some("aé😀\n"));
    assert_eq!(members.value(body, r"mod\u0065l"), None);
}

#[test]
fn a_second_model_is_refused_however_it_is_spelt() {
    let duplicate = Fault::Duplicate { name: "model" };
    for second in [
        "model",
        r"mod\u0065l",
        r"\u006dodel",
        r"\u006Dodel",
        "Model",
        r"MOD\u0045L",
    ] {
        refuses(&format!(r#"{{"model":"a","{second}":"b"}}"#), &duplicate);
        refuses(
            &format!(r#"{{"{second}":"b","x":1,"model":"a"}}"#),
            &duplicate,
        );
    }
    for second in ["stream", r"\u0073tream", "ſtream", r"\u017ftream"] {
        let body = format!(r#"{{"stream":true,"{second}":false}}"#);
        refuses(&body, &Fault::Duplicate { name: "stream" });
    }
    assert!(scan(br#"{"model":"a","x":{"model":1,"model":2},"y":1,"y":2}"#).is_ok());
}

#[test]
fn of_other_doubled_members_the_last_counts() {
    let body = br#"{"a":1,"a":2}"#;
    assert_eq!(scan(body).expect("valid").integer(body, "a"), Some(2));
}

#[test]
fn what_is_not_one_object_is_refused() {
    for body in ["", " ", "\n\t "] {
        refuses(body, &Fault::Empty);
    }
    for body in ["[]", "1", "null", "\"{}\"", "}", "\u{feff}{}", "<html>"] {
        refuses(body, &Fault::NotAnObject);
    }
    for body in [
        "{}{}",
        "{},",
        "{} x",
        "{}\0",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
    ] {
        refuses_syntax(body);
    }
}

#[test]
fn broken_syntax_is_refused_at_any_depth() {
    for value in [
        "[1 2]",
        "[1,]",
        "[,1]",
        "[1}",
        "{\"a\":1]",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1,}",
        "\"a",
        "\"a\\",
        "\"a\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\u{1}\"",
        "tru",
        "nulll",
        "truefalse",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "NaN",
        "'a'",
        "",
        "[",
        "{",
        "[[[",
        "//",
        "\u{a0}1",
    ] {
        refuses_syntax(&format!("{{\"k\":{value}}}"));
        refuses_syntax(&format!("{{\"k\":[{{\"k\":{value}}}]}}"));
    }
}

#[test]
fn control_characters_are_white_space_only_where_json_says_so() {
    assert!(scan(b"{\r\n\t\"a\" :\t[ ] }\n").is_ok());
    for byte in 0..0x20_u8 {
        let inside = [b"{\"a\":\"", &[byte][..], b"\"}"].concat();
        assert!(scan(&inside).is_err(), "{byte:#x} in a string");
        let outside = [b"{\"a\":", &[byte][..], b"1}"].concat();
        assert_eq!(
            scan(&outside).is_ok(),
            matches!(byte, b'\t' | b'\n' | b'\r'),
            "{byte:#x}"
        );
    }
}

#[test]
fn nesting_is_bounded_without_recursion() {
    let nested = |levels: usize| {
        format!(
            "{{\"a\":{}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    assert!(scan(nested(MAX_DEPTH).as_bytes()).is_ok());
    let at = 5 + MAX_DEPTH - 1;
    refuses(&nested(MAX_DEPTH + 1), &Fault::TooDeep { at });
    refuses(&nested(100_000), &Fault::TooDeep { at });
    refuses(
        &"{\"a\":".repeat(100_000),
        &Fault::TooDeep { at: 5 * MAX_DEPTH },
    );
}

#[test]
fn invalid_utf8_is_refused_where_it_is() {
    assert_eq!(scan(b"{\"a\":\"\xff\"}"), Err(Fault::NotUtf8 { at: 6 }));
    assert_eq!(
        scan(b"{\"a\":\"\xed\xa0\x80\"}"),
        Err(Fault::NotUtf8 { at: 6 })
    );
}

#[test]
fn a_lone_surrogate_is_the_upstreams_business() {
    let body = br#"{"a":"\ud800x","b":"\udc00\ud800\u0041"}"#;
    let members = scan(body).expect("valid");
    assert_eq!(members.string(body, "a").as_deref(), Some("\u{fffd}x"));
    assert_eq!(
        members.string(body, "b").as_deref(),
        Some("\u{fffd}\u{fffd}A")
    );
}

#[test]
fn a_rename_changes_only_the_bytes_of_the_model() {
    let body =
        Bytes::from_static(b"{ \"max_tokens\": 1,\n \"model\" : \"old\", \"messages\": [ ] }");
    let members = scan(&body).expect("valid");
    let pieces = rename(&body, &members, "new \"q\"\n");
    let expected = b"{ \"max_tokens\": 1,\n \"model\" : \"new \\\"q\\\"\\n\", \"messages\": [ ] }";
    assert_eq!(pieces.to_bytes(), &expected[..]);
    let parts: Vec<&Bytes> = pieces.iter().collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(
        parts[0].as_ptr(),
        body.as_ptr(),
        "the original is not copied"
    );
    assert_eq!(parts[2].as_ptr_range().end, body.as_ptr_range().end);
}

#[test]
fn members_are_set_appended_and_removed() {
    edits(
        "{\"a\":1,\"b\":2,\"c\":3}",
        &[("b", to("true"))],
        "{\"a\":1,\"b\":true,\"c\":3}",
    );
    edits("{\"a\":1}", &[("b", to("2"))], "{\"a\":1,\"b\":2}");
    edits("{}", &[("a", to("1")), ("b", to("2"))], "{\"a\":1,\"b\":2}");
    edits(" { } ", &[("a\n", to("1"))], " {\"a\\n\":1 } ");
    edits(
        "{\"a\":1,\"b\":2,\"c\":3}",
        &[("a", Edit::Remove)],
        "{\"b\":2,\"c\":3}",
    );
    edits(
        "{\"a\":1,\"b\":2,\"c\":3}",
        &[("b", Edit::Remove)],
        "{\"a\":1,\"c\":3}",
    );
    edits(
        "{\"a\":1,\"b\":2,\"c\":3}",
        &[("c", Edit::Remove)],
        "{\"a\":1,\"b\":2}",
    );
    edits("{\"a\":1}", &[("a", Edit::Remove)], "{}");
    edits(
        "{\"a\":1}",
        &[("a", Edit::Remove), ("b", to("2"))],
        "{\"b\":2}",
    );
    edits("{\"a\":1}", &[("x", Edit::Remove)], "{\"a\":1}");
}

#[test]
fn of_two_edits_of_one_name_the_first_counts() {
    edits("{}", &[("a", to("1")), ("a", to("2"))], "{\"a\":1}");
    edits("{\"a\":0}", &[("a", to("1")), ("a", to("2"))], "{\"a\":1}");
    edits("{}", &[("a", Edit::Remove), ("a", to("2"))], "{}");
}

#[test]
fn a_doubled_member_is_edited_everywhere() {
    edits(
        "{\"a\":1,\"\\u0061\":2}",
        &[("a", to("3"))],
        "{\"a\":3,\"\\u0061\":3}",
    );
    edits(
        "{\"a\":1,\"b\":2,\"a\":3}",
        &[("a", Edit::Remove)],
        "{\"b\":2}",
    );
}

#[test]
fn members_of_another_body_do_no_harm() {
    let members = scan(b"{\"model\":\"a long one\",\"b\":1}").expect("valid");
    let short = Bytes::from_static(b"{}");
    let _ = rename(&short, &members, "x");
    assert_eq!(members.value(&short, "model"), None);
    assert_eq!(members.string(&short, "b"), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\"\\\\/\n\r\t\u{8}a\u{2028}😀]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-e\"\\\\é]{0,3}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-e\"\\\\é]{0,2}", any_json()), 0..8)
        .prop_map(|members| members.into_iter().collect())
}

/// Valid, nearly valid and invalid bodies: the significant bytes in any order.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"model\":",
        "\"m\\u006fdel\":1",
        "\\",
        "\\u00",
        "1",
        "-0.5e3",
        "true",
        "nul",
        " ",
        "\n",
        "é",
        "\u{7f}",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| {
        let mut body = b"{".to_vec();
        body.extend(tokens.concat().into_bytes());
        body
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_on_valid_bodies(object in any_object(), pretty in any::<bool>()) {
        let body = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }
            .expect("serializes");
        let members = scan(&body).expect("valid");
        prop_assert_eq!(members.len(), object.len());
        let reread: Map<String, Value> = serde_json::from_slice(&body).expect("valid");
        for (name, value) in &reread {
            let raw = members.value(&body, name).expect("found");
            prop_assert_eq!(&serde_json::from_slice::<Value>(raw).expect("a value"), value);
            let text = members.string(&body, name);
            prop_assert_eq!(text.as_deref(), value.as_str());
        }
    }

    #[test]
    fn accepts_exactly_what_serde_accepts(body in nearly_json()) {
        // A scanner does not check the range of numbers; the strategy generates none that are out of range.
        let reference = serde_json::from_slice::<Map<String, Value>>(&body);
        match scan(&body) {
            Ok(members) => {
                prop_assert!(reference.is_ok());
                for member in &members {
                    prop_assert!(member.key.start <= member.key.end && member.key.end < member.value.start);
                    prop_assert!(member.value.start < member.value.end && member.value.end < body.len());
                }
            }
            Err(Fault::Duplicate { .. }) => {}
            Err(fault) => prop_assert!(reference.is_err(), "{fault}"),
        }
    }

    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = scan(&body);
        let _ = unescape(&body);
    }

    #[test]
    fn edits_as_a_document_would(
        object in any_object(),
        edits in prop::collection::vec(("[a-e\"\\\\é]{0,2}", prop::option::of(any_json())), 0..5),
        pretty in any::<bool>(),
    ) {
        let body = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) };
        let body = Bytes::from(body.expect("serializes"));
        let mut expected: Map<String, Value> = serde_json::from_slice(&body).expect("valid");
        let mut done = Vec::new();
        let mut wire = Vec::new();
        for (name, value) in &edits {
            let text = value.as_ref().map(|value| serde_json::to_vec(value).expect("serializes"));
            if !done.contains(&name) {
                done.push(name);
                match &text {
                    None => { expected.shift_remove(name); }
                    Some(text) => { expected.insert(name.clone(), serde_json::from_slice(text).expect("valid")); }
                }
            }
            wire.push((name.as_str(), text.map_or(Edit::Remove, |text| Edit::Set(text.into()))));
        }
        let edited = set(&body, &scan(&body).expect("valid"), &wire).to_bytes();
        scan(&edited).expect("still valid");
        let edited: Map<String, Value> = serde_json::from_slice(&edited).expect("still valid");
        prop_assert_eq!(edited, expected);
    }

    #[test]
    fn quotes_as_serde_does(text in "[\"\\\\/\n\r\t\u{0}\u{1f}\u{7f}a\u{2028}😀]{0,12}") {
        let quoted = quote(&text);
        prop_assert_eq!(serde_json::from_slice::<String>(&quoted).expect("a string"), text.clone());
        let reread = string(&quoted);
        prop_assert_eq!(reread.as_deref(), Some(text.as_str()));
    }
}

#[test]
fn the_elements_of_an_array_are_counted() {
    let body = br#"{"a":[],"b":[ ],"c":[1],"d":[[1,2],{"x":[3,4]},"5,6"],"e":"[1,2]","f":{"g":[1,2]},"a":[7 , 8]}"#;
    let members = scan(body).expect("valid");
    let counts = ["a", "b", "c", "d", "e", "f", "g"].map(|name| members.elements(body, name));
    assert_eq!(
        counts,
        [Some(2), Some(0), Some(1), Some(3), None, None, None]
    );
}
