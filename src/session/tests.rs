//! What a session is made of.

use super::*;

/// Everything that an idle session is, but for its two sockets' places in the runtime.
#[test]
fn an_idle_session_keeps_no_room_for_what_is_rare() {
    const IDLE_BYTES_MAX: usize = 1024;

    fn bytes<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }
    assert!(bytes(serve) <= IDLE_BYTES_MAX, "{}", bytes(serve));
}
