//! `--execute`: one statement, its result on stdout, what there is to say about it on stderr, and an exit code that
//! tells whether all of it is there.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::paths::RunDir;
use testkit::sim::{
    Behaviour, KillBehaviour, Linger, Reach, ServerError, SimCluster, SimNode, SimSession,
};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};

use crate::support::{obwarden, soon};
use crate::{Ended, NO_PASSWORD, run};

/// Runs a statement. The first node is the one that tells the others.
async fn execute(cluster: &SimCluster, statement: &str, more: &[&str]) -> Ended {
    let seed = cluster.node(0).seed();
    let args = [&args(&seed, statement)[..], &["--node-timeout", "1s"], more].concat();
    run(&args, &[NO_PASSWORD]).await
}

fn args<'a>(seed: &'a str, statement: &'a str) -> [&'a str; 4] {
    ["--server", seed, "--execute", statement]
}

/// A session of which all is known beforehand.
fn session(info: Option<&str>) -> SimSession {
    let time = ("TIME".to_owned(), Some("5".to_owned()));
    SimSession {
        info: info.map(str::to_owned),
        more: vec![time],
        ..SimSession::default()
    }
}

async fn one_node() -> SimCluster {
    SimCluster::start(1).await.unwrap()
}

const HEADER: &str =
    "Ip\tPort\tZone\tId\tTenant\tUser\tHost\tClient\tdb\tCommand\tTime\tState\tInfo\n";

#[tokio::test]
async fn rows_come_as_tsv_that_mysql_would_have_written() {
    let cluster = one_node().await;
    let node = cluster.node(0);
    let (a, b) = (
        node.add_session(session(Some("SELECT '\\'"))),
        node.add_session(session(None)),
    );
    let ended = execute(&cluster, "SHOW SERVER SESSIONS;", &["--format", "tsv"]).await;
    let row = |id: u32, info: &str| {
        let (ip, port, zone) = (node.ip(), node.sql_port(), node.zone());
        format!(
            "{ip}\t{port}\t{zone}\t{id}\tshop\tapp\t10.1.0.9:50000\t10.1.0.9:50000\tshop\tSleep\t5\tSLEEP\t{info}\n"
        )
    };
    let expected = HEADER.to_owned() + &row(a, "SELECT '\\\\'") + &row(b, "NULL");
    assert_eq!(ended.stdout, expected);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn rows_come_as_json_with_numbers_and_nulls() {
    let cluster = one_node().await;
    let node = cluster.node(0);
    let id = node.add_session(session(Some("SELECT \"a\"")));
    let ended = execute(&cluster, "SHOW SERVER SESSIONS", &["--format", "json"]).await;
    assert_eq!(
        ended.stdout,
        format!(
            "[\n{{\"Ip\":\"{}\",\"Port\":{},\"Zone\":\"{}\",\"Id\":{id},\"Tenant\":\"shop\",\"User\":\"app\",\
             \"Host\":\"10.1.0.9:50000\",\"Client\":\"10.1.0.9:50000\",\"db\":\"shop\",\"Command\":\"Sleep\",\
             \"Time\":5,\"State\":\"SLEEP\",\"Info\":\"SELECT \\\"a\\\"\"}}\n]\n",
            node.ip(),
            node.sql_port(),
            node.zone()
        )
    );
    let ended = execute(&cluster, "SHOW SERVERS", &["--format", "json"]).await;
    let servers: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(servers[0]["Port"], node.sql_port());
    assert_eq!(servers[0]["Reachable"], "YES");
    assert_eq!(servers[0]["Error"], Value::Null);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_select_gives_numbers_as_numbers_and_says_what_is_missing() {
    let cluster = SimCluster::start(2).await.unwrap();
    for node in cluster.nodes() {
        node.set_sessions(vec![session(None), session(None)]);
    }
    let statement = "SELECT user, COUNT(*) AS n, AVG(time) AS mean FROM obwarden.server_sessions \
                     WHERE command = 'Sleep' AND user = 'app' GROUP BY user";
    let whole = execute(&cluster, statement, &["--format", "json"]).await;
    assert_eq!(
        whole.stdout, "[\n{\"user\":\"app\",\"n\":4,\"mean\":5.0000}\n]\n",
        "{}",
        whole.stderr
    );
    assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));

    cluster.node(1).set_behaviour(Behaviour::HangInQuery);
    let partial = execute(&cluster, statement, &["--format", "tsv"]).await;
    assert_eq!(partial.stdout, "user\tn\tmean\napp\t2\t5.0000\n");
    let hung = cluster.node(1).seed();
    assert!(
        partial
            .stderr
            .starts_with(&format!("Warning (4012): {hung}")),
        "{}",
        partial.stderr
    );
    assert_eq!(partial.code, Some(3));
}

