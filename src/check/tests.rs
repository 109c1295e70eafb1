use std::time::Duration;

use super::*;
use crate::cluster::{Difference, Ids, NodeFailure, Server};

fn server(number: u8) -> Server {
    Server {
        rpc_port: Some(2882),
        zone: Some(format!("z{number}")),
        build: Some("4.2.1".into()),
        ..Server::alone(([10, 0, 0, number], 2881).into())
    }
}

fn list(columns: &[&str]) -> ExaminedList {
    ExaminedList {
        query: "SELECT * FROM oceanbase.V$OB_PROCESSLIST".into(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        sessions: 3,
        ids: Ids {
            by_this_server: 1,
            by_other_servers: 0,
            by_odp: 2,
        },
        needs_grant: None,
    }
}

fn examined(number: u8, answer: Result<ExaminedList, NodeFailure>) -> Examined {
    Examined {
        server: server(number),
        answer,
        through: None,
    }
}

fn denied() -> NodeFailure {
    NodeFailure {
        server_code: Some(1142),
        ..NodeFailure::wrong(Duration::ZERO, "SELECT command denied")
    }
}

#[test]
fn each_server_is_told_with_what_is_different_in_it() {
    let examination = Examination {
        servers: vec![
            examined(1, Ok(list(&["ID", "USER", "LEVEL"]))),
            examined(2, Ok(list(&["id", "user", "level"]))),
            examined(3, Ok(list(&["ID", "USER", "TOP_INFO"]))),
            examined(4, Err(denied())),
        ],
        unusable: vec!["nowhere:0".into()],
        view: ClusterView::Missing,
        lacks: Ok(Vec::new()),
    };
    let report = report(&examination, "it's");
    let expected = "\
10.0.0.1:2881 (z1)  build 4.2.1  ok, 3 sessions
    SELECT * FROM oceanbase.V$OB_PROCESSLIST: 3 columns: ID, USER, LEVEL
    ids made by this server: 1, by another: 0, by ODP or without a server in them: 2
10.0.0.2:2881 (z2)  build 4.2.1  ok, 3 sessions
    SELECT * FROM oceanbase.V$OB_PROCESSLIST: 3 columns, the same
    ids made by this server: 1, by another: 0, by ODP or without a server in them: 2
10.0.0.3:2881 (z3)  build 4.2.1  ok, 3 sessions
    SELECT * FROM oceanbase.V$OB_PROCESSLIST: 3 columns, without LEVEL, also TOP_INFO
    ids made by this server: 1, by another: 0, by ODP or without a server in them: 2
10.0.0.4:2881 (z4)  build 4.2.1  NODE ERROR: it answered after 0.0 s in query: error 1142: SELECT command denied
__all_server names no address in 'nowhere:0'
4 servers, 1 failed
GV$OB_PROCESSLIST: there is no such view here
service account it's: it may read what it needs
";
    assert_eq!(report, expected);
}

#[test]
fn what_the_service_account_lacks_is_told_with_the_statement_that_grants_it() {
    let report = |lacks| {
        let blind = ExaminedList {
            needs_grant: Some("GRANT PROCESS ON *.* TO 'dba'".into()),
            ..list(&["Id"])
        };
        let examination = Examination {
            servers: vec![examined(1, Ok(blind))],
            unusable: Vec::new(),
            view: ClusterView::Missing,
            lacks,
        };
        report(&examination, "dba")
    };
    let lacking = Lacking {
        what: "it ends nobody",
        grant: "GRANT SUPER ON *.* TO 'dba'".into(),
    };
    let poor = report(Ok(vec![lacking]));
    for told in [
        "    it ends nobody: GRANT SUPER ON *.* TO 'dba'\n",
        "    others' sessions are NOT in its list; the service account needs: GRANT PROCESS ON *.* TO 'dba'\n",
    ] {
        assert!(poor.contains(told), "{poor}");
    }
    let failures = vec![("10.0.0.1:2881".to_owned(), "error 1142: denied".to_owned())];
    let blind = report(Err(TopologyError(failures)));
    assert!(
        blind.contains("it cannot read what accounts may do: "),
        "{blind}"
    );
}

#[test]
fn the_difference_from_the_clusters_own_list_is_told_as_far_as_it_goes() {
    let key = |id| SessionKey {
        ip: [10, 0, 0, 1].into(),
        rpc_port: 2882,
        id,
    };
    let lines = |difference| comparison(&ClusterView::Compared(difference));
    let same = Difference {
        in_both: 12,
        of_silent_servers: 4,
        ..Difference::default()
    };
    assert_eq!(
        lines(same),
        [
            "GV$OB_PROCESSLIST: it agrees with the servers' own lists (12 sessions)",
            "GV$OB_PROCESSLIST: 4 sessions are of servers that have not answered",
        ]
    );
    let differs = Difference {
        only_in_lists: (1..=7).map(key).collect(),
        only_in_view: vec![key(9)],
        ..Difference::default()
    };
    let told = lines(differs);
    assert!(
        told[0].contains("7 sessions stand only in their servers' own lists"),
        "{told:?}"
    );
    assert!(told[0].ends_with("\"10.0.0.1:2882\" 5, ..."), "{told:?}");
    assert!(
        told[1].ends_with("only in this view: \"10.0.0.1:2882\" 9"),
        "{told:?}"
    );
}
