//! Headers of both versions, whole, cut anywhere, and wrong.

use std::io::Cursor;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

const V1_TCP4: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 2889\r\n";
const V1_TCP6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::5 56324 2889\r\n";
const V1_UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
const V1_UNKNOWN_WITH_ADDRESSES: &[u8] = b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n";

/// A header of version 2: command, family, and what is behind them.
fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
}

const TCP4_ADDRESSES: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 5, 0xdc, 0x04, 0x0b, 0x49];

fn v2_tcp4() -> Vec<u8> {
    v2_header(0x21, 0x11, TCP4_ADDRESSES)
}

/// As HAProxy sends it with `send-proxy-v2-ssl` and the like: more is behind the addresses.
fn v2_tcp4_with_more() -> Vec<u8> {
    v2_header(
        0x21,
        0x11,
        &[TCP4_ADDRESSES, &[0x02, 0, 3, b'o', b'b', b'1']].concat(),
    )
}

fn v2_tcp6() -> Vec<u8> {
    let mut rest = Vec::new();
    for ip in ["2001:db8::7", "2001:db8::5"] {
        rest.extend(ip.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    rest.extend([0xdc, 0x04, 0x0b, 0x49]);
    v2_header(0x21, 0x21, &rest)
}

/// Every form of a right header, and the client that it names.
fn right() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let v4 = Some("192.0.2.7:56324");
    let v6 = Some("[2001:db8::7]:56324");
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.5 56324 2889\r\n";
    vec![
        (V1_TCP4.to_vec(), v4),
        (V1_TCP6.to_vec(), v6),
        (mapped.to_vec(), v4),
        (V1_UNKNOWN.to_vec(), None),
        (V1_UNKNOWN_WITH_ADDRESSES.to_vec(), None),
        (v2_tcp4(), v4),
        (v2_tcp4_with_more(), v4),
        (v2_tcp6(), v6),
        // LOCAL, with nothing behind it, or with what means nothing there.
        (v2_header(0x20, 0x00, &[]), None),
        (v2_header(0x20, 0x11, TCP4_ADDRESSES), None),
        (v2_header(0x20, 0xff, &[1, 2, 3]), None),
        // Of no family that has an address, or of Unix sockets.
        (v2_header(0x21, 0x00, &[]), None),
        (v2_header(0x21, 0x31, &[b'x'; 216]), None),
    ]
}

fn client(named: Option<&str>) -> Option<SocketAddr> {
    named.map(|client| client.parse().unwrap())
}

#[test]
fn every_form_names_its_client_and_no_part_of_one_does() {
    for (header, named) in right() {
        assert_eq!(progress(&header).unwrap(), Progress::Whole(client(named)));
        for cut in 0..header.len() {
            match progress(&header[..cut]).unwrap() {
                Progress::Wants(bytes) => assert!(
                    (1..=header.len() - cut).contains(&bytes),
                    "{bytes} more at {cut} of {header:?}"
                ),
                whole => panic!("{whole:?} at {cut} of {header:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_is_behind_the_header_is_left_where_it_is() {
    for (header, named) in right() {
        let mut stream = Cursor::new([&header[..], b"PROXY \r\n\r\n"].concat());
        assert_eq!(read(&mut stream).await.unwrap(), client(named));
        assert_eq!(stream.position(), header.len() as u64);
    }
}

#[tokio::test]
async fn a_header_may_come_one_byte_at_a_time() {
    for (header, named) in right() {
        let (mut near, mut far) = tokio::io::duplex(1);
        let write = async { far.write_all(&header).await.unwrap() };
        let (read, ()) = tokio::join!(read(&mut near), write);
        assert_eq!(read.unwrap(), client(named));
    }
}

#[test]
fn what_is_no_header_is_known_by_its_first_wrong_byte() {
    for wrong in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PROXX",
        b"Proxy TCP4",
        b"\r\n\r\n\x01",
        b"\x16\x03\x01",
        b"\x20\0\0\x01",
    ] {
        assert!(
            matches!(progress(wrong), Err(NoHeader::Missing)),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_wrong_header_is_told_from_a_missing_one() {
    for wrong in [
        &b"PROXY\n"[..],
        b"PROXY TCP5 192.0.2.7 10.0.0.5 56324 2889\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 56324\r\n",
        b"PROXY TCP4 192.0.2.700 10.0.0.5 56324 2889\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::5 56324 2889\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 65536 2889\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 2889\n",
        b"PROXY TCP4 \xff 10.0.0.5 56324 2889\r\n",
        &v2_header(0x11, 0x11, TCP4_ADDRESSES),
        &v2_header(0x22, 0x11, TCP4_ADDRESSES),
        &v2_header(0x21, 0x51, TCP4_ADDRESSES),
        &v2_header(0x21, 0x11, &TCP4_ADDRESSES[1..]),
        &v2_header(0x21, 0x21, TCP4_ADDRESSES),
    ] {
        match progress(wrong) {
            Err(NoHeader::Wrong(why)) => assert!(!why.contains('\n'), "{why}"),
            other => panic!("{other:?}: {}", wrong.escape_ascii()),
        }
    }
}

#[test]
fn a_header_without_end_is_not_read_forever() {
    let v1 = [b"PROXY UNKNOWN ", &[b'x'; 100][..]].concat();
    assert!(matches!(progress(&v1), Err(NoHeader::TooLong)));
    let v2 = v2_header(0x21, 0x11, &[0; 4096]);
    assert!(matches!(
        progress(&v2[..V2_BYTES_MIN]),
        Err(NoHeader::TooLong)
    ));
}

#[tokio::test]
async fn only_what_is_listed_is_read_from() {
    let listed = LoadBalancers::new(vec![
        "10.0.0.5/32".parse().unwrap(),
        "10.1.0.0/16".parse().unwrap(),
        "fd00::/8".parse().unwrap(),
    ]);
    let deadline = Deadline::after(Duration::from_secs(60));
    for (peer, is_listed) in [
        ("10.0.0.5:1", true),
        ("10.0.0.6:1", false),
        ("10.1.255.255:1", true),
        ("[::ffff:10.1.0.1]:1", true),
        ("[fd00::1]:1", true),
        ("[fe80::1]:1", false),
    ] {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut stream = Cursor::new(V1_TCP4);
        let seen = listed.client(&mut stream, peer, deadline).await.unwrap();
        if is_listed {
            assert_eq!(seen, "192.0.2.7:56324".parse().unwrap());
        } else {
            assert_eq!((seen, stream.position()), (peer, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_silent_or_leaves_names_nobody() {
    let listed = LoadBalancers::new(vec!["0.0.0.0/0".parse().unwrap()]);
    let peer = "10.0.0.5:1".parse().unwrap();
    for sent in [&b""[..], b"PROXY TCP4 192.0.2.7"] {
        let (mut near, mut far) = tokio::io::duplex(64);
        far.write_all(sent).await.unwrap();
        let deadline = Deadline::after(Duration::from_secs(10));
        let silent = listed.client(&mut near, peer, deadline).await;
        assert!(matches!(silent, Err(NoHeader::Silent)), "{silent:?}");

        let deadline = Deadline::after(Duration::from_secs(10));
        let left = listed.client(&mut Cursor::new(sent), peer, deadline).await;
        assert!(matches!(left, Err(NoHeader::Left(_))), "{left:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = progress(&bytes);
        let _ = progress(&[b"PROXY ", &bytes[..], b"\r\n"].concat());
        let _ = progress(&[b"PROXY TCP4 ", &bytes[..], b"\r\n"].concat());
        let _ = progress(&[v2::PROTOCOL_PREFIX, &bytes[..]].concat());
        if let [command, family, rest @ ..] = &bytes[..] {
            let _ = progress(&v2_header(*command, *family, rest));
        }
    }
}
