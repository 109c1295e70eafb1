//! The exchange in which an account proves who it is: at the end of a login, and in COM_CHANGE_USER. It
//! is passed on as it comes; what is decided here is whose turn it is, and what must not be passed on.
//!
//! ```text
//!   server ─ switch to another method, or more data ─► client ─ answer ─► server ─ … ─► OK or ERR
//! ```
//!
//! With TLS on one of the two connections only, client and server do not agree on whether anybody can
//! listen. Methods that depend on it would send a password where it can be read, or fail in a way that
//! nobody understands: those are refused.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use super::answer::{ERR, OK};
use super::cursor::Cursor;

/// The method where a login names none.
const NATIVE: &[u8] = b"mysql_native_password";
/// Sends a hash, and the password itself only when the server has not cached it.
const CACHING_SHA2: &[u8] = b"caching_sha2_password";
/// Send the password itself.
const READABLE: [&[u8]; 3] = [b"mysql_clear_password", b"dialog", b"sha256_password"];

/// First byte of more data for the method in hand.
const MORE_DATA: u8 = 0x01;
/// First byte of a request to switch to another method.
const SWITCH: u8 = 0xfe;

/// caching_sha2_password: "fast authentication succeeded".
const FAST_SUCCEEDED: u8 = 3;
/// caching_sha2_password: "send the password itself".
const FULL: u8 = 4;

/// What comes after a packet of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it was an OK packet.
    Accepted,
    /// Nothing: it was an ERR packet.
    Refused,
    /// Another packet of the server's.
    ServerGoesOn,
    /// A packet of the client's.
    ClientAnswers,
}

/// A method that is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the authentication method '{method}' is refused{because}: with TLS on only one of client's and \
     server's connections it would fail, or send the password where it can be read"
)]
pub struct MethodRefused {
    method: String,
    because: &'static str,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    method: Vec<u8>,
    tls_on_one_side: bool,
}

impl Authentication {
    /// Begins with the method that the client's login names, and its answer in it.
    ///
    /// # Errors
    /// When that answer must not be passed on.
    pub fn begin(method: Option<&[u8]>, tls_on_one_side: bool) -> Result<Self, MethodRefused> {
        let mut authentication = Self {
            method: Vec::new(),
            tls_on_one_side,
        };
        authentication.switch(method.unwrap_or(NATIVE))?;
        Ok(authentication)
    }

    /// Looks at a packet of the server's before it is passed on.
    ///
    /// # Errors
    /// When the client's answer to it must not be passed on, and so the packet neither.
    pub fn server_sends(&mut self, payload: &[u8]) -> Result<Next, MethodRefused> {
        match payload {
            [OK, ..] => Ok(Next::Accepted),
            [ERR, ..] => Ok(Next::Refused),
            [MORE_DATA, FAST_SUCCEEDED] => Ok(Next::ServerGoesOn),
            [MORE_DATA, FULL] if self.tls_on_one_side && self.method == CACHING_SHA2 => {
                Err(self.refused(", as the server wants the password itself"))
            }
            [SWITCH, request @ ..] => {
                let mut cursor = Cursor::new(request);
                self.switch(cursor.nul_terminated_or_rest())?;
                Ok(Next::ClientAnswers)
            }
            _ => Ok(Next::ClientAnswers),
        }
    }

    fn switch(&mut self, method: &[u8]) -> Result<(), MethodRefused> {
        self.method = method.to_vec();
        if self.tls_on_one_side && READABLE.contains(&method) {
            return Err(self.refused(""));
        }
        Ok(())
    }

    fn refused(&self, because: &'static str) -> MethodRefused {
        MethodRefused {
            method: String::from_utf8_lossy(&self.method).into_owned(),
            because,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLIKE: bool = true;
    const ALIKE: bool = false;

    #[test]
    fn ok_and_err_end_it_and_everything_else_is_the_clients_to_answer() {
        let mut native = Authentication::begin(None, ALIKE).unwrap();
        for (payload, next) in [
            (&b"\x00\0\0\x02\0\0\0"[..], Next::Accepted),
            (b"\xff\x15\x04#28000Access denied", Next::Refused),
            (b"\x01\x03", Next::ServerGoesOn),
            (b"\x01\x04", Next::ClientAnswers),
            (b"\x01-----BEGIN PUBLIC KEY-----", Next::ClientAnswers),
            (
                b"\xfemysql_native_password\x00scramble",
                Next::ClientAnswers,
            ),
            (b"\xfe", Next::ClientAnswers),
            (b"", Next::ClientAnswers),
        ] {
            assert_eq!(native.server_sends(payload), Ok(next), "{payload:?}");
        }
    }

    #[test]
    fn a_readable_password_does_not_leave_tls_nor_enter_it() {
        for method in READABLE {
            assert!(Authentication::begin(Some(method), ALIKE).is_ok());
            let refused = Authentication::begin(Some(method), UNLIKE).unwrap_err();
            let name = String::from_utf8_lossy(method);
            assert!(refused.to_string().contains(&*name), "{refused}");

            let switch = [&[SWITCH], method, b"\0"].concat();
            let mut native = Authentication::begin(Some(NATIVE), UNLIKE).unwrap();
            assert!(native.server_sends(&switch).is_err());
        }
    }

    #[test]
    fn caching_sha2_passes_as_long_as_the_server_knows_the_password() {
        let mut sha2 = Authentication::begin(Some(CACHING_SHA2), UNLIKE).unwrap();
        assert_eq!(
            sha2.server_sends(&[MORE_DATA, FAST_SUCCEEDED]),
            Ok(Next::ServerGoesOn)
        );
        assert!(sha2.server_sends(&[MORE_DATA, FULL]).is_err());
        // Another method's data may look like it.
        let mut native = Authentication::begin(Some(NATIVE), UNLIKE).unwrap();
        assert!(native.server_sends(&[MORE_DATA, FULL]).is_ok());
        let switch = [&[SWITCH], CACHING_SHA2, b"\0scramble"].concat();
        assert!(native.server_sends(&switch).is_ok());
        assert!(native.server_sends(&[MORE_DATA, FULL]).is_err());
    }
}
