//! What translation costs: a text delta in each direction, and the request of a long conversation.
//!
//! `cargo bench --no-default-features --bench translate`. The request stands beside reading the same bytes into a document tree
//! and printing them again.
use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use serde_json::Value;
use translation::{DELTAS, Pair, begun, conversation, delta, pairs, translator};
use weir::protocol::{Dialect, translate};

mod translation;

fn main() {
    divan::main();
}

/// One token at a time, as it comes at the speed of a model: from every upstream to a client of every other dialect.
#[divan::bench(args = pairs())]
fn text_deltas(bencher: Bencher<'_, '_>, pair: Pair) {
    let delta = delta(pair.upstream).as_bytes();
    bencher
        .counter(ItemsCount::new(DELTAS))
        .with_inputs(|| begun(pair))
        .bench_refs(|(translator, out)| {
            for _ in 0..DELTAS {
                translator.push(black_box(delta), out);
            }
        });
}

#[divan::bench(args = pairs())]
fn request(bencher: Bencher<'_, '_>, pair: Pair) {
    let body = conversation(pair.client);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let request = translate::decode(pair.client, black_box(&body)).expect("a request");
        translator(&request, pair.upstream).1
    });
}

#[divan::bench]
fn request_parsed_and_printed_by_serde(bencher: Bencher<'_, '_>) {
    let body = conversation(Dialect::Anthropic);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        serde_json::from_slice::<Value>(black_box(&body))
            .expect("JSON")
            .to_string()
    });
}
