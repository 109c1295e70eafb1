use super::*;

fn layer(text: &str) -> Layer {
    toml::from_str(text).unwrap()
}

#[test]
fn a_few_words_are_enough() {
    let config = layer("servers = ['10.0.0.1:2881']\npassword = ''")
        .resolve()
        .unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:2889");
    assert_eq!(config.cluster.user, "root");
    assert_eq!(config.cluster.node_timeout, Duration::from_secs(3));
}

#[test]
fn what_a_flag_says_goes_before_what_the_file_says() {
    let file = layer(
        "servers = ['10.0.0.1:2881']\npassword = 'a'\nnode_timeout = '5s'\nrights = 'server'",
    );
    let flags = layer("servers = ['10.0.0.2:2881']\nnode_timeout = '2s'")
        .with_password(Some("b".to_owned().into()));
    let config = flags.over(file).resolve().unwrap();
    assert_eq!(config.cluster.seeds, ["10.0.0.2:2881"]);
    assert_eq!(config.cluster.password.reveal(), "b");
    assert!(!format!("{config:?}").contains("\"b\""), "{config:?}");
    assert_eq!(config.cluster.node_timeout, Duration::from_secs(2));
    assert_eq!(config.cluster.rights, RightsPolicy::Server);
}

#[test]
fn servers_are_written_in_many_ways() {
    for (written, read) in [
        ("10.0.0.1", "10.0.0.1:2881"),
        ("10.0.0.1:3881", "10.0.0.1:3881"),
        ("ob1.example", "ob1.example:2881"),
        ("ob1:3881", "ob1:3881"),
        ("fe80::1", "[fe80::1]:2881"),
        ("[fe80::1]", "[fe80::1]:2881"),
        ("[fe80::1]:3881", "[fe80::1]:3881"),
    ] {
        assert_eq!(with_port(written).unwrap(), read);
    }
    for written in [
        "",
        ":2881",
        "ob1:",
        "ob1:x",
        "ob1:0",
        "ob1:99999",
        "a b",
        "user@host",
    ] {
        assert!(with_port(written).is_err(), "{written}");
    }
}

#[test]
fn load_balancers_are_addresses_and_networks() {
    for written in [
        "10.0.0.5",
        "10.1.0.0/16",
        "fe80::1",
        "fd00::/8",
        " 10.0.0.5 ",
    ] {
        assert!(network(written).is_ok(), "{written}");
    }
    for written in ["", "lb1.example", "10.0.0.5:80", "10.0.0.0/33", "10.0.0.0/"] {
        assert!(network(written).is_err(), "{written}");
    }
}

#[test]
fn protected_users_are_replaced_by_what_is_given_also_by_nobody() {
    let protected = |layer: Layer| layer.resolve().unwrap().cluster.protected_users;
    let file = |more: &str| layer(&format!("servers = ['a']\npassword = ''\n{more}"));
    let flags = |users: &[&str]| Layer {
        protected_users: Some(users.iter().map(|&user| user.to_owned()).collect()),
        ..Layer::default()
    };
    assert_eq!(protected(file("")), ["proxyro"]);
    let two = "protected_users = ['proxyro', 'ocp_monitor']";
    assert_eq!(protected(file(two)), ["proxyro", "ocp_monitor"]);
    assert_eq!(protected(file("protected_users = []")), [""; 0]);
    assert_eq!(protected(flags(&["dba"]).over(file(two))), ["dba"]);
    assert_eq!(protected(flags(&[""]).over(file(two))), [""; 0]);
}

#[test]
fn each_mistake_gets_one_line_that_names_it() {
    for (text, named) in [
        ("password = ''", "no server"),
        ("servers = ['a:b']\npassword = ''", "'a:b'"),
        ("servers = ['a']", "no password"),
        (
            "servers = ['a']\npassword = ''\nuser = 'root@shop'",
            "'root@shop'",
        ),
        (
            "servers = ['a']\npassword = ''\nnode_timeout = '0s'",
            "node_timeout",
        ),
        (
            "servers = ['a']\npassword = ''\npacket_bytes_max = 100",
            "packet_bytes_max",
        ),
        (
            "servers = ['a']\npassword = ''\nnode_connections_max = 0",
            "node_connections_max",
        ),
        (
            "servers = ['a']\npassword = ''\nkill_victims_max = 0",
            "kill_victims_max",
        ),
        (
            "servers = ['a']\npassword = ''\nprotected_users = ['proxyro@sys']",
            "'proxyro@sys' in protected_users",
        ),
        (
            "servers = ['a']\npassword = ''\nproxy_protocol_from = ['lb1']",
            "'lb1'",
        ),
        (
            "servers = ['a']\npassword = ''\naudit_required = true",
            "audit_file",
        ),
        (
            "servers = ['a']\npassword_file = '/does/not/exist'",
            "/does/not/exist",
        ),
    ] {
        let message = layer(text).resolve().unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
