//! Raw JSON: every valid object is read, and renaming the model changes nothing but the model.
#![no_main]
use bytes::Bytes;
use serde_json::{Map, Value, from_slice};
use weir::protocol::json::{self, Fault};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let object = from_slice::<Map<String, Value>>(body);
    match (json::scan(body), object) {
        (Ok(members), Ok(mut object)) => {
            let renamed = json::rename(&Bytes::copy_from_slice(body), &members, "new").to_bytes();
            if object.contains_key("model") {
                object["model"] = "new".into();
            }
            let seen: Map<String, Value> =
                from_slice(&renamed).expect("an edited object is an object");
            assert!(object.iter().all(|(name, value)| seen[name] == *value));
        }
        (Err(Fault::Duplicate { .. } | Fault::TooDeep { .. }) | Ok(_), _) | (Err(_), Err(_)) => {}
        (Err(fault), Ok(_)) => panic!("a valid object was refused: {fault}"),
    }
});
