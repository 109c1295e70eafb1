//! Logins of real clients and of broken ones.

use proptest::prelude::*;

use super::*;
use crate::wire::packet::HEADER_BYTES;

/// obclient 2.2.13 to seekdb 1.4.0, as captured.
const OBCLIENT: &str = include_str!("captures/obclient-2.2.13.hex");
/// OceanBase Connector/J 2.4.14 to seekdb 1.4.0, as captured.
const CONNECTOR_J: &str = include_str!("captures/oceanbase-connector-j-2.4.14.hex");

/// What the proxy offers in front of seekdb: its own offer without compression.
const SEEKDB_OFFER: Capabilities = Capabilities(0x009f_f7df);
/// seekdb offers no lenenc authentication responses; this offer has them.
const LENENC_OFFER: Capabilities =
    Capabilities(SEEKDB_OFFER.0 | Capabilities::PLUGIN_AUTH_LENENC.0);
/// MariaDB's mark of itself: no LONG_PASSWORD.
const MARIADB_OFFER: Capabilities = Capabilities(LENENC_OFFER.0 & !Capabilities::LONG_PASSWORD.0);
const NO_EXTENDED: ExtendedCapabilities = ExtendedCapabilities(0);

/// Where a login's fields begin that have no fixed place.
const FIXED_BYTES: usize = SSL_REQUEST_BYTES;

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// The payload of a captured login.
fn payload(hex: &str) -> Vec<u8> {
    bytes(hex)[HEADER_BYTES..].to_vec()
}

fn read(payload: &[u8], offer: Capabilities) -> Result<Login, Malformed> {
    match ClientAnswer::read(payload, offer, NO_EXTENDED)? {
        ClientAnswer::Login(login) => Ok(login),
        ClientAnswer::SslRequest => panic!("a login, not a request for TLS"),
    }
}

/// A login's payload by hand: the fixed part with `capabilities`, and `fields` behind it.
fn written(capabilities: Capabilities, fields: &[&[u8]]) -> Vec<u8> {
    let mut payload = capabilities.0.to_le_bytes().to_vec();
    payload.extend_from_slice(&[0, 0, 0, 1, 45]);
    payload.resize(FIXED_BYTES, 0);
    payload.extend(fields.concat());
    payload
}

#[test]
fn obclients_login_is_read() {
    let login = read(&payload(OBCLIENT), SEEKDB_OFFER).unwrap();
    // It says 0x08bfa285; Oracle mode (bit 27) and lenenc responses (bit 21) were never offered.
    assert_eq!(login.capabilities, Capabilities(0x009f_a285));
    assert_eq!(login.packet_bytes_max, 0x0100_0000);
    assert_eq!(login.character_set, 33);
    assert_eq!(login.user, b"root");
    assert_eq!(login.auth_response, b"");
    assert_eq!(login.database, None);
    assert_eq!(login.plugin.as_deref(), Some(&b"mysql_native_password"[..]));
    let attributes = login.attributes.unwrap();
    assert_eq!(
        attributes.value(b"__proxy_capability_flag"),
        Some(&b"1360128"[..])
    );
    assert_eq!(
        attributes.value(b"__ob_client_version"),
        Some(&b"2.2.10"[..])
    );
}

#[test]
fn connector_js_login_is_read() {
    let login = read(&payload(CONNECTOR_J), SEEKDB_OFFER).unwrap();
    // It says 0x28bea382; bits 29, 27 and 21 were never offered.
    assert_eq!(login.capabilities, Capabilities(0x009e_a382));
    assert_eq!(login.packet_bytes_max, 0x4000_0000);
    assert_eq!(login.character_set, 46);
    assert_eq!(login.user, b"root");
    let attributes = login.attributes.unwrap();
    assert_eq!(
        attributes.value(b"__proxy_capability_flag"),
        Some(&b"1480"[..])
    );
    assert_eq!(
        attributes.value(b"__ob_client_name"),
        Some(&b"OceanBase Connector/J"[..])
    );
}