#[tokio::test]
async fn rows_come_as_a_table_where_nothing_else_is_said() {
    let cluster = one_node().await;
    let node = cluster.node(0);
    let id = node.add_session(session(Some("SELECT 1")));
    let ended = execute(&cluster, "SHOW SERVER SESSIONS", &[]).await;
    let cells = [
        ("Ip", node.ip().to_string()),
        ("Port", node.sql_port().to_string()),
        ("Zone", node.zone().to_owned()),
        ("Id", id.to_string()),
        ("Tenant", "shop".to_owned()),
        ("User", "app".to_owned()),
        ("Host", "10.1.0.9:50000".to_owned()),
        ("Client", "10.1.0.9:50000".to_owned()),
        ("db", "shop".to_owned()),
        ("Command", "Sleep".to_owned()),
        ("Time", "5".to_owned()),
        ("State", "SLEEP".to_owned()),
        ("Info", "SELECT 1".to_owned()),
    ];
    let mut lines = [const { String::new() }; 3];
    for (name, value) in &cells {
        let width = name.len().max(value.len());
        lines[0] += &format!("+{}", "-".repeat(width + 2));
        lines[1] += &format!("| {name:width$} ");
        lines[2] += &match *name {
            "Port" | "Id" | "Time" => format!("| {value:>width$} "),
            _ => format!("| {value:width$} "),
        };
    }
    let [rule, header, row] = lines;
    assert_eq!(
        ended.stdout,
        format!("{rule}+\n{header}|\n{rule}+\n{row}|\n{rule}+\n1 row in set\n")
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_node_that_hangs_is_told_in_row_warning_and_exit_code() {
    let cluster = SimCluster::builder()
        .nodes(3)
        .node_behaviour(2, Behaviour::HangInQuery)
        .start()
        .await
        .unwrap();
    cluster.node(1).add_session(session(None));
    let hung = cluster.node(2).seed();
    for (format, shown) in [
        ("table", "3 rows in set, 1 warning\n"),
        ("tsv", "\tERROR\t"),
        ("json", "\"Command\":\"ERROR\""),
    ] {
        cluster.node(0).set_sessions(vec![session(None)]);
        let ended = execute(&cluster, "SHOW SERVER SESSIONS", &["--format", format]).await;
        assert_eq!(ended.code, Some(3), "{format}: {}", ended.stderr);
        assert!(ended.stdout.contains(shown), "{}", ended.stdout);
        let warnings: Vec<_> = ended.stderr.lines().collect();
        assert!(
            matches!(warnings[..], [one] if one.starts_with(&format!("Warning (4012): {hung}"))
                && one.contains("NO ANSWER")
                && one.ends_with("its sessions are NOT in this list")),
            "{warnings:?}"
        );
    }
    let ended = execute(&cluster, "SHOW SERVERS", &["--format", "json"]).await;
    assert_eq!(ended.code, Some(3));
    let servers: Value = serde_json::from_str(&ended.stdout).unwrap();
    let reachable = servers.as_array().unwrap().iter();
    let reachable: Vec<_> = reachable.map(|server| &server["Reachable"]).collect();
    assert_eq!(reachable, ["YES", "YES", "NO"]);
}

#[tokio::test]
async fn a_list_that_is_whole_though_second_hand_is_no_failure() {
    let cluster = SimCluster::start(3).await.unwrap();
    let lost = cluster.node(2);
    lost.add_session(session(None));
    lost.set_reach(Some(Reach::Answers));
    lost.set_behaviour(Behaviour::Refuse);
    let ended = execute(&cluster, "SHOW SERVER SESSIONS", &["--format", "tsv"]).await;
    assert!(
        ended.stderr.starts_with("Warning (1429): ") && ended.stderr.contains("were read through"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains(&lost.ip().to_string()));
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn what_fails_gives_one_line_and_no_result() {
    let cluster = one_node().await;
    for (statement, told) in [
        (
            "SELECT 1",
            "obwarden: ERROR 1235 (42000): this is no statement of obwarden's own",
        ),
        (
            "SHOW SERVER SESSION",
            "obwarden: ERROR 1064 (42000): You have",
        ),
        (
            "SHOW SERVERS; SHOW SERVERS",
            "obwarden: ERROR 1235 (42000): A statement of obwarden's must stand alone",
        ),
        (
            "KILL SERVER SESSION 10.9.9.9 5",
            "obwarden: ERROR 1210 (HY000): 10.9.9.9 is no server of this cluster",
        ),
    ] {
        let ended = execute(&cluster, statement, &["--format", "json"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with(told), "{}", ended.stderr);
    }
    cluster.set_behaviour(Behaviour::HangInQuery);
    let ended = execute(&cluster, "SHOW SERVER SESSIONS", &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended
            .stderr
            .starts_with("obwarden: ERROR 1105 (HY000): no server of the cluster"),
        "{}",
        ended.stderr
    );
    cluster.set_behaviour(Behaviour::Refuse);
    let ended = execute(&cluster, "SHOW SERVER SESSIONS", &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let seed = cluster.node(0).seed();
    assert!(
        ended.stderr.starts_with("obwarden: ") && ended.stderr.contains(&seed),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_kill_is_done_and_recorded_as_anybodys() {
    let cluster = SimCluster::start(2).await.unwrap();
    let dir = RunDir::create().unwrap();
    let file = dir.path().join("audit.json");
    let audit = ["--audit-file", file.to_str().unwrap()];
    let node = cluster.node(1);
    let kill = |id: u32| {
        format!(
            "KILL SERVER SESSION {} {id} COMMENT 'it blocks'",
            node.seed()
        )
    };

    let listed = execute(&cluster, "SHOW SERVER SESSIONS", &audit).await;
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(!file.exists(), "nothing was to be recorded");

    let id = node.add_session(session(None));
    let ended = execute(&cluster, &kill(id), &audit).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "Query OK, 0 rows affected\n"),
        "{}",
        ended.stderr
    );
    assert!(!node.has_session(id));
    assert_eq!(
        node.kills_received(),
        [format!(
            "KILL {id} /* obwarden: KILL SERVER by root from local: it blocks */"
        )]
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 2, "{text}");
    for record in &records {
        assert_eq!(record["client"], "local");
        assert_eq!(record["account"], "root");
        assert_eq!(record["session"], id);
    }
    assert_eq!(records[1]["outcome"], "killed");
    assert!(
        ended.stderr.contains("obwarden::audit"),
        "the log has it, too"
    );

    let again = execute(&cluster, &kill(id), &["--format", "json"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    assert!(again.stderr.contains("ERROR 1094 "), "{}", again.stderr);
    let id = node.add_session(session(None));
    let ended = execute(&cluster, &kill(id), &["--format", "json"]).await;
    assert_eq!(ended.stdout, "{\"affected_rows\":0,\"info\":\"\"}\n");

    let required = ["--audit-file", "/no/such/file", "--audit-required"];
    let id = node.add_session(session(None));
    let ended = execute(&cluster, &kill(id), &required).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("/no/such/file"), "{}", ended.stderr);
    assert!(node.has_session(id));
}

#[tokio::test]
async fn a_kill_that_was_accepted_but_is_not_done_is_incomplete() {
    let cluster = one_node().await;
    let node = cluster.node(0);
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::Forever));
    let id = node.add_session(session(None));
    let statement = format!("KILL SERVER SESSION {} {id}", node.seed());
    let patience = ["--kill-verify-timeout", "200ms"];
    let ended = execute(&cluster, &statement, &patience).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert_eq!(ended.stdout, "Query OK, 0 rows affected, 1 warning\n");
    assert!(
        ended.stderr.contains("Warning (1105): "),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_kill_of_many_tells_how_many_and_whether_it_was_all() {
    let cluster = SimCluster::start(2).await.unwrap();
    let hold = || {
        for node in cluster.nodes() {
            node.set_sessions(vec![session(None), session(None)]);
        }
    };
    let statement = "KILL SERVER SESSIONS WHERE User = 'app' AND Time >= 5";
    hold();
    let all = execute(&cluster, statement, &[]).await;
    let first = all.stdout.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("Query OK, 4 rows affected"),
        "{}{}",
        all.stdout,
        all.stderr
    );
    assert!(
        all.stdout.ends_with("\nMatched: 4  Killed: 4  Failed: 0\n"),
        "{}",
        all.stdout
    );
    assert_eq!(all.code, Some(0), "{}", all.stderr);

    hold();
    let refuses = KillBehaviour::Fail(ServerError::new(1105, "not now"));
    cluster.node(1).set_kill_behaviour(refuses);
    let some = execute(&cluster, statement, &["--format", "json"]).await;
    let told: Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!(told["affected_rows"], 2);
    assert_eq!(told["info"], "Matched: 4  Killed: 2  Failed: 2");
    assert_eq!(some.code, Some(3), "{}", some.stderr);
    let warnings = some
        .stderr
        .lines()
        .filter(|line| line.starts_with("Warning (1105): ") && line.contains("not now"));
    assert_eq!(warnings.count(), 2, "one for each: {}", some.stderr);
}

#[tokio::test]
async fn an_interrupt_ends_a_statement_that_waits() {
    let cluster = SimCluster::builder()
        .nodes(2)
        .node_behaviour(1, Behaviour::HangInQuery)
        .start()
        .await
        .unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        cluster.node(1).forget_records();
        let running = Running::start(&cluster, "SHOW SERVER SESSIONS", &[]);
        let asked = |node: &SimNode| node.session_lists_received() > 0;
        soon("it is asked", cluster.node(1).until(asked)).await;
        running.signal(signal);
        let ended = running.end().await;
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (
                Some(1),
                "obwarden: ERROR 1317 (70100): Query execution was interrupted\n"
            )
        );
    }
}

#[tokio::test]
async fn an_interrupt_leaves_no_kill_without_its_outcome() {
    let cluster = one_node().await;
    let node = cluster.node(0);
    node.set_kill_behaviour(KillBehaviour::Linger(Linger::For(Duration::from_millis(
        500,
    ))));
    let id = node.add_session(session(None));
    let statement = format!("KILL SERVER SESSION {} {id}", node.seed());
    let running = Running::start(&cluster, &statement, &[]);
    let sent = |node: &SimNode| !node.kills_received().is_empty();
    soon("KILL is sent", node.until(sent)).await;
    running.signal(Signal::INT);
    let ended = running.end().await;
    assert!(
        ended.stderr.contains("outcome=\"killed\""),
        "{}",
        ended.stderr
    );
    assert!(!node.has_session(id));
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_panic() {
    let cluster = one_node().await;
    cluster.node(0).hold_sessions(20_000);
    for format in ["table", "tsv", "json"] {
        let mut running =
            Running::start(&cluster, "SHOW FULL SERVER SESSIONS", &["--format", format]);
        drop(running.taste().await);
        let ended = running.end().await;
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(1), ""),
            "{format}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_cannot_keep_it_from_ending() {
    let cluster = one_node().await;
    cluster.node(0).hold_sessions(20_000);
    let mut running = Running::start(&cluster, "SHOW FULL SERVER SESSIONS", &["--format", "tsv"]);
    let _unread = running.taste().await;
    running.signal(Signal::INT);
    let ended = running.end().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("ERROR 1317"), "{}", ended.stderr);
}

#[tokio::test]
async fn warnings_that_nobody_reads_are_no_panic() {
    let failed = ServerError::new(1105, "out of memory");
    let cluster = SimCluster::builder()
        .nodes(2)
        .node_behaviour(1, Behaviour::FailQuery(failed))
        .start()
        .await
        .unwrap();
    let mut running = Running::start(&cluster, "SHOW SERVER SESSIONS", &[]);
    drop(running.child.stderr.take());
    assert_eq!(running.end().await.code, Some(3));
}

#[tokio::test]
async fn its_options_belong_together() {
    for (args, named) in [
        (&["--format", "tsv"][..], "--execute"),
        (&["--check", "--execute", "SHOW SERVERS"], "--check"),
        (&["--execute", "SHOW SERVERS", "--format", "xml"], "xml"),
    ] {
        let ended = run(args, &[NO_PASSWORD]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
    }
}

/// A run that goes on while the test does something.
struct Running {
    child: Child,
}

impl Running {
    fn start(cluster: &SimCluster, statement: &str, more: &[&str]) -> Self {
        let seed = cluster.node(0).seed();
        let args = [
            &args(&seed, statement)[..],
            &["--node-timeout", "30s"],
            more,
        ]
        .concat();
        let mut command = obwarden(&args, &[NO_PASSWORD]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            child: command.spawn().expect("obwarden"),
        }
    }

    /// Reads a little of what it writes, and gives the rest.
    async fn taste(&mut self) -> ChildStdout {
        let mut stdout = self.child.stdout.take().expect("it is not yet taken");
        let mut first = [0; 10];
        let read = stdout.read_exact(&mut first);
        soon("it writes something", read).await.unwrap();
        stdout
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        let pid = Pid::from_raw(id.cast_signed()).expect("no process has number 0");
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    async fn end(self) -> Ended {
        let output = soon("it ends", self.child.wait_with_output()).await;
        Ended::with(output.unwrap())
    }
}
