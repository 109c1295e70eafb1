//! Passwords in statements: no text is too strange, and a password of any characters is hidden.

#![no_main]

use libfuzzer_sys::fuzz_target;
use obwarden::mask::mask;

/// Stands in the middle of a password.
const SECRET: &str = "Zq7Zq7Zq7";

fuzz_target!(|text: &str| {
    mask(text);
    if text.contains("q7") {
        return;
    }
    let middle = text.floor_char_boundary(text.len() / 2);
    let password = format!("{}{SECRET}{}", &text[..middle], &text[middle..]);
    let quoted = password.replace('\\', "\\\\").replace('\'', "''");
    let statement = format!("CREATE USER a IDENTIFIED BY '{quoted}' ACCOUNT LOCK");
    let masked = mask(&statement);
    assert!(!masked.contains(SECRET), "{masked}");
});
