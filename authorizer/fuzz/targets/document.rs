//! Whatever GraphQL document comes, one more operation adds to what it begins with and takes nothing away.
#![no_main]

use gatewright_authorizer::appsync::graphql::{MAX_DOCUMENT, root_fields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &str| {
    let Some(fields) = root_fields(document) else {
        return;
    };
    assert!(!fields.is_empty());
    let longer = format!("{document}\nmutation {{ another }}");
    if longer.len() <= MAX_DOCUMENT && fields.len() < 256 {
        let more = root_fields(&longer).expect("it was readable");
        assert!(more.is_superset(&fields));
        assert!(more.contains(&("Mutation", "another")));
    }
});
