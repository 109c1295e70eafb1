//! A login packet, read and written here once more: the proxy's reader is not checked against itself.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html>

/// Names and values in their order.
pub(crate) type Attributes = Vec<(String, String)>;

const METHOD: &[u8] = b"mysql_native_password\0";
/// Where the user's name begins.
const USER_AT: usize = 32;
/// `PLUGIN_AUTH_LENENC_CLIENT_DATA`: an empty answer looks the same with and without it.
const LENENC: u32 = 1 << 21;

/// The login of an account without a password and without a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) capabilities: u32,
    pub(crate) character_set: u8,
    pub(crate) user: String,
    pub(crate) attributes: Attributes,
}

impl Login {
    pub(crate) fn read(payload: &[u8]) -> Self {
        let user_end = USER_AT + find(&payload[USER_AT..], b"\0").unwrap();
        let rest = &payload[user_end + 1..];
        let rest = rest.strip_prefix(b"\0").expect("an empty answer");
        let rest = rest.strip_prefix(METHOD).expect("the native method");
        Self {
            capabilities: u32::from_le_bytes(*payload.first_chunk().unwrap()),
            character_set: payload[8],
            user: text(&payload[USER_AT..user_end]),
            attributes: attributes(rest),
        }
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        &found.expect("the attribute is there").1
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = (self.capabilities & !LENENC).to_le_bytes().to_vec();
        payload.extend([0, 0, 0, 1, self.character_set]);
        payload.resize(USER_AT, 0);
        payload.extend(self.user.bytes().chain([0, 0]));
        payload.extend(METHOD);
        payload.extend(self.put_attributes());
        payload
    }

    /// COM_CHANGE_USER to the same account, with the same attributes.
    pub(crate) fn change_user(&self) -> Vec<u8> {
        let mut payload = vec![0x11];
        payload.extend(self.user.bytes().chain([0, 0, 0]));
        payload.extend([self.character_set, 0]);
        payload.extend(METHOD);
        payload.extend(self.put_attributes());
        payload
    }

    fn put_attributes(&self) -> Vec<u8> {
        let mut pairs = Vec::new();
        for part in self
            .attributes
            .iter()
            .flat_map(|(name, value)| [name, value])
        {
            pairs.push(u8::try_from(part.len()).expect("a short one"));
            pairs.extend(part.bytes());
        }
        let [low, high] = (pairs.len() as u16).to_le_bytes();
        [&[0xfc, low, high][..], &pairs].concat()
    }
}

/// The attributes of the COM_CHANGE_USER in these bytes.
pub(crate) fn change_user_attributes(bytes: &[u8]) -> Attributes {
    let at = find(bytes, METHOD).expect("it names its method") + METHOD.len();
    attributes(&bytes[at..])
}

/// All attributes, behind their total length in three bytes.
fn attributes(bytes: &[u8]) -> Attributes {
    let [0xfc, low, high, rest @ ..] = bytes else {
        panic!("a length in three bytes: {bytes:?}");
    };
    pairs(&rest[..usize::from(u16::from_le_bytes([*low, *high]))])
}

/// Pairs of short texts, each with its length before it.
pub(crate) fn pairs(mut bytes: &[u8]) -> Attributes {
    let mut part = || {
        let (length, rest) = bytes.split_first()?;
        let (part, rest) = rest.split_at(usize::from(*length));
        bytes = rest;
        Some(text(part))
    };
    std::iter::from_fn(|| Some((part()?, part()?))).collect()
}

pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The bytes of a capture.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
