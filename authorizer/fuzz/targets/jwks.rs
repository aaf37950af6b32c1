//! A document is a key set within its bounds, or refused.
#![no_main]

use gatewright_authorizer::jose::{Algorithm, JwkSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(set) = JwkSet::parse(data) {
        assert!(data.len() <= 64 * 1024);
        for alg in Algorithm::ALL {
            let _ = set.find(Some("k"), alg);
        }
    }
});
