//! The client's side of a request: reads its body and writes its answer.
pub(super) mod answer;
mod blank;
pub(super) mod body;
pub(super) mod buffered;
pub(super) mod certified;
mod frames;
mod framing;
pub(super) mod guard;
pub(super) mod pace;
pub(super) mod places;
pub(super) mod shown;
pub(super) mod socket;
