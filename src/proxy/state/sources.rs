//! What only the system can tell: randomness that nobody can foresee, the name of the host, how many cores it has.
use std::sync::Arc;

use tokio::sync::Semaphore;

/// 256 bits that nobody can foresee; `None` when the system has no randomness.
pub(crate) fn random_bytes() -> Option<[u8; 32]> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; 32];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The same as text.
pub(crate) fn random_text() -> Option<String> {
    let bytes = random_bytes()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "weir".to_owned(),
        name => name.to_owned(),
    }
}

/// How many prompts are counted at once: half of the cores, so that streams go on.
pub(super) fn turns_at_counting() -> Arc<Semaphore> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(cores.div_ceil(2)))
}
