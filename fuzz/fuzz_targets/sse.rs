//! Event streams: the same frames and the same bytes, however the stream is cut, and nothing held beyond the limit.
#![no_main]
use weir::protocol::sse::{Frame, Frames, TooLong};

const LIMIT: usize = 64;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (step, stream) = input;
    assert_eq!(
        split(stream, stream.len()),
        split(stream, usize::from(step))
    );
});

fn split(stream: &[u8], step: usize) -> Result<Vec<(Option<Vec<u8>>, Vec<u8>)>, TooLong> {
    let (mut frames, mut seen) = (Frames::with_limit(LIMIT), Vec::new());
    let mut note =
        |frame: Frame<'_>| seen.push((frame.event.map(<[u8]>::to_vec), frame.data.to_vec()));
    for chunk in stream.chunks(step.max(1)) {
        frames.push(chunk, &mut note)?;
        assert!(frames.held() <= LIMIT);
    }
    frames.finish(&mut note);
    Ok(seen)
}
