//! `--help`, and where a key's value comes from.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::paths::RunDir;
use testkit::warden::Warden;

use crate::support::real::{through, warden_for};
use crate::support::sql_error;
use crate::{node, run};

#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let seed = node().await.seeds().remove(0);
    let dir = RunDir::create().unwrap();
    let file = dir.path().join("obwarden.toml");
    let path = file.to_str().unwrap();
    let in_file = |server: &str, user: &str| {
        format!("servers = ['{server}']\nuser = '{user}'\npassword = ''\n")
    };
    // What counts is what leads to the node; the others lead nowhere.
    let nowhere = "127.0.0.1:1";
    let check = ["--check", "--config", path];

    std::fs::write(&file, in_file(&seed, "root")).unwrap();
    assert_eq!(run(&check, &[]).await.code, Some(0), "the file alone");
    let vars = [("OBWARDEN_CONFIG", path), ("OBWARDEN_SERVER", nowhere)];
    assert_eq!(
        run(&["--check"], &vars).await.code,
        Some(1),
        "environment over file"
    );

    std::fs::write(&file, in_file(nowhere, "nobody")).unwrap();
    let vars = [
        ("OBWARDEN_SERVER", seed.as_str()),
        ("OBWARDEN_USER", "root"),
    ];
    assert_eq!(
        run(&check, &vars).await.code,
        Some(0),
        "environment over file"
    );

    let vars = [("OBWARDEN_SERVER", nowhere), ("OBWARDEN_USER", "nobody")];
    let flags = [&check[..], &["--server", &seed, "--user", "root"]].concat();
    assert_eq!(
        run(&flags, &vars).await.code,
        Some(0),
        "flag over environment and file"
    );
}

#[tokio::test]
async fn the_password_comes_from_file_or_environment_and_is_shown_nowhere() {
    const SECRET: &str = "s3cret-Word";
    let cluster = node().await;
    let account =
        format!("CREATE USER service IDENTIFIED BY '{SECRET}'; GRANT ALL ON *.* TO service");
    cluster.execute(&account).await.unwrap();
    let dir = RunDir::create().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let file = file.to_str().unwrap();
    let seed = &cluster.seeds()[0];

    let args = ["--check", "--server", seed, "--user", "service"];
    for (more, vars) in [
        (&["--password-file", file][..], &[][..]),
        (
            &["--password-file", file],
            &[("OBWARDEN_PASSWORD", "wrong")],
        ),
        (&[], &[("OBWARDEN_PASSWORD_FILE", file)]),
        (&[], &[("OBWARDEN_PASSWORD", SECRET)]),
    ] {
        let ended = run(&[&args[..], more].concat(), vars).await;
        assert_eq!(ended.code, Some(0), "{more:?} {vars:?}: {}", ended.stderr);
        assert!(!(ended.stdout + &ended.stderr).contains(SECRET));
    }

    let builder = Warden::builder(env!("CARGO_BIN_EXE_obwarden"))
        .servers([seed])
        .user("service")
        .args(["--password-file", file])
        .env("OBWARDEN_LOG", "trace");
    let warden = builder.start().await.unwrap();
    let opts = through(&warden).user(Some("service")).pass(Some(SECRET));
    let mut client = Conn::new(opts).await.unwrap();
    client.query_drop("SHOW SERVER SESSIONS").await.unwrap();
    let command_line = std::fs::read_to_string(format!("/proc/{}/cmdline", warden.pid())).unwrap();
    assert!(command_line.contains("--password-file") && !command_line.contains(SECRET));
    let log = warden.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn a_login_for_another_cluster_is_refused() {
    let builder = warden_for(node().await).args(["--cluster", "prod1"]);
    let warden = builder.start().await.unwrap();
    Conn::new(through(&warden).user(Some("root@sys#prod1")))
        .await
        .unwrap();
    let error = sql_error(Conn::new(through(&warden).user(Some("root@sys#prod2"))).await);
    assert_eq!(error.code, 4666, "{error}");
    assert!(
        error.message.contains("prod1") && error.message.contains("prod2"),
        "{error}"
    );
}

#[tokio::test]
async fn help_lists_every_option_with_its_variable() {
    let help = run(&["--help"], &[]).await;
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for flag in [
        "--config",
        "--server",
        "--user",
        "--password-file",
        "--listen",
        "--proxy-protocol-from",
        "--cluster",
        "--rights",
        "--node-timeout",
        "--connect-timeout",
        "--handshake-timeout",
        "--max-connections",
        "--packet-bytes-max",
        "--tcp-keepalive",
        "--kill-verify-timeout",
        "--topology-refresh-interval",
        "--topology-cache",
        "--relay-threads",
    ] {
        let variable = format!("OBWARDEN_{}", flag[2..].replace('-', "_").to_uppercase());
        assert!(help.stdout.contains(&format!("{flag} <")), "{flag}");
        assert!(help.stdout.contains(&variable), "{variable}");
    }
    for word in [
        "--check",
        "--execute <STATEMENT>",
        "--format <FORMAT>",
        "--version",
        "OBWARDEN_PASSWORD,",
    ] {
        assert!(help.stdout.contains(word), "{word}");
    }
    let version = run(&["--version"], &[]).await;
    assert_eq!(
        version.stdout.trim(),
        concat!("obwarden ", env!("CARGO_PKG_VERSION"))
    );
}
