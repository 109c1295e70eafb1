//! KILL SERVER SESSION, and the server's own KILL through obwarden.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::support::real::{Stage, find, kill, list, lives, on_both, through, until, warden_for};
use crate::support::sql_error;

on_both!(
    a_killed_session_is_gone_and_the_others_live,
    a_running_session_is_killed,
    a_session_killed_in_a_transaction_gives_its_locks_up,
    another_proxys_service_sessions_are_killed_and_it_goes_on,
    a_prepared_kill_kills,
    a_server_is_named_in_every_form,
    the_right_id_on_the_wrong_node_is_unknown_and_lives,
    an_unknown_address_gets_the_list_of_servers,
    what_is_no_session_id_kills_nobody,
    a_service_session_is_not_killed,
    another_proxied_session_is_killed_and_its_client_sees_the_end,
    a_session_may_end_itself,
    kill_query_from_a_second_connection_ends_the_statement,
    the_servers_own_kill_ends_a_proxied_session,
);

async fn a_killed_session_is_gone_and_the_others_live(stage: &Stage) {
    let node = stage.cluster.node(1);
    let mut victim = stage.session_on(1).await;
    let mut others = [
        stage.session_on(0).await,
        stage.session_on(1).await,
        stage.session_on(2).await,
    ];
    let mut client = stage.client().await;
    let killed = client.query_iter(kill(node, victim.id())).await.unwrap();
    assert_eq!((killed.affected_rows(), killed.warnings()), (0, 0));
    drop(killed);

    assert!(!lives(&mut victim).await);
    for other in &mut others {
        assert!(lives(other).await);
    }
    assert!(lives(&mut client).await);
    let list = list(&mut client, "SHOW SERVER SESSIONS").await;
    assert_eq!(find(&list, node, victim.id()), None);
}

async fn a_running_session_is_killed(stage: &Stage) {
    let running = stage
        .run(2, stage.session_on(2).await, "SELECT SLEEP(30)")
        .await;
    let mut client = stage.client().await;
    client
        .query_drop(kill(stage.cluster.node(2), running.id))
        .await
        .unwrap();
    running.outcome().await.unwrap_err();
}

async fn a_session_killed_in_a_transaction_gives_its_locks_up(stage: &Stage) {
    let mut victim = stage.session_on(1).await;
    let mut next = stage.session_on(1).await;
    victim
        .query_drop(
            "CREATE DATABASE IF NOT EXISTS kills;
             CREATE TABLE IF NOT EXISTS kills.stock (id INT PRIMARY KEY, left_over INT);
             REPLACE INTO kills.stock VALUES (1, 10)",
        )
        .await
        .unwrap();
    victim.query_drop("BEGIN").await.unwrap();
    victim
        .query_drop("UPDATE kills.stock SET left_over = 0 WHERE id = 1")
        .await
        .unwrap();
    let locked = "SELECT left_over FROM kills.stock WHERE id = 1 FOR UPDATE NOWAIT";
    sql_error(next.query_drop(locked).await);

    let mut client = stage.client().await;
    client
        .query_drop(kill(stage.cluster.node(1), victim.id()))
        .await
        .unwrap();
    assert_eq!(client.get_warnings(), 0);
    // It is gone, and its transaction with it: nobody waits.
    let left: Option<u8> = next.query_first(locked).await.unwrap();
    assert_eq!(left, Some(10), "its change was not rolled back");
    assert!(!lives(&mut victim).await);
}

async fn another_proxys_service_sessions_are_killed_and_it_goes_on(stage: &Stage) {
    let second = warden_for(stage.cluster).start().await.unwrap();
    let mut through_second = Conn::new(through(&second)).await.unwrap();
    let full = list(&mut through_second, "SHOW FULL SERVER SESSIONS").await;
    let services = full
        .iter()
        .filter(|row| row.warden.as_deref() == Some("service"));
    let mut client = stage.client().await;
    let mut killed = 0;
    for service in services {
        let sql = format!(
            "KILL SERVER SESSION {}:{} {}",
            service.ip, service.port, service.id
        );
        client.query_drop(&sql).await.expect(&sql);
        killed += 1;
    }
    assert!(killed >= 3, "one on each node at least: {killed}");
    let after = list(&mut through_second, "SHOW SERVER SESSIONS").await;
    assert_eq!(through_second.get_warnings(), 0, "a node has failed");
    for node in stage.cluster.nodes() {
        let is_there = after.iter().any(|row| row.ip == node.ip().to_string());
        assert!(is_there, "nothing of {}", node.addr());
    }
}

async fn a_prepared_kill_kills(stage: &Stage) {
    let mut victim = stage.session_on(1).await;
    let mut client = stage.client().await;
    let statement = client
        .prep(kill(stage.cluster.node(1), victim.id()))
        .await
        .unwrap();
    assert!(lives(&mut victim).await, "PREPARE alone has killed it");
    client.exec_drop(&statement, ()).await.unwrap();
    assert!(!lives(&mut victim).await);
    assert_eq!(sql_error(client.exec_drop(&statement, ()).await).code, 1094);
}

async fn a_server_is_named_in_every_form(stage: &Stage) {
    let node = stage.cluster.node(1);
    let (ip, sql_port, rpc_port) = (node.ip(), node.port(), node.server().svr_port);
    let mut client = stage.client().await;
    for server in [
        format!("{ip}"),
        format!("'{ip}'"),
        format!("{ip}:{sql_port}"),
        format!("\"{ip}:{sql_port}\""),
        format!("{ip}:{rpc_port}"),
        format!("\"{ip}:{rpc_port}\""),
    ] {
        let mut victim = stage.session_on(1).await;
        let sql = format!("Kill /* it */ server SESSION {server} '{}' ;", victim.id());
        client.query_drop(&sql).await.expect(&sql);
        assert!(!lives(&mut victim).await, "{sql}");
    }
}

