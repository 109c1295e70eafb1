//! What comes before the first command: greetings, logins, changes of user. Whatever is read as one reads the same
//! when it is written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use obwarden::wire::attributes::Attributes;
use obwarden::wire::authentication::{Authentication, Next};
use obwarden::wire::capabilities::{Capabilities, ExtendedCapabilities};
use obwarden::wire::greeting::Greeting;
use obwarden::wire::login::{ChangeUser, ClientAnswer};
use obwarden::wire::login_name::LoginName;

// Four bytes are an offer of capabilities, one says what is read, and the rest is that.
fuzz_target!(|data: &[u8]| {
    let Some((offer, [what, payload @ ..])) = data.split_first_chunk() else {
        return;
    };
    let offer = Capabilities(u32::from_le_bytes(*offer));
    match what % 6 {
        0 => login(payload, offer),
        1 => change_user(payload, offer),
        2 => greeting(payload),
        3 => attributes(payload),
        4 => authentication(payload),
        _ => {
            let name = LoginName::parse(&String::from_utf8_lossy(payload));
            let _ = (name.is_sys(), name.for_server());
        }
    }
});

fn login(payload: &[u8], offer: Capabilities) {
    // All servers that can be met speak the protocol since MySQL 4.1.
    let offer = Capabilities(offer.0 | Capabilities::PROTOCOL_41.0);
    let extended = ExtendedCapabilities(u32::MAX);
    let Ok(ClientAnswer::Login(login)) = ClientAnswer::read(payload, offer, extended) else {
        return;
    };
    // Only MySQL's own clients say LONG_PASSWORD, and then the offer must have it to be read the same.
    let again = ClientAnswer::read(&login.payload(), offer, extended);
    let mut expected = login;
    if !offer.has(Capabilities::LONG_PASSWORD)
        && let Ok(ClientAnswer::Login(again)) = &again
    {
        expected.extended = again.extended;
    }
    assert_eq!(again, Ok(ClientAnswer::Login(expected)));
}

fn change_user(payload: &[u8], capabilities: Capabilities) {
    if let Ok(change) = ChangeUser::read(payload, capabilities) {
        let written = change.payload(capabilities);
        assert_eq!(ChangeUser::read(&written, capabilities), Ok(change));
    }
}

fn greeting(payload: &[u8]) {
    let Ok(greeting) = Greeting::read(payload) else {
        return;
    };
    for tls in [false, true] {
        let masked = greeting.masked(payload, tls);
        assert_eq!(masked.len(), payload.len(), "only bits are cleared");
        Greeting::read(&masked).expect("it is a greeting still");
    }
}

fn attributes(payload: &[u8]) {
    let Ok(attributes) = Attributes::read(payload) else {
        return;
    };
    let _ = attributes.cluster_name();
    let through = attributes.through_proxy();
    let mut written = Vec::new();
    through.put(&mut written);
    let again = through.clone().through_proxy();
    assert_eq!(again, through, "once is enough");
}

/// The first byte says on which legs TLS is; each of the server's packets has a length byte before it.
fn authentication(payload: &[u8]) {
    let [legs, packets @ ..] = payload else {
        return;
    };
    let mut packets = packets;
    let methods: [Option<&[u8]>; 3] = [
        None,
        Some(b"mysql_native_password"),
        Some(b"caching_sha2_password"),
    ];
    let method = methods[usize::from(legs / 2) % methods.len()];
    let Ok(mut authentication) = Authentication::begin(method, legs % 2 == 1) else {
        return;
    };
    while let [len, rest @ ..] = packets {
        let (packet, behind) = rest.split_at(rest.len().min((*len).into()));
        packets = behind;
        match authentication.server_sends(packet) {
            Ok(Next::ServerGoesOn | Next::ClientAnswers) => {}
            Ok(Next::Accepted | Next::Refused) | Err(_) => return,
        }
    }
}
