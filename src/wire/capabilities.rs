//! Capability flags, and which of them may pass the proxy.
//!
//! What is in force on a connection is the client's word AND the server's offer: clients set bits that
//! were never offered. Kept as a plain integer because OceanBase gives bits 27 to 29 meanings of its own.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>

use mysql_common::constants::CapabilityFlags;

/// A set of capability flags, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// `CLIENT_LONG_PASSWORD`: set by all but MariaDB, which says by its absence that it is one.
    pub const LONG_PASSWORD: Self = Self(CapabilityFlags::CLIENT_LONG_PASSWORD.bits());
    /// `CLIENT_CONNECT_WITH_DB`: the login names a database.
    pub const CONNECT_WITH_DB: Self = Self(CapabilityFlags::CLIENT_CONNECT_WITH_DB.bits());
    /// `CLIENT_COMPRESS`
    pub const COMPRESS: Self = Self(CapabilityFlags::CLIENT_COMPRESS.bits());
    /// `CLIENT_PROTOCOL_41`: the protocol since MySQL 4.1.
    pub const PROTOCOL_41: Self = Self(CapabilityFlags::CLIENT_PROTOCOL_41.bits());
    /// `CLIENT_SSL`
    pub const SSL: Self = Self(CapabilityFlags::CLIENT_SSL.bits());
    /// `CLIENT_SECURE_CONNECTION`: the login's answer has a length before it.
    pub const SECURE_CONNECTION: Self = Self(CapabilityFlags::CLIENT_SECURE_CONNECTION.bits());
    /// `CLIENT_PLUGIN_AUTH`: the login names its method.
    pub const PLUGIN_AUTH: Self = Self(CapabilityFlags::CLIENT_PLUGIN_AUTH.bits());
    /// `CLIENT_CONNECT_ATTRS`: the login carries attributes.
    pub const CONNECT_ATTRS: Self = Self(CapabilityFlags::CLIENT_CONNECT_ATTRS.bits());
    /// `CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA`: that length is a length-encoded integer.
    pub const PLUGIN_AUTH_LENENC: Self =
        Self(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA.bits());
    /// `CLIENT_DEPRECATE_EOF`: OK packets stand where EOF packets stood.
    pub const DEPRECATE_EOF: Self = Self(CapabilityFlags::CLIENT_DEPRECATE_EOF.bits());

    /// Bits 25 to 29: optional result-set metadata, zstd compression and what MySQL and OceanBase read
    /// differently (query attributes or Oracle mode, and so on).
    const BITS_25_TO_29: Self = Self(0x3e00_0000);

    /// Flags that never pass: they would change how packets are framed or what they hold.
    const MASKED: Self = Self(Self::COMPRESS.0 | Self::SSL.0 | Self::BITS_25_TO_29.0);

    /// Whether all flags of `flags` are set.
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// What the proxy offers to a client when the server offers `self`; TLS where the proxy itself takes
    /// it, whatever the server does.
    pub fn offered_through_proxy(self, tls: bool) -> Self {
        Self(self.0 & !Self::MASKED.0).with_tls(tls)
    }

    /// The same flags, with `CLIENT_SSL` as TLS is spoken on this connection or not.
    #[must_use]
    pub fn with_tls(self, tls: bool) -> Self {
        if tls {
            Self(self.0 | Self::SSL.0)
        } else {
            Self(self.0 & !Self::SSL.0)
        }
    }

    /// What is in force when the client answers `self` to an offer.
    pub fn and(self, offer: Self) -> Self {
        Self(self.0 & offer.0)
    }
}

/// MariaDB's extended capabilities: the last four filler bytes of greeting and login.
///
/// <https://mariadb.com/kb/en/connection/#capabilities>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtendedCapabilities(pub u32);

impl ExtendedCapabilities {
    /// `MARIADB_CLIENT_STMT_BULK_OPERATIONS` (1 << 34). Progress reports would put 0xFF packets into
    /// replies, cached metadata would leave out column definitions: those do not pass.
    pub const STMT_BULK: Self = Self(1 << 2);

    /// `MARIADB_CLIENT_EXTENDED_TYPE_INFO` (1 << 35): a column definition has one field more, which
    /// tells JSON, UUID and the like from the type that holds them.
    pub const EXTENDED_TYPE_INFO: Self = Self(1 << 3);

    /// Whether all flags of `flags` are set.
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// What of `self` passes the proxy.
    pub fn through_proxy(self) -> Self {
        Self(self.0 & (Self::STMT_BULK.0 | Self::EXTENDED_TYPE_INFO.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_tls_and_bits_with_two_meanings_are_not_offered() {
        let offered = Capabilities(u32::MAX).offered_through_proxy(false);
        assert_eq!(offered.0, !(0x20 | 0x800 | 0x3e00_0000));
        assert!(offered.has(Capabilities::DEPRECATE_EOF));
    }

    #[test]
    fn tls_is_offered_where_the_proxy_takes_it_whatever_the_server_does() {
        let offered = Capabilities(0).offered_through_proxy(true);
        assert_eq!(offered, Capabilities::SSL);
    }

    #[test]
    fn a_flag_that_was_not_offered_is_not_in_force() {
        let obclient = Capabilities(0x08bf_a28d);
        let seekdb = Capabilities(0x009f_f7ff);
        assert_eq!(obclient.and(seekdb), Capabilities(0x009f_a28d));
    }
}
