//! The time of a step and its random draw. Clocks and randomness come from above this room, so that what happens in it
//! can be repeated.
use crate::moment::Moment;

/// The time and the random draw of one step of a request.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The time by both clocks.
    pub moment: Moment,
    /// A random number; a different one for every step.
    pub draw: u64,
}
