//! Errors of upstreams: whatever the body, it is read as something, and said again in every dialect as JSON.
#![no_main]
use weir::protocol::Dialect;
use weir::protocol::error::{self, WireError};

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    for dialect in Dialect::ALL {
        let parsed = error::parse(dialect, input.0, input.1);
        let said = error::encode(dialect, &WireError::new(parsed.kind, parsed.message));
        assert!(serde_json::from_slice::<serde_json::Value>(&said).is_ok());
    }
});
