//! The superset of the four dialects: what is common to their requests, answers and events.
//!
//! Translation is hub and spokes: every dialect decodes into these types and encodes out of them, and knows no other
//! dialect. The same dialect on both sides never comes here; its bytes pass untouched.
//!
//! # What a dialect module supplies
//!
//! ```text
//! mod.rs       what the dialect is, and what it cannot express
//! wire.rs      serde structs, field for field, borrowing from the bytes
//! request.rs   decode(body) -> Result<Request, RequestFault>            the dialect as client
//!              encode(&Request, &Target) -> Result<Encoded, RequestFault>   the dialect as upstream
//! response.rs  decode(body) -> Result<Response, Violation>              upstream
//!              encode(&Response, &Context, &mut Losses) -> Vec<u8>      client
//! stream.rs    Decoder::push(data, on event) / finish(on event)         upstream
//!              Encoder::new(Context) / on(Event, &mut BytesMut)         client
//! error.rs     error events of a running stream, and the wordings that clients act on
//! ```
//!
//! Plain functions and structs; `translate.rs` dispatches with a `match` over [`Dialect`](super::Dialect).
//!
//! # Invariants
//!
//! * **Content is blocks**, not chat messages: [`block::Block`]. Blocks are in the order of generation.
//! * **`Args::raw` is the truth** of a tool call's arguments ([`args::Args`]): the exact text, parsed only where a
//!   dialect needs an object.
//! * **Opaque state carries its provenance** ([`opaque::Opaque`]): a signature or an encrypted item is sent back only
//!   to the vendor that made it. To a client of another dialect it is sent in an envelope ([`opaque::seal`]).
//! * **Nothing is lost silently**: a decoder keeps fields without a counterpart in [`request::Request::extras`], each
//!   with a verdict for targets that do not know it; an encoder names what it leaves out ([`error::Dropped`]) or
//!   refuses ([`error::RequestFault`]).
//! * **Tool names and ids** are rewritten by pure functions ([`names`]), so that resent history maps the same on every
//!   turn and on every host.
//! * **History is repaired once**, for every target, by [`history::settle`]: results follow their calls, in the order
//!   of the calls; missing results are made up, results without a call become text.
//! * **Events** ([`event::Event`]) of one stream are checked by [`grammar::Grammar`] once, in front of every encoder:
//!   `Start` first and once; `ToolArgs` only between `ToolStart` and `ToolEnd` of its slot; every slot ended before
//!   `Stop`; `Stop` at most once; then `Usage` any number of times, then `End` or `Error`. Slots may overlap, and text
//!   may come while a slot is open: a client dialect whose blocks may not overlap puts [`sequence::Sequencer`] in front
//!   of its encoder.
//! * **Usage** ([`usage::Usage`]) is in exclusive buckets; each `Usage` event states the total so far, not an
//!   increment.
pub mod advisor;
pub mod args;
pub mod block;
pub mod carry;
pub mod collect;
pub mod context;
pub mod digest;
pub mod error;
pub mod estimate;
pub mod event;
mod figures;
pub mod grammar;
pub mod history;
pub mod labels;
pub mod media;
pub mod mend;
pub mod names;
pub mod offer;
pub mod opaque;
pub mod plain;
pub mod read;
pub mod replay;
pub mod request;
pub mod response;
pub mod schema;
pub mod sequence;
pub mod stated;
pub mod target;
pub mod units;
pub mod usage;
mod vendor;
pub mod write;