/// As it goes to the server: other capabilities in front, another flag's digits among the attributes, and
/// a total length that fits them; every other byte as captured.
#[test]
fn a_real_login_is_rewritten_in_the_places_that_must_change_and_in_no_other() {
    let table = [
        (
            OBCLIENT,
            0x009f_a285_u32,
            "\x071360128",
            "\x071048576",
            0x157,
        ),
        (CONNECTOR_J, 0x009e_a382, "\x041480", "\x010", 0x127 - 3),
    ];
    for (hex, capabilities, flag, flag_through_proxy, attribute_bytes) in table {
        let sent = payload(hex);
        let mut login = read(&sent, SEEKDB_OFFER).unwrap();
        login.attributes = login.attributes.map(Attributes::through_proxy);

        let mut expected = sent;
        expected[..4].copy_from_slice(&capabilities.to_le_bytes());
        let lenenc_at = FIXED_BYTES + "root\0\0mysql_native_password\0".len();
        assert_eq!(expected[lenenc_at], 0xfc);
        expected[lenenc_at + 1..][..2].copy_from_slice(&u16::to_le_bytes(attribute_bytes));
        let at = find(&expected, flag.as_bytes());
        expected.splice(at..at + flag.len(), flag_through_proxy.bytes());

        assert_eq!(login.payload(), expected);
        assert_eq!(expected.len() - lenenc_at - 3, usize::from(attribute_bytes));
        assert_eq!(read(&expected, SEEKDB_OFFER), Ok(login));
    }
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    let mut at = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(part));
    let (first, second) = (at.next().unwrap(), at.next());
    assert_eq!(second, None, "it stands there once");
    first
}

#[test]
fn a_login_that_needs_no_change_passes_byte_for_byte() {
    for hex in [OBCLIENT, CONNECTOR_J] {
        let mut sent = payload(hex);
        for capability in [0x0800_0000, 0x2000_0000] {
            let said = u32::from_le_bytes([sent[0], sent[1], sent[2], sent[3]]) & !capability;
            sent[..4].copy_from_slice(&said.to_le_bytes());
        }
        assert_eq!(read(&sent, LENENC_OFFER).unwrap().payload(), sent);
    }
    let capabilities = Capabilities(
        Capabilities::PROTOCOL_41.0
            | Capabilities::SECURE_CONNECTION.0
            | Capabilities::CONNECT_WITH_DB.0
            | Capabilities::PLUGIN_AUTH.0,
    );
    let sent = written(
        capabilities,
        &[b"dba\0", b"\x14", &[0xab; 20], b"test\0", b"dialog\0"],
    );
    assert_eq!(read(&sent, SEEKDB_OFFER).unwrap().payload(), sent);
}

