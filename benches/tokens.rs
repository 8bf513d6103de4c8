//! What counting costs: a long conversation for the first time, when its turns are known, and the quick estimate of routes.
//!
//! `cargo bench --no-default-features --bench tokens`.
use std::fmt::Write as _;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use translation::conversation;
use weir::protocol::hub::request::Request;
use weir::protocol::{Dialect, translate};
use weir::tokens::Tokens;

#[path = "translation/mod.rs"]
#[expect(dead_code, reason = "shared with the benchmarks of translation")]
mod translation;

/// About 300 KB, of which no two tool results are alike.
fn prompt() -> (Vec<u8>, Request) {
    let body = String::from_utf8(conversation(Dialect::Anthropic)).expect("UTF-8");
    let pieces = body.split("// why").enumerate();
    let body = pieces.fold(String::new(), |mut body, (number, piece)| {
        if number > 0 {
            write!(body, "// {number}").expect("a String takes everything");
        }
        body + piece
    });
    let body = body.into_bytes();
    let request = translate::decode(Dialect::Anthropic, &body).expect("a request");
    (body, request)
}

const MODEL: &str = "claude-opus-4-8";

fn main() {
    divan::main();
}

#[divan::bench]
fn first(bencher: Bencher<'_, '_>) {
    let (body, request) = prompt();
    // The vocabulary is loaded once in a process.
    Tokens::default().count(&request, MODEL);
    bencher
        .counter(BytesCount::of_slice(&body))
        .with_inputs(Tokens::default)
        .bench_refs(|tokens| tokens.count(black_box(&request), MODEL));
}

#[divan::bench]
fn again(bencher: Bencher<'_, '_>) {
    let (body, request) = prompt();
    let tokens = Tokens::default();
    tokens.count(&request, MODEL);
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench_local(|| tokens.count(black_box(&request), MODEL));
}

#[divan::bench]
fn quick(bencher: Bencher<'_, '_>) {
    let (body, request) = prompt();
    let tokens = Tokens::default();
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench_local(|| tokens.quick(black_box(&request), MODEL));
}
