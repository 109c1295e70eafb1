//! The route of a statement: what is decided before all of it is there must not change with the rest of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use obwarden::statement::keywords::{KillById, Route, route};

fuzz_target!(|text: &[u8]| {
    let whole = route(text, true).expect("a whole statement is decided");
    for cut in 0..=text.len() {
        if let Ok(early) = route(&text[..cut], false) {
            assert!(
                agree(early, whole),
                "cut at {cut}: {early:?}, whole: {whole:?}"
            );
        }
    }
});

/// Whether `whole` is `early` and what other statements behind it make of it.
fn agree(early: Route, whole: Route) -> bool {
    match (early, whole) {
        // Something stands behind it that is not to be run with it, or only with it.
        (_, Route::Mixed) | (Route::Diagnostics, Route::DiagnosticsAndMore) => true,
        (Route::Kill(early), Route::Kill(whole)) => {
            let alone = |kill| KillById {
                alone: true,
                ..kill
            };
            alone(early) == alone(whole)
        }
        (early, whole) => early == whole,
    }
}