async fn the_right_id_on_the_wrong_node_is_unknown_and_lives(stage: &Stage) {
    let wrong = stage.cluster.node(1);
    let mut client = stage.client().await;
    let mut victim = stage.session_on(2).await;
    // Ids repeat from node to node, but count up on each: once they are beyond this one on the wrong node,
    // nobody gets it there again.
    until("nobody has the victim's id on the wrong node", async || {
        victim = stage.session_on(2).await;
        while stage.session_on(1).await.id() <= victim.id() {}
        let full = list(&mut client, "SHOW FULL SERVER SESSIONS").await;
        find(&full, wrong, victim.id()).is_none()
    })
    .await;

    let error = sql_error(client.query_drop(kill(wrong, victim.id())).await);
    assert_eq!(
        (error.code, error.state.as_str()),
        (1094, "HY000"),
        "{error}"
    );
    let right = stage.cluster.node(2).addr().to_string();
    assert!(error.message.contains("Unknown thread id"), "{error}");
    assert!(
        error.message.contains(&right),
        "it does not say where the id was seen: {error}"
    );
    assert!(lives(&mut victim).await);
}

async fn an_unknown_address_gets_the_list_of_servers(stage: &Stage) {
    let mut victim = stage.session_on(1).await;
    let mut client = stage.client().await;
    let id = victim.id();
    for server in [
        "10.99.99.99".to_owned(),
        format!("{}:1", stage.cluster.node(1).ip()),
    ] {
        let error = sql_error(
            client
                .query_drop(format!("KILL SERVER SESSION {server} {id}"))
                .await,
        );
        for node in stage.cluster.nodes() {
            assert!(error.message.contains(&node.addr().to_string()), "{error}");
        }
    }
    assert!(lives(&mut victim).await);
}

async fn what_is_no_session_id_kills_nobody(stage: &Stage) {
    let mut victim = stage.session_on(1).await;
    let id = u64::from(victim.id());
    let mut client = stage.client().await;
    let ip = stage.cluster.node(1).ip();
    for none in [
        "0".to_owned(),
        "-1".to_owned(),
        format!("-{id}"),
        (4_294_967_296 + id).to_string(), // OceanBase's own KILL would take it for `id`
        "'abc'".to_owned(),
        "''".to_owned(),
        format!("{}+1", id - 1),
        format!("{id}.0"),
        format!("{id} {id}"),
        "CONNECTION_ID()".to_owned(),
        "NULL".to_owned(),
    ] {
        let sql = format!("KILL SERVER SESSION {ip} {none}");
        let error = sql_error(client.query_drop(&sql).await);
        assert!(matches!(error.code, 1064 | 1210), "{sql}: {error}");
        assert!(lives(&mut victim).await, "{sql}");
    }
    assert!(lives(&mut client).await);
}

async fn a_service_session_is_not_killed(stage: &Stage) {
    let mut client = stage.client().await;
    let full = list(&mut client, "SHOW FULL SERVER SESSIONS").await;
    let service = full
        .iter()
        .find(|row| row.warden.as_deref() == Some("service"))
        .expect("a service session");
    let sql = format!("KILL SERVER SESSION {} {}", service.ip, service.id);
    let error = sql_error(client.query_drop(sql).await);
    assert_eq!(error.code, 1095, "{error}");
    assert!(error.message.contains("service session"), "{error}");
}

async fn another_proxied_session_is_killed_and_its_client_sees_the_end(stage: &Stage) {
    let mut victim = stage.client().await;
    let mut client = stage.client().await;
    client
        .query_drop(kill(stage.backend(), victim.id()))
        .await
        .unwrap();
    assert!(!lives(&mut victim).await);
    let log = stage.warden.log();
    let record = format!("id={} outcome=\"killed\"", victim.id());
    assert!(log.contains(&record), "no audit record {record}:\n{log}");
}

async fn a_session_may_end_itself(stage: &Stage) {
    let mut client = stage.client().await;
    let sql = kill(stage.backend(), client.id());
    // Whether an answer still comes is nobody's promise; the end is.
    let answer = tokio::time::timeout(crate::support::SOON, client.query_drop(sql));
    _ = answer.await.expect("neither an answer nor an end");
    assert!(!lives(&mut client).await);
    assert_eq!(
        find(&stage.list().await, stage.backend(), client.id()),
        None
    );
}

async fn kill_query_from_a_second_connection_ends_the_statement(stage: &Stage) {
    let mut outcomes = Vec::new();
    for proxied in [false, true] {
        let connect = async || match proxied {
            true => stage.client().await,
            false => stage.session_on(0).await,
        };
        let running = stage.run(0, connect().await, "SELECT SLEEP(30)").await;
        let mut second: Conn = connect().await;
        second
            .query_drop(format!("KILL QUERY {}", running.id))
            .await
            .unwrap();
        outcomes.push(format!("{:?}", running.outcome().await));
    }
    assert_eq!(outcomes[0], outcomes[1], "not as on a direct connection");
    assert!(outcomes[0].contains("1317"), "{outcomes:?}");
}

async fn the_servers_own_kill_ends_a_proxied_session(stage: &Stage) {
    let mut victim = stage.client().await;
    let mut client = stage.client().await;
    client
        .query_drop(format!("KILL {}", victim.id()))
        .await
        .unwrap();
    assert!(!lives(&mut victim).await);
    assert!(lives(&mut client).await);
}
