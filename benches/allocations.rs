//! How often translation asks for memory: per text delta, and per request of a long conversation.
//!
//! `cargo bench --no-default-features --bench allocations`. Divide the deltas' counts by 1,000. The times are not to be read: the
//! profiler counts along.
use std::hint::black_box;

use divan::{AllocProfiler, Bencher};
use translation::{DELTAS, Pair, begun, conversation, delta, pairs, translator};
use weir::protocol::translate;

mod translation;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = pairs(), sample_count = 1, sample_size = 1)]
fn a_thousand_text_deltas(bencher: Bencher<'_, '_>, pair: Pair) {
    let delta = delta(pair.upstream).as_bytes();
    bencher
        .with_inputs(|| begun(pair))
        .bench_refs(|(translator, out)| {
            for _ in 0..DELTAS {
                translator.push(black_box(delta), out);
            }
        });
}

#[divan::bench(args = pairs(), sample_count = 1, sample_size = 1)]
fn request(bencher: Bencher<'_, '_>, pair: Pair) {
    let body = conversation(pair.client);
    bencher.bench(|| {
        let request = translate::decode(pair.client, black_box(&body)).expect("a request");
        translator(&request, pair.upstream).1
    });
}
