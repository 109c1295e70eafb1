//! COM_STMT_EXECUTE: any bytes are parameters, as many as the statement takes, or an error.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use obwarden::wire::execute::Execute;

// One byte says how many parameters the statement takes, one of which of them long data has been sent, and one how
// long the first of two packets is.
fuzz_target!(|data: &[u8]| {
    let [placeholders, long, len, sent @ ..] = data else {
        return;
    };
    let placeholders = u16::from(*placeholders);
    let long_data = BTreeMap::from([(u16::from(*long), b"long".to_vec())]);
    let mut types = Vec::new();
    let (first, second) = sent.split_at(sent.len().min((*len).into()));
    for packet in [first, second, first] {
        let before = types.clone();
        match Execute::read(packet, placeholders, &mut types, &long_data) {
            Ok(read) => assert_eq!(read.parameters.len(), usize::from(placeholders)),
            Err(error) => {
                assert!(!(2000..3000).contains(&error.to_sql().code), "{error}");
                assert_eq!(types, before, "what cannot be read changes nothing");
            }
        }
    }
});
