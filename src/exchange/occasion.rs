//! When a request gets its chance, and the randomness that it may use. The clocks and the dice stand above this room, so that
//! what happens in it can be repeated.
use crate::moment::Moment;

/// One occasion in the life of a request.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// By both clocks.
    pub moment: Moment,
    /// Randomness, another one on every occasion.
    pub draw: u64,
}
