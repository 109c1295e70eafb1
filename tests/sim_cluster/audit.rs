//! The record of kills: written before the KILL is sent, whatever becomes of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use serde_json::Value;
use testkit::paths::RunDir;
use testkit::sim::{
    Behaviour, KillBehaviour, ServerError, SimAccount, SimCluster, SimNode, SimSession,
};
use testkit::warden::Warden;

use crate::support::{GRACE, connect, connect_as, run, server_error, show_warnings, soon, warden};

/// How long the file may take for the intent and for the outcome.
const TWO_RECORDS: Duration = Duration::from_secs(2);

const VICTIM_RUNS: &str = "CREATE USER app2 IDENTIFIED BY 'hidden-word'";

pub(crate) struct Scene {
    pub(crate) cluster: SimCluster,
    pub(crate) warden: Warden,
    pub(crate) file: PathBuf,
    _dir: RunDir,
}

impl Scene {
    /// With a file that `prepare` has made, or has not.
    pub(crate) async fn new(prepare: impl FnOnce(&Path), more: &[&str]) -> Self {
        let dir = RunDir::create().unwrap();
        let file = dir.path().join("audit.json");
        prepare(&file);
        let cluster = SimCluster::builder()
            .accounts(vec![SimAccount::root(), SimAccount::new("app")])
            .start()
            .await
            .unwrap();
        let args = [
            "--node-timeout",
            "1s",
            "--audit-file",
            file.to_str().unwrap(),
        ];
        let warden = warden(&cluster, &[&args, more].concat()).await;
        Self {
            cluster,
            warden,
            file,
            _dir: dir,
        }
    }

    pub(crate) fn node(&self) -> &SimNode {
        self.cluster.node(1)
    }

    fn victim(&self) -> u32 {
        self.node().add_session(SimSession {
            user: "batch".to_owned(),
            ..SimSession::running(VICTIM_RUNS, Duration::from_secs(5))
        })
    }

    fn kill(&self, id: u32) -> String {
        format!(
            "KILL SERVER SESSION {} {id} COMMENT 'it blocks'",
            self.node().ip()
        )
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        text.lines().map(read).collect()
    }
}

pub(crate) fn nothing(_: &Path) {}

