//! A server's greeting: what the proxy reads in it, and how it shows it to the client.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>

use super::Malformed;
use super::capabilities::{Capabilities, ExtendedCapabilities};
use super::cursor::Cursor;

/// The protocol version that every server since MySQL 3.21 speaks.
const PROTOCOL_10: u8 = 10;

/// What a greeting says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Such as `5.7.25-OceanBase-v4.2.1.0`.
    pub version: String,
    /// The session's id on that server: its `CONNECTION_ID()`.
    pub thread_id: u32,
    /// What the server offers.
    pub capabilities: Capabilities,
    /// MariaDB's further offers; none where the server is no MariaDB.
    pub extended: ExtendedCapabilities,
    /// Server status flags.
    pub status: u16,
    capabilities_low_at: usize,
    capabilities_high_at: usize,
}

impl Greeting {
    /// Reads a greeting's payload.
    pub fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        if cursor.u8("protocol version")? != PROTOCOL_10 {
            return Err(Malformed("protocol version"));
        }
        let version = cursor.nul_terminated("server version")?;
        let thread_id = cursor.u32("thread id")?;
        cursor.take(8, "scramble")?;
        cursor.u8("filler")?;
        let capabilities_low_at = payload.len() - cursor.rest().len();
        let low = cursor.u16("capability flags")?;
        cursor.u8("character set")?;
        let status = cursor.u16("status flags")?;
        let capabilities_high_at = payload.len() - cursor.rest().len();
        let high = cursor.u16("capability flags")?;
        cursor.u8("scramble's length")?;
        cursor.take(6, "filler")?;
        let extended = cursor.u32("filler")?;
        let capabilities = Capabilities(u32::from(low) | u32::from(high) << 16);
        let is_mariadb = !capabilities.has(Capabilities::LONG_PASSWORD);
        Ok(Self {
            version: String::from_utf8_lossy(version).into_owned(),
            thread_id,
            capabilities,
            extended: ExtendedCapabilities(if is_mariadb { extended } else { 0 }),
            status,
            capabilities_low_at,
            capabilities_high_at,
        })
    }

    /// The same greeting's `payload`, with only those capabilities in it that pass the proxy, and `tls`
    /// if the proxy takes that.
    ///
    /// `payload` must be the one that this greeting was read from.
    pub fn masked(&self, payload: &[u8], tls: bool) -> Vec<u8> {
        let offered = self.capabilities.offered_through_proxy(tls).0.to_le_bytes();
        let mut masked = payload.to_vec();
        masked[self.capabilities_low_at..][..2].copy_from_slice(&offered[..2]);
        masked[self.capabilities_high_at..][..2].copy_from_slice(&offered[2..]);
        let extended = self.extended.through_proxy().0.to_le_bytes();
        if !self.capabilities.has(Capabilities::LONG_PASSWORD) {
            masked[self.capabilities_high_at + 9..][..4].copy_from_slice(&extended);
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::HEADER_BYTES;

    /// seekdb 1.4.0, as captured from a live node.
    pub(crate) const SEEKDB: &str = "4a0000000a352e372e323500c3170000736271334648743200fff72e02009f0015000000000000000000003966794d5237583645362244006d7973716c5f6e61746976655f70617373776f726400";

    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn a_seekdb_greeting_is_read() {
        let greeting = Greeting::read(&bytes(SEEKDB)[HEADER_BYTES..]).unwrap();
        assert_eq!(greeting.version, "5.7.25");
        assert_eq!(greeting.thread_id, 0x17c3);
        assert_eq!(greeting.capabilities, Capabilities(0x009f_f7ff));
        assert_eq!(greeting.status, 2);
    }

    #[test]
    fn a_masked_greeting_differs_in_its_capabilities_only() {
        let packet = bytes(SEEKDB);
        let payload = &packet[HEADER_BYTES..];
        let masked = Greeting::read(payload).unwrap().masked(payload, false);
        let read = Greeting::read(&masked).unwrap();
        assert_eq!(read.capabilities, Capabilities(0x009f_f7df));
        let changed: Vec<usize> = (0..payload.len())
            .filter(|&at| payload[at] != masked[at])
            .collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
    }

    #[test]
    fn mariadbs_progress_reports_and_cached_metadata_are_not_offered() {
        let mut packet = bytes(SEEKDB);
        let payload = &mut packet[HEADER_BYTES..];
        let greeting = Greeting::read(payload).unwrap();
        payload[greeting.capabilities_low_at] &= !1;
        payload[greeting.capabilities_high_at + 9] = 0x1f;
        let masked = Greeting::read(payload).unwrap().masked(payload, false);
        assert_eq!(
            Greeting::read(&masked).unwrap().extended,
            ExtendedCapabilities(0x0c)
        );
    }

    #[test]
    fn a_greeting_cut_anywhere_is_an_error() {
        let packet = bytes(SEEKDB);
        let payload = &packet[HEADER_BYTES..];
        for cut in 0..36 {
            assert!(Greeting::read(&payload[..cut]).is_err(), "cut at {cut}");
        }
    }
}
