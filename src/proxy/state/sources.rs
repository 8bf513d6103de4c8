//! Facts that only the system knows: unpredictable random numbers, the name of the host, the number of cores.
use std::sync::Arc;

use tokio::sync::Semaphore;

/// 256 unpredictable bits; `None` when the system has no randomness.
pub(crate) fn random_bytes() -> Option<[u8; 32]> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; 32];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// 256 unpredictable bits as hexadecimal text.
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

/// Permits to count prompts: half of the cores at once, so that streams go on.
pub(super) fn turns_at_counting() -> Arc<Semaphore> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(cores.div_ceil(2)))
}
