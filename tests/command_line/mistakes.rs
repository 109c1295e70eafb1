//! Each mistake: one line on stderr, within a few seconds.

use std::time::{Duration, Instant};

use testkit::paths::RunDir;

use crate::{NO_PASSWORD, node, run};

/// Asserts that this is refused with one line on stderr that has all of `named` in it.
async fn assert_one_line(args: &[&str], vars: &[(&str, &str)], named: &[&str]) {
    let start = Instant::now();
    let ended = run(args, vars).await;
    let stderr = ended.stderr.trim_end();
    assert!(
        !matches!(ended.code, Some(0) | None),
        "{args:?}: {:?}",
        ended.code
    );
    assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    assert!(stderr.starts_with("obwarden: "), "{args:?}: {stderr}");
    assert_eq!(ended.stdout, "", "{args:?}");
    for part in named {
        assert!(stderr.contains(part), "{args:?}: no {part} in: {stderr}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{args:?}: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_wrong_flag_gets_one_line() {
    for (args, named) in [
        (&["--nope"][..], &["--nope"][..]),
        (&["--sever", "127.0.0.1:1"], &["--sever", "--server"]),
        (&["--listen", "here"], &["--listen", "here"]),
        (&["--listen"], &["--listen"]),
        (&["--node-timeout", "3"], &["--node-timeout", "unit"]),
        (&["--rights", "all"], &["--rights", "account", "server"]),
        (&["stray"], &["stray"]),
        (&["--tls", "on"], &["--tls", "optional", "required"]),
        (&["--server-tls", "verify"], &["--server-tls", "verify-ca"]),
    ] {
        assert_one_line(args, &[NO_PASSWORD], named).await;
    }
    let vars = [NO_PASSWORD, ("OBWARDEN_LISTEN", "there")];
    assert_one_line(&[], &vars, &["there", "--listen"]).await;
}

#[tokio::test]
async fn a_mistake_in_the_file_gets_one_line_with_file_line_and_key() {
    let dir = RunDir::create().unwrap();
    let file = dir.path().join("obwarden.toml");
    let path = file.to_str().unwrap();
    for (text, named) in [
        (
            "servers = ['127.0.0.1:1']\n\nlisten_on = '127.0.0.1:0'\n",
            &["line 3", "listen_on", "listen"][..],
        ),
        (
            "servers = ['127.0.0.1:1']\nlisten = 'here'\n",
            &["line 2", "listen"],
        ),
        ("# none\nnode_timeout = '3'\n", &["line 2", "node_timeout"]),
        ("rights = 'all'\n", &["line 1", "rights"]),
        ("servers = '127.0.0.1:1'\n", &["line 1", "servers"]),
        ("user = 'root\n", &["line 1", "user"]),
        ("user = 'root'\nuser = 'root'\n", &["line 2", "user"]),
        (
            "user = 'root@sys'\n[log]\nlevel = 'info'\n",
            &["line 2", "log"],
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let named = [&[path], named].concat();
        assert_one_line(&["--config", path], &[NO_PASSWORD], &named).await;
    }
}

#[tokio::test]
async fn tls_that_cannot_be_set_up_gets_one_line() {
    let dir = RunDir::create().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let server = ["--server", "127.0.0.1:1"];
    for (args, named) in [
        (
            &["--tls", "optional"][..],
            &["tls is optional", "tls_certificate and tls_key"][..],
        ),
        (
            &[
                "--tls",
                "required",
                "--tls-certificate",
                "/no/such/file",
                "--tls-key",
                empty,
            ],
            &["/no/such/file"],
        ),
        (
            &[
                "--tls",
                "required",
                "--tls-certificate",
                empty,
                "--tls-key",
                empty,
            ],
            &[empty, "PEM"],
        ),
        (
            &["--server-tls", "verify-ca"],
            &["server_tls is verify-ca", "server_tls_ca"],
        ),
        (
            &["--server-tls", "verify-full", "--server-tls-ca", empty],
            &[empty, "PEM"],
        ),
    ] {
        assert_one_line(&[&server, args].concat(), &[NO_PASSWORD], named).await;
    }
}

#[tokio::test]
async fn a_mistake_in_the_files_password_does_not_show_it() {
    let dir = RunDir::create().unwrap();
    let file = dir.path().join("obwarden.toml");
    let path = file.to_str().unwrap();
    for value in [
        "20260101",
        "s3cret",
        "'s3cret",
        "['s3cret']",
        "{ s3cret = 's3cret' }",
    ] {
        let text = format!("servers = ['127.0.0.1:1']\npassword = {value}\n");
        std::fs::write(&file, text).unwrap();
        assert_one_line(&["--config", path], &[], &[path, "line 2", "password"]).await;
        let stderr = run(&["--config", path], &[]).await.stderr;
        assert!(
            !stderr.contains("20260101") && !stderr.contains("s3cret"),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let server = ["--server", "127.0.0.1:1"];
    assert_one_line(
        &["--config", "no/such.toml"],
        &[NO_PASSWORD],
        &["no/such.toml"],
    )
    .await;
    let args = [&server[..], &["--password-file", "no/such.password"]].concat();
    assert_one_line(&args, &[], &["no/such.password"]).await;
    let args = [&server[..], &["--password-file", "/"]].concat(); // not even root can read that
    assert_one_line(&args, &[], &["/: "]).await;
}

#[tokio::test]
async fn what_is_missing_or_makes_no_sense_is_named() {
    let one = ["--server", "127.0.0.1:1"];
    assert_one_line(&[], &[NO_PASSWORD], &["--server"]).await;
    assert_one_line(&one, &[], &["--password-file", "OBWARDEN_PASSWORD"]).await;
    for (args, named) in [
        (
            &["--server", "127.0.0.1:x"][..],
            &["127.0.0.1:x", "HOST:PORT"][..],
        ),
        (&["--server", "a b"], &["a b"]),
        (&["--user", "root@shop"], &["root@shop", "sys tenant"]),
        (&["--node-timeout", "0s"], &["node_timeout"]),
    ] {
        assert_one_line(&[&one, args].concat(), &[NO_PASSWORD], named).await;
    }
}

#[tokio::test]
async fn a_cluster_that_lets_nobody_in_gets_one_line() {
    let seed = &node().await.seeds()[0];
    let wrong = ("OBWARDEN_PASSWORD", "wr0ng");
    for check in [&[][..], &["--check"]] {
        let args = [&["--server", seed, "--listen", "127.0.0.1:0"], check].concat();
        assert_one_line(&args, &[wrong], &[seed, "1045", "service account"]).await;
        assert!(!run(&args, &[wrong]).await.stderr.contains("wr0ng"));

        // Port 1: nobody listens there.
        let args = [&["--server", "127.0.0.1:1"], check].concat();
        assert_one_line(&args, &[NO_PASSWORD], &["127.0.0.1:1", "refused"]).await;
        let args = [&["--server", "no-such-host.invalid"], check].concat();
        assert_one_line(&args, &[NO_PASSWORD], &["no-such-host.invalid", "resolved"]).await;
    }
}

#[tokio::test]
async fn a_server_that_never_answers_gets_one_line_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for check in [&[][..], &["--check"]] {
        let args = [&["--server", &address], check].concat();
        assert_one_line(&args, &[NO_PASSWORD], &[&address, "no answer"]).await;
    }
}

#[tokio::test]
async fn a_port_that_is_taken_gets_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let args = ["--server", &node().await.seeds()[0], "--listen", &listen];
    assert_one_line(&args, &[NO_PASSWORD], &[&listen, "in use"]).await;
}
