//! A password is in nothing that obwarden writes: not in its log at the finest level, in the record of kills,
//! in a warning or an error of its own, or in what `--check` prints.

use std::path::Path;
use std::process::Stdio;

use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, Conn};
use testkit::cluster::Cluster;
use testkit::mariadb::MariadbCluster;
use testkit::paths::RunDir;
use testkit::seekdb::SeekdbCluster;
use testkit::warden::Warden;
use tokio::process::Command;

use crate::support::real::kill;
use crate::support::{SOON, opts, sql_error, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_obwarden");

const OF_SERVICE: &str = "zq-Service-1";
const OF_CLIENT: &str = "zq-Client-2";
const OF_ANOTHER: &str = "zq-Another-3";
const WRONG: &str = "zq-Wrong-4";
const WRONG_OF_SERVICE: &str = "zq-Wrong-5";
const IN_VICTIM: &str = "zq-Victim-6";
const IN_COMMENT: &str = "zq-Comment-7";
const IN_CLIENT: &str = "zq-Statement-8";
const IN_MISTAKE: &str = "zq-Mistake-9";
/// All of them begin so.
const EVERY: &str = "zq-";

#[tokio::test]
async fn no_password_is_written_down_on_seekdb() {
    let cluster = SeekdbCluster::start(1).await.unwrap();
    let runs = format!("SELECT SLEEP(30) /* CREATE USER v IDENTIFIED BY '{IN_VICTIM}' */");
    no_password_is_written_down(&cluster, &runs, None).await;
}

#[tokio::test]
async fn no_password_is_written_down_on_mariadb() {
    let cluster = MariadbCluster::start(1).await.unwrap();
    let runs = format!("CREATE USER v IDENTIFIED BY '{IN_VICTIM}'");
    // While somebody holds it no account can be made.
    let lock = Some("FLUSH TABLES WITH READ LOCK");
    no_password_is_written_down(&cluster, &runs, lock).await;
}

async fn no_password_is_written_down(cluster: &Cluster, runs: &str, lock: Option<&str>) {
    let accounts = [
        ("service", OF_SERVICE),
        ("client", OF_CLIENT),
        ("another", OF_ANOTHER),
    ];
    for (name, password) in accounts {
        let sql = format!(
            "CREATE USER {name} IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {name} WITH GRANT OPTION"
        );
        cluster.execute(&sql).await.unwrap();
    }
    let dir = RunDir::create().unwrap();
    let audit = dir.path().join("audit.json");
    let builder = || {
        Warden::builder(PROGRAM)
            .servers(cluster.seeds())
            .user("service")
            .env("OBWARDEN_LOG", "trace")
            .args([Path::new("--audit-file"), &audit])
    };
    let warden = builder().password(OF_SERVICE).start().await.unwrap();
    // All that obwarden says but for its log.
    let mut said = Vec::new();

    let refused = builder().password(WRONG_OF_SERVICE).start().await;
    said.push(format!("{:#}", refused.unwrap_err()));
    for password in [OF_SERVICE, WRONG_OF_SERVICE] {
        said.push(check(cluster, password).await);
    }
    let login = |password| opts(warden.addr(), "client").pass(Some(password));
    said.push(sql_error(Conn::new(login(WRONG)).await).to_string());

    let mut client = Conn::new(login(OF_CLIENT)).await.unwrap();
    for statement in [
        format!("CREATE USER made IDENTIFIED BY '{IN_CLIENT}'"),
        format!("ALTER USER made IDENTIFIED BY '{IN_CLIENT}'"),
        "DROP USER made".to_owned(),
    ] {
        client.query_drop(statement).await.unwrap();
    }
    let mistake = format!("SET PASSWORD FOR nobody_at_all = PASSWORD('{IN_CLIENT}')");
    sql_error(client.query_drop(mistake).await);
    for statement in [
        format!("KILL SERVER SESSION 127.0.0.1 1 IDENTIFIED BY '{IN_MISTAKE}'"),
        format!("SHOW SERVER SESSIONS IDENTIFIED BY '{IN_MISTAKE}'"),
        format!("SHOW SERVER SESSIONS; SET PASSWORD = '{IN_MISTAKE}'"),
        format!("KILL SERVER SESSION 127.0.0.1 none COMMENT 'IDENTIFIED BY \"{IN_MISTAKE}\"'"),
    ] {
        said.push(sql_error(client.query_drop(statement).await).to_string());
    }
    let another = ChangeUserOpts::new().with_user(Some("another".into()));
    let another = another.with_pass(Some(OF_ANOTHER.into()));
    client.change_user(another).await.unwrap();

    let mut holder = cluster.node(0).connect().await.unwrap();
    if let Some(lock) = lock {
        holder.query_drop(lock).await.unwrap();
    }
    let mut victim = cluster.node(0).connect().await.unwrap();
    let id = victim.id();
    let statement = runs.to_owned();
    let running = tokio::spawn(async move { victim.query_drop(statement).await });
    until("the statement runs", SOON, async || {
        let list: Vec<mysql_async::Row> = client.query("SHOW FULL SERVER SESSIONS").await.unwrap();
        let row = list.iter().find(|row| row.get("Id") == Some(id));
        let info = row
            .and_then(|row| row.get::<Option<String>, _>("Info"))
            .flatten();
        info.clone()
            .filter(|info| info.contains(IN_VICTIM))
            .ok_or(info)
    })
    .await;
    let reason = format!("COMMENT 'IDENTIFIED BY ''{IN_COMMENT}'''");
    let killing = format!("{} {reason}", kill(cluster.node(0), id));
    client.query_drop(&killing).await.unwrap();
    running.await.unwrap().unwrap_err();
    said.push(sql_error(client.query_drop(&killing).await).to_string());
    drop(holder);

    // The service account is not let in any more.
    cluster
        .execute(&format!("ALTER USER service IDENTIFIED BY '{IN_CLIENT}'"))
        .await
        .unwrap();
    let mut root = cluster.node(0).connect().await.unwrap();
    let its: Vec<u32> = root
        .query("SELECT ID FROM oceanbase.V$OB_PROCESSLIST WHERE USER = 'service'")
        .await
        .unwrap();
    for id in its {
        // One may have ended by itself.
        _ = root.query_drop(format!("KILL {id}")).await;
    }
    let denied = sql_error(client.query_drop("SHOW SERVER SESSIONS").await);
    assert!(
        denied
            .message
            .contains("the service account was not let in"),
        "{denied}"
    );
    said.push(denied.to_string());
    let warnings: Vec<(String, u16, String)> = client.query("SHOW WARNINGS").await.unwrap();
    said.push(format!("{warnings:?}"));

    let log = warden.log();
    assert!(
        log.contains(" TRACE ") || log.contains(" DEBUG "),
        "it logs all: {log}"
    );
    let audit = std::fs::read_to_string(&audit).unwrap();
    assert_eq!(audit.matches("IDENTIFIED BY '***'").count(), 5, "{audit}");
    for (what, text) in [("log", &log), ("audit", &audit), ("said", &said.join("\n"))] {
        let at = text.find(EVERY);
        let line = at.and_then(|at| text[..at].lines().last().zip(text[at..].lines().next()));
        assert_eq!(at, None, "a password is in the {what}: {line:?}");
    }
}

/// What `--check` prints, at the finest level of its log.
async fn check(cluster: &Cluster, password: &str) -> String {
    let output = Command::new(PROGRAM)
        .args([
            "--check",
            "--user",
            "service",
            "--server",
            &cluster.seeds()[0],
        ])
        .env("OBWARDEN_PASSWORD", password)
        .env("OBWARDEN_LOG", "trace")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SOON, output).await.unwrap().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&printed).into_owned()
}