/// The lines of the log for a record, or all of them.
fn logged(warden: &Warden) -> Vec<String> {
    let log = warden.log();
    let lines = log.lines().filter(|line| line.contains("obwarden::audit"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_intent_is_on_the_disk_when_the_kill_arrives_and_the_outcome_follows_under_its_id() {
    let scene = Scene::new(nothing, &[]).await;
    let node = scene.node();
    let mut conn = connect(&scene.warden).await;
    let id = scene.victim();
    node.set_kill_behaviour(KillBehaviour::NeverAnswer);
    let statement = scene.kill(id);
    let sent = statement.clone();
    let killing = tokio::spawn(async move { server_error(run(&mut conn, &sent).await) });
    let arrived = node.until(|node| !node.kills_received().is_empty());
    soon("the KILL arrives", arrived).await;
    let [intent] = &scene.records()[..] else {
        panic!("not one record: {:?}", scene.records());
    };
    let (code, text) = killing.await.unwrap();

    let [first, outcome] = &scene.records()[..] else {
        panic!("not two records: {:?}", scene.records());
    };
    assert_eq!(first, intent);
    assert_eq!(
        (&intent["event"], &outcome["event"]),
        (&"intent".into(), &"outcome".into())
    );
    assert!(intent.get("outcome").is_none());
    for (field, value) in [
        ("account", Value::from("root")),
        ("statement", statement.into()),
        ("kind", "session".into()),
        ("server", node.seed().into()),
        ("session", id.into()),
        ("reason", "it blocks".into()),
        ("connection", 1.into()),
        (
            "victim",
            serde_json::json!({
                "user": "batch", "host": "10.1.0.9:50000", "db": "shop",
                "info": "CREATE USER app2 IDENTIFIED BY '***'",
            }),
        ),
    ] {
        assert_eq!(
            (&intent[field], &outcome[field]),
            (&value, &value),
            "{field}"
        );
    }
    assert_eq!(intent["id"], outcome["id"]);
    let client = intent["client"].as_str().unwrap();
    assert!(client.starts_with("127.0.0.1:"), "{client}");
    assert_eq!(
        (&outcome["code"], &outcome["outcome"]),
        (&code.into(), &text.into())
    );
    assert_eq!(code, 1105, "the outcome is unknown");

    let logged = logged(&scene.warden);
    assert_eq!(logged.len(), 2, "{logged:?}");
    let record = intent["id"].as_str().unwrap();
    for line in &logged {
        assert!(
            line.contains(record) && line.contains("it blocks"),
            "{line}"
        );
        assert!(!line.contains("hidden-word"), "{line}");
    }
}

#[tokio::test]
async fn each_kill_has_an_id_and_each_session_a_number_of_its_own() {
    let scene = Scene::new(nothing, &[]).await;
    let mut conns = [connect(&scene.warden).await, connect(&scene.warden).await];
    for conn in &mut conns {
        for _ in 0..2 {
            run(conn, &scene.kill(scene.victim())).await.unwrap();
        }
    }
    let records = scene.records();
    let mut ids: Vec<_> = records
        .iter()
        .map(|record| record["id"].to_string())
        .collect();
    ids.dedup();
    let mut all = ids.clone();
    all.sort();
    all.dedup();
    assert_eq!((ids.len(), all.len(), records.len()), (4, 4, 8));
    let connections = records
        .iter()
        .map(|record| record["connection"].as_u64().unwrap());
    assert_eq!(connections.collect::<Vec<_>>(), [1, 1, 1, 1, 2, 2, 2, 2]);
    assert!(
        records
            .iter()
            .skip(1)
            .step_by(2)
            .all(|record| record["code"] == 0)
    );
}

#[tokio::test]
async fn a_kill_that_is_refused_has_a_record_of_why() {
    let scene = Scene::new(nothing, &[]).await;
    let node = scene.node();
    let mut root = connect(&scene.warden).await;
    let mut app = connect_as(&scene.warden, "app").await;
    let id = scene.victim();
    let codes = async |conn: &mut Conn, statement: &str| {
        let before = scene.records().len();
        let (code, text) = server_error(run(conn, statement).await);
        let records = scene.records().split_off(before);
        let outcome = records.last().expect("a record").clone();
        assert_eq!(
            (&outcome["event"], &outcome["code"]),
            (&"outcome".into(), &code.into())
        );
        assert_eq!(outcome["outcome"], text.as_str());
        (code, records)
    };

    // Hidden, and so unknown: nothing is told of the victim that the caller may not know.
    let (code, records) = codes(&mut app, &scene.kill(id)).await;
    assert_eq!((code, records.len()), (1094, 1));
    assert_eq!(
        (&records[0]["account"], &records[0]["victim"]),
        (&"app".into(), &Value::Null)
    );

    scene.cluster.set_accounts(vec![
        SimAccount::root(),
        SimAccount {
            process_priv: true,
            ..SimAccount::new("app")
        },
    ]);
    let (code, records) = codes(&mut app, &scene.kill(id)).await;
    assert_eq!((code, records.len()), (1095, 1));
    assert_eq!(records[0]["victim"]["user"], "batch");

    let elsewhere = format!("KILL SERVER QUERY 192.0.2.7 {id}");
    let (code, records) = codes(&mut root, &elsewhere).await;
    assert_eq!((code, records.len()), (1210, 1));
    assert_eq!(
        (&records[0]["kind"], &records[0]["server"]),
        (&"query".into(), &"192.0.2.7".into())
    );

    let refusal = ServerError::new(4401, "Session is not from a proxy");
    node.set_kill_behaviour(KillBehaviour::Fail(refusal));
    let (code, records) = codes(&mut root, &scene.kill(id)).await;
    assert_eq!((code, records.len()), (4401, 2), "it was sent");

    node.set_behaviour(Behaviour::Refuse);
    let (code, records) = codes(&mut root, &scene.kill(id)).await;
    assert_eq!((code, records.len()), (1429, 1));
}

/// The file's directory goes away, and with it the file.
pub(crate) fn lose(file: &Path) {
    std::fs::remove_file(file).unwrap();
    std::fs::create_dir(file).unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_written_holds_up_no_kill_and_is_a_warning() {
    let scene = Scene::new(nothing, &[]).await;
    let mut conn = connect(&scene.warden).await;
    lose(&scene.file);
    let id = scene.victim();
    run(&mut conn, &scene.kill(id)).await.unwrap();
    assert!(!scene.node().has_session(id));
    let [(level, code, text)] = &show_warnings(&mut conn).await[..] else {
        panic!("not one warning");
    };
    assert_eq!((level.as_str(), *code), ("Warning", 1026), "{text}");
    assert!(text.contains(scene.file.to_str().unwrap()), "{text}");
    let log = scene.warden.log();
    assert!(
        log.contains("has no record") && log.contains("kill: done"),
        "{log}"
    );

    // It comes back by itself.
    std::fs::remove_dir(&scene.file).unwrap();
    run(&mut conn, &scene.kill(scene.victim())).await.unwrap();
    assert_eq!(conn.get_warnings(), 0);
    assert_eq!(scene.records().len(), 2);
}

#[tokio::test]
async fn where_the_record_is_required_nothing_is_killed_without_it() {
    let scene = Scene::new(nothing, &["--audit-required"]).await;
    let mut conn = connect(&scene.warden).await;
    let id = scene.victim();
    lose(&scene.file);
    let (code, text) = server_error(run(&mut conn, &scene.kill(id)).await);
    assert_eq!(code, 1026, "{text}");
    for part in [
        scene.file.to_str().unwrap(),
        "nothing was killed",
        "audit_required",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(scene.node().has_session(id));
    assert_eq!(scene.node().kills_received(), [""; 0]);

    std::fs::remove_dir(&scene.file).unwrap();
    run(&mut conn, &scene.kill(id)).await.unwrap();
    assert!(!scene.node().has_session(id));
    assert_eq!(scene.records().len(), 2);
}

/// A pipe that nobody reads and that is full: who writes to it waits for ever.
fn full_pipe(file: &Path) -> std::fs::File {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let made = Command::new("mkfifo").arg(file).status().unwrap();
    assert!(made.success());
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut pipe = options.custom_flags(nonblocking).open(file).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    pipe
}

#[tokio::test]
async fn a_file_that_hangs_holds_up_a_kill_for_its_deadline_and_nothing_else() {
    for required in [false, true] {
        let mut pipe = None;
        let more: &[&str] = if required { &["--audit-required"] } else { &[] };
        let scene = Scene::new(|file| pipe = Some(full_pipe(file)), more).await;
        let mut conn = connect(&scene.warden).await;
        let id = scene.victim();
        let began = Instant::now();
        let killed = run(&mut conn, &scene.kill(id)).await;
        assert!(
            began.elapsed() < TWO_RECORDS + GRACE,
            "{:?}",
            began.elapsed()
        );
        assert_eq!(scene.node().has_session(id), required);
        if required {
            let (code, text) = server_error(killed);
            assert!(
                code == 1026 && text.contains("nothing was killed"),
                "{code} {text}"
            );
        } else {
            killed.unwrap();
            assert_eq!(conn.get_warnings(), 1);
        }
        // Nothing else waits for it.
        crate::support::list(&mut conn).await;
    }
}

#[tokio::test]
async fn a_required_file_that_cannot_be_written_is_known_at_the_start() {
    let cluster = SimCluster::start(1).await.unwrap();
    let started = crate::support::builder()
        .servers(cluster.seeds())
        .args([
            "--audit-file",
            "/no/such/directory/audit",
            "--audit-required",
        ])
        .start()
        .await;
    let error = format!("{:#}", started.unwrap_err());
    assert!(error.contains("/no/such/directory/audit"), "{error}");
}
