//! Streams of this dialect, read from an upstream and written to a client.
//!
//! ```text
//! Decoder   Before ── created, in_progress, anything else ──► Open ── completed, incomplete, failed, error ──► Ended
//!
//!           one item of Open, by its output_index:
//!           added(message)   ──► Message   ── text, refusal ──► Message ── done ──► Done
//!           added(reasoning) ──► Reasoning ── summary, text ──► Reasoning ── done ──► Done
//!           added(call)      ──► Call      ── arguments ──────► Call ── done ──► Done
//!           If a `.done` event contains something that no delta has emitted, it is emitted then.
//!
//! Encoder   Before ── Start, content ──► Between            (created, in_progress)
//!           Between ── text, refusal ──► Message            (output_item.added, content_part.added)
//!           Between ── reasoning ──► Reasoning              (output_item.added)
//!           Between ── ToolStart ──► Call                   (output_item.added)
//!           Message, Reasoning ── content of another kind, Stop ──► Between      (…done, output_item.done)
//!           Reasoning ── ReasoningEnd ──► Between,  Call ── ToolEnd ──► Between, or Cut if its arguments are broken
//!           Cut ── Stop ──► Between                         (output_item.done, incomplete),  Cut ── content ──► a breach
//!           any ── End ──► Ended (completed, incomplete),  any ── Error ──► Ended (failed)
//! ```
//!
//! The encoder never overlaps items, although the dialect permits it: agents follow one item at a time.
mod answer;
mod decoder;
mod emitted_text;
mod encoder;
mod items;
mod message;
mod slots;
mod tally;
mod whole;
mod writer;

pub use decoder::Decoder;
pub use encoder::Encoder;