#[test]
fn a_login_cut_anywhere_is_an_error_or_says_less() {
    for hex in [OBCLIENT, CONNECTOR_J] {
        let sent = payload(hex);
        let whole = read(&sent, SEEKDB_OFFER).unwrap();
        let plugin_begins = FIXED_BYTES + "root\0\0".len();
        let attributes_begin = plugin_begins + "mysql_native_password\0".len();
        for cut in 0..sent.len() {
            let answer = read(&sent[..cut], SEEKDB_OFFER);
            let Ok(login) = answer else {
                continue;
            };
            assert!(
                (plugin_begins..=attributes_begin).contains(&cut),
                "cut at {cut}"
            );
            assert_eq!((&login.user, &login.attributes), (&whole.user, &None));
            let plugin = login.plugin.unwrap();
            assert!(
                b"mysql_native_password".starts_with(&plugin),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn a_request_for_tls_is_no_login() {
    let mut request = payload(OBCLIENT);
    request.truncate(SSL_REQUEST_BYTES);
    assert!(
        ClientAnswer::read(&request, SEEKDB_OFFER, NO_EXTENDED).is_err(),
        "a login cut short, from a client that did not ask for TLS"
    );
    request[1] |= (Capabilities::SSL.0 >> 8) as u8;
    for offer in [SEEKDB_OFFER, Capabilities(0)] {
        assert_eq!(
            ClientAnswer::read(&request, offer, NO_EXTENDED),
            Ok(ClientAnswer::SslRequest)
        );
    }
}

#[test]
fn a_login_from_before_mysql_4_1_is_refused_by_name() {
    // Two bytes of capabilities, three of packet size, user, scrambled password.
    let old = b"\x05\x24\0\0\x01root\0abcdefgh\0 and some more bytes to come";
    let Malformed(why) = read(old, SEEKDB_OFFER).unwrap_err();
    assert!(why.contains("4.1"), "{why}");
}

#[test]
fn a_user_name_of_64_kib_goes_through_whole() {
    let user = vec![b'u'; 1 << 16];
    let capabilities =
        Capabilities(Capabilities::PROTOCOL_41.0 | Capabilities::SECURE_CONNECTION.0);
    let sent = written(capabilities, &[&user, b"\0", b"\0"]);
    let login = read(&sent, SEEKDB_OFFER).unwrap();
    assert_eq!(login.user, user);
    assert_eq!(login.payload(), sent);
    assert_eq!(
        read(&sent[..FIXED_BYTES + user.len()], SEEKDB_OFFER),
        Err(Malformed("user name"))
    );
}

#[test]
fn an_authentication_response_of_any_length_reads_back_where_lenenc_is_in_force() {
    let capabilities = Capabilities(
        Capabilities::PROTOCOL_41.0
            | Capabilities::SECURE_CONNECTION.0
            | Capabilities::PLUGIN_AUTH_LENENC.0
            | Capabilities::PLUGIN_AUTH.0,
    );
    for len in [0, 20, 250, 251, 255, 256, 0xffff, 0x1_0000] {
        let mut response = Vec::new();
        put_lenenc_bytes(&mut response, &vec![0xfe; len]);
        let sent = written(capabilities, &[b"u\0", &response, b"dialog\0"]);
        let login = read(&sent, LENENC_OFFER).unwrap();
        assert_eq!(login.auth_response.len(), len);
        assert_eq!(login.plugin.as_deref(), Some(&b"dialog"[..]));
        assert_eq!(login.payload(), sent);
    }
}

#[test]
fn an_authentication_response_without_a_length_ends_at_its_nul() {
    let sent = written(Capabilities::PROTOCOL_41, &[b"u\0", b"scrambled\0"]);
    let login = read(&sent, SEEKDB_OFFER).unwrap();
    assert_eq!(login.auth_response, b"scrambled");
    assert_eq!(login.payload(), sent);
}

#[test]
fn a_login_claiming_attributes_that_it_does_not_send_is_read() {
    let capabilities = Capabilities(Capabilities::PROTOCOL_41.0 | Capabilities::CONNECT_ATTRS.0);
    let sent = written(capabilities, &[b"u\0", b"\0"]);
    assert_eq!(read(&sent, SEEKDB_OFFER).unwrap().attributes, None);
}

#[test]
fn the_compression_level_behind_the_attributes_is_left_out() {
    let zstd = 1 << 26;
    let capabilities = Capabilities(Capabilities::PROTOCOL_41.0 | Capabilities::CONNECT_ATTRS.0);
    let fields: [&[u8]; 3] = [b"u\0", b"\0", b"\x04\x01a\x01b"];
    let mut sent = written(Capabilities(capabilities.0 | zstd), &fields);
    sent.push(3);
    assert_eq!(
        read(&sent, SEEKDB_OFFER).unwrap().payload(),
        written(capabilities, &fields)
    );
}

#[test]
fn mariadbs_extended_capabilities_are_in_force_as_far_as_offered() {
    let mut sent = written(Capabilities::PROTOCOL_41, &[b"u\0", b"\0"]);
    sent[FIXED_BYTES - 4] = 0x1d;
    let offer = ExtendedCapabilities(0x1f).through_proxy();
    let Ok(ClientAnswer::Login(login)) = ClientAnswer::read(&sent, MARIADB_OFFER, offer) else {
        panic!("a login");
    };
    assert_eq!(login.extended, ExtendedCapabilities(0x0c));
    assert_eq!(
        login.payload()[FIXED_BYTES - 4..FIXED_BYTES],
        [0x0c, 0, 0, 0]
    );
}

/// A client that calls itself MySQL's (LONG_PASSWORD) means nothing by its filler. The flag is not in
/// MariaDB's offer, so that it does not reach the server, which would then take the filler for flags.
#[test]
fn a_mysql_clients_filler_does_not_switch_mariadbs_extensions_on() {
    let said = Capabilities(Capabilities::PROTOCOL_41.0 | Capabilities::LONG_PASSWORD.0);
    let mut sent = written(said, &[b"u\0", b"\0"]);
    sent[FIXED_BYTES - 4] = 0xff;
    let offer = ExtendedCapabilities::STMT_BULK;
    let Ok(ClientAnswer::Login(login)) = ClientAnswer::read(&sent, MARIADB_OFFER, offer) else {
        panic!("a login");
    };
    assert_eq!(login.extended, NO_EXTENDED);
}

/// As obclient sends it: with character set, plugin and attributes.
fn change_user() -> Vec<u8> {
    let mut payload = b"\x11root@sys#prod\0\x14".to_vec();
    payload.extend_from_slice(&[0xcd; 20]);
    payload.extend_from_slice(b"test\0\x2d\0mysql_native_password\0");
    let attributes = read(&self::payload(OBCLIENT), SEEKDB_OFFER)
        .unwrap()
        .attributes;
    attributes.unwrap().put(&mut payload);
    payload
}

const CHANGE_USER_CAPABILITIES: Capabilities = Capabilities(0x009f_a285);

#[test]
fn a_change_of_user_that_needs_no_change_passes_byte_for_byte() {
    let sent = change_user();
    let read = ChangeUser::read(&sent, CHANGE_USER_CAPABILITIES).unwrap();
    assert_eq!(read.user, b"root@sys#prod");
    assert_eq!(read.database, b"test");
    assert_eq!(read.character_set, Some(45));
    assert_eq!(read.plugin.as_deref(), Some(&b"mysql_native_password"[..]));
    assert_eq!(read.payload(CHANGE_USER_CAPABILITIES), sent);
}

#[test]
fn a_change_of_user_is_rewritten_like_a_login() {
    let mut change = ChangeUser::read(&change_user(), CHANGE_USER_CAPABILITIES).unwrap();
    change.user = b"root".to_vec();
    change.attributes = change.attributes.map(Attributes::through_proxy);
    let written = change.payload(CHANGE_USER_CAPABILITIES);
    assert_eq!(
        ChangeUser::read(&written, CHANGE_USER_CAPABILITIES),
        Ok(change)
    );
    find(&written, b"\x17__proxy_capability_flag\x071048576");
}

#[test]
fn a_change_of_user_cut_anywhere_is_an_error_or_says_less() {
    let sent = change_user();
    let database_begins = b"\x11root@sys#prod\0\x14".len() + 20;
    for cut in 0..sent.len() {
        let Ok(change) = ChangeUser::read(&sent[..cut], CHANGE_USER_CAPABILITIES) else {
            continue;
        };
        assert!(cut >= database_begins, "cut at {cut}");
        assert_eq!(change.user, b"root@sys#prod");
        assert_eq!(change.attributes, None, "cut at {cut}");
    }
}

#[test]
fn a_change_of_user_may_end_behind_the_database_or_the_character_set() {
    for end in [&b""[..], b"\x2d\0"] {
        let sent = [b"\x11root\0\0test\0", end].concat();
        let read = ChangeUser::read(&sent, CHANGE_USER_CAPABILITIES).unwrap();
        assert_eq!(read.plugin, None);
        assert_eq!(read.payload(CHANGE_USER_CAPABILITIES), sent);
    }
}

#[test]
fn a_change_of_user_without_secure_connection_ends_its_response_with_nul() {
    let sent = b"\x11root\0scrambled\0test\0";
    let read = ChangeUser::read(sent, Capabilities::PROTOCOL_41).unwrap();
    assert_eq!(read.auth_response, b"scrambled");
    assert_eq!(read.payload(Capabilities::PROTOCOL_41), sent);
}

/// Bytes in which NULs and small lengths are frequent, so that some of it is read as fields.
fn garbage(bytes_max: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0_u8), 0_u8..8, Just(0xfc), any::<u8>()];
    prop::collection::vec(byte, 0..bytes_max)
}

proptest! {
    #[test]
    fn garbage_is_no_login(payload in garbage(120), offer: u32, extended: u32) {
        let _ = ClientAnswer::read(&payload, Capabilities(offer), ExtendedCapabilities(extended));
    }

    #[test]
    fn whatever_is_read_as_a_login_reads_the_same_when_written(
        said: u32,
        offer: u32,
        fields in garbage(80),
    ) {
        let said = Capabilities(said | Capabilities::PROTOCOL_41.0);
        let offer = Capabilities(offer | Capabilities::PROTOCOL_41.0);
        let sent = written(said, &[&fields]);
        if let Ok(ClientAnswer::Login(login)) = ClientAnswer::read(&sent, offer, NO_EXTENDED) {
            prop_assert_eq!(read(&login.payload(), offer), Ok(login));
        }
    }

    #[test]
    fn whatever_is_read_as_a_change_of_user_reads_the_same_when_written(
        capabilities: u32,
        fields in garbage(80),
    ) {
        let capabilities = Capabilities(capabilities);
        let sent = [&[Command::CHANGE_USER.0], fields.as_slice()].concat();
        if let Ok(change) = ChangeUser::read(&sent, capabilities) {
            prop_assert_eq!(ChangeUser::read(&change.payload(capabilities), capabilities), Ok(change));
        }
    }

    #[test]
    fn a_real_login_with_a_wrong_byte_in_it_is_an_error_or_a_login(
        at: prop::sample::Index,
        wrong: u8,
    ) {
        let mut sent = payload(OBCLIENT);
        let at = at.index(sent.len());
        sent[at] = wrong;
        if let Ok(ClientAnswer::Login(login)) = ClientAnswer::read(&sent, SEEKDB_OFFER, NO_EXTENDED) {
            prop_assert_eq!(read(&login.payload(), SEEKDB_OFFER), Ok(login));
        }
    }
}
