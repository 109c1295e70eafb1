//! Each victim of a KILL of many has a record of its own.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::sim::{KillBehaviour, ServerError};

use crate::audit::{Scene, lose, nothing};
use crate::kill_many::{counts, kill, session, told};
use crate::support::{SOON, connect, server_error, soon, until};

const STATEMENT: &str = "SESSIONS WHERE User = 'batch' COMMENT 'it blocks'";

/// A scene with two sessions of `batch` on each node.
async fn scene(more: &[&str]) -> Scene {
    let scene = Scene::new(nothing, more).await;
    for node in scene.cluster.nodes() {
        node.set_sessions(vec![session(201, "batch", 60), session(202, "batch", 60)]);
    }
    scene
}

/// Of these records the values of a field.
fn all<'r>(records: &'r [Value], field: &str) -> Vec<&'r Value> {
    records.iter().map(|record| &record[field]).collect()
}

#[tokio::test]
async fn each_victim_has_an_intent_before_its_kill_and_an_outcome_under_the_same_id() {
    let scene = scene(&[]).await;
    let node = scene.node();
    node.set_kill_behaviour(KillBehaviour::Fail(ServerError::new(4401, "no")));
    let mut conn = connect(&scene.warden).await;
    let killed = kill(&mut conn, STATEMENT).await;
    assert_eq!(killed.unwrap(), counts(6, 4, 2));
    let (intents, outcomes): (Vec<_>, Vec<_>) = scene
        .records()
        .into_iter()
        .partition(|record| record["event"] == "intent");
    let ids = |records| -> BTreeSet<_> {
        all(records, "id")
            .into_iter()
            .map(Value::to_string)
            .collect()
    };
    assert_eq!((intents.len(), outcomes.len()), (6, 6));
    assert_eq!((ids(&intents).len(), ids(&intents)), (6, ids(&outcomes)));
    for record in intents.iter().chain(&outcomes) {
        for (field, value) in [
            ("account", "root"),
            ("kind", "session"),
            ("reason", "it blocks"),
            ("statement", &format!("KILL SERVER {STATEMENT}")),
        ] {
            assert_eq!(record[field], value, "{field}");
        }
        assert_eq!(record["victim"]["user"], "batch");
    }
    for outcome in &outcomes {
        let refused = outcome["server"] == node.seed();
        let code = if refused { 4401 } else { 0 };
        assert_eq!(outcome["code"], code, "{outcome}");
    }
}

#[tokio::test]
async fn one_that_is_left_alone_at_the_last_look_has_an_outcome_only() {
    let scene = scene(&[]).await;
    for other in [0, 2] {
        scene.cluster.node(other).set_sessions(Vec::new());
    }
    let node = scene.node();
    node.set_sessions_after_list(vec![session(201, "batch", 60)]);
    let mut conn = connect(&scene.warden).await;
    let killed = kill(&mut conn, STATEMENT).await;
    assert_eq!(killed.unwrap(), counts(2, 1, 0));
    let records = scene.records();
    let of_gone: Vec<_> = records
        .iter()
        .filter(|record| record["session"] == 202)
        .collect();
    let [outcome] = of_gone[..] else {
        panic!("{of_gone:?}");
    };
    assert_eq!(
        (&outcome["event"], &outcome["code"]),
        (&"outcome".into(), &0.into())
    );
    assert_eq!(
        outcome["outcome"],
        "nothing was killed: it has ended by itself"
    );
}

#[tokio::test]
async fn where_the_record_is_required_no_victim_dies_without_it() {
    let scene = scene(&["--audit-required"]).await;
    let mut conn = connect(&scene.warden).await;
    lose(&scene.file);
    let killed = soon("it is over", kill(&mut conn, STATEMENT)).await;
    assert_eq!(killed.unwrap(), counts(6, 0, 6));
    let said = told(&mut conn).await;
    assert!(
        said.iter()
            .all(|(level, code, _)| (*level, *code) == ('W', 1026)),
        "{said:?}"
    );
    for node in scene.cluster.nodes() {
        assert_eq!(node.kills_received(), [""; 0]);
    }
}

#[tokio::test]
async fn where_it_is_not_required_one_warning_says_that_there_is_none() {
    let scene = scene(&[]).await;
    let mut conn = connect(&scene.warden).await;
    lose(&scene.file);
    let killed = kill(&mut conn, STATEMENT).await;
    assert_eq!(killed.unwrap(), counts(6, 6, 0));
    let said = told(&mut conn).await;
    assert_eq!((said.len(), said[0].1), (1, 1026), "{said:?}");
}

#[tokio::test]
async fn a_statement_that_kills_nobody_is_in_the_log_without_its_passwords() {
    let scene = scene(&["--kill-victims-max", "1"]).await;
    let mut conn = connect(&scene.warden).await;
    let refused = kill(
        &mut conn,
        "SESSIONS WHERE User = 'batch' COMMENT 'IDENTIFIED BY \"hidden-word\"'",
    );
    assert_eq!(server_error(refused.await).0, 1210);
    assert_eq!(scene.records(), [Value::Null; 0]);
    until("it is in the log", SOON, async || {
        let log = scene.warden.log();
        let line = log.lines().find(|line| line.contains("kill: nobody"));
        let is_told = |line: &str| {
            line.contains("obwarden::audit")
                && line.contains("account=\"root\"")
                && line.contains("6 sessions match")
                && !line.contains("hidden-word")
        };
        if line.is_some_and(is_told) {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
}
