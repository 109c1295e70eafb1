//! Connection attributes: the pairs of names and values that a client's login carries.
//!
//! OceanBase's own clients ask by attribute for the OB 2.0 protocol, which a relay of plain MySQL packets
//! cannot frame, and ODP speaks to servers through attributes that no client of ours may use. Everything
//! else reaches the server as it was sent.

use super::Malformed;
use super::cursor::{Cursor, put_lenenc_bytes};

/// The one capability of `__proxy_capability_flag` that changes no framing: LOAD DATA LOCAL.
const PROXY_CAPABILITY_LOAD_LOCAL: u64 = 1 << 20;

/// The attribute with the name of the cluster that the client means.
const CLUSTER_NAME: &[u8] = b"__cluster_name";

/// Attributes by which ODP identifies itself and its sessions; the cluster's are compared by the proxy.
const DROPPED: [&[u8]; 6] = [
    CLUSTER_NAME,
    b"__cluster_id",
    b"__connection_id",
    b"__proxy_connection_id",
    b"__client_session_id",
    b"__proxy_scramble",
];

/// The attributes of one login, in the order in which they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(Vec<(Vec<u8>, Vec<u8>)>);

impl Attributes {
    /// Reads the attributes' pairs (without the total length before them).
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let mut pairs = Vec::new();
        while !cursor.rest().is_empty() {
            let name = cursor.lenenc_bytes("connection attribute's name")?;
            let value = cursor.lenenc_bytes("connection attribute's value")?;
            pairs.push((name.to_vec(), value.to_vec()));
        }
        Ok(Self(pairs))
    }

    /// Appends them as a login carries them: total length, then the pairs.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut pairs = Vec::new();
        for (name, value) in &self.0 {
            put_lenenc_bytes(&mut pairs, name);
            put_lenenc_bytes(&mut pairs, value);
        }
        put_lenenc_bytes(out, &pairs);
    }

    /// The cluster that the client says it means, if it does.
    pub fn cluster_name(&self) -> Option<&[u8]> {
        self.value(CLUSTER_NAME)
    }

    /// The value of the attribute `name`.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The attributes as the server may see them.
    #[must_use]
    pub fn through_proxy(self) -> Self {
        let pairs = self.0.into_iter();
        Self(
            pairs
                .filter_map(|(name, value)| {
                    let value = value_through_proxy(&name, value)?;
                    Some((name, value))
                })
                .collect(),
        )
    }
}

fn value_through_proxy(name: &[u8], value: Vec<u8>) -> Option<Vec<u8>> {
    match name {
        b"__proxy_capability_flag" => {
            let flags: u64 = std::str::from_utf8(&value).ok()?.trim().parse().ok()?;
            let kept = flags & PROXY_CAPABILITY_LOAD_LOCAL;
            Some(kept.to_string().into_bytes())
        }
        b"__mysql_client_type" if value == b"__ob_proxy" => None,
        _ if DROPPED.contains(&name) => None,
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        Attributes(
            pairs
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn obclients_and_connector_js_flags_ask_for_plain_packets_only() {
        let sent = attributes(&[
            ("__mysql_client_type", "__ob_libobclient"),
            ("__proxy_capability_flag", "1360128"),
            ("__ob_client_name", "OceanBase Connector/C"),
        ]);
        assert_eq!(
            sent.through_proxy(),
            attributes(&[
                ("__mysql_client_type", "__ob_libobclient"),
                ("__proxy_capability_flag", "1048576"),
                ("__ob_client_name", "OceanBase Connector/C"),
            ])
        );
        let jdbc = attributes(&[("__proxy_capability_flag", "1480")]);
        assert_eq!(
            jdbc.through_proxy(),
            attributes(&[("__proxy_capability_flag", "0")])
        );
    }

    #[test]
    fn what_only_odp_may_say_is_dropped() {
        let sent = attributes(&[
            ("__mysql_client_type", "__ob_proxy"),
            ("__cluster_name", "prod"),
            ("__proxy_scramble", "x"),
            ("__proxy_capability_flag", "not a number"),
            ("_pid", "7"),
        ]);
        assert_eq!(sent.cluster_name(), Some(&b"prod"[..]));
        assert_eq!(sent.through_proxy(), attributes(&[("_pid", "7")]));
    }

    #[test]
    fn attributes_cut_short_are_an_error() {
        let mut bytes = Vec::new();
        attributes(&[("_pid", "7")]).put(&mut bytes);
        for cut in 2..bytes.len() {
            assert!(Attributes::read(&bytes[1..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(
            Attributes::read(&bytes[1..]),
            Ok(attributes(&[("_pid", "7")]))
        );
    }
}
