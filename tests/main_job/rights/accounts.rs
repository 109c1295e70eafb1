//! Accounts that are hard to tell apart, or hard to write.

use super::{PASSWORD, kill_code, log_on, newcomer, session_of, sessions_are_hidden};
use crate::support::real::{Stage, find, list, lives, on_both};

on_both!(
    of_two_accounts_of_one_name_the_weakest_counts,
    names_of_any_characters_have_their_own_rights_and_sessions,
    a_name_that_begins_like_another_is_another,
);

async fn of_two_accounts_of_one_name_the_weakest_counts(stage: &Stage) {
    let strong = "'twin'@'127.0.0.1'";
    let sql = format!(
        "DROP USER IF EXISTS {strong}; CREATE USER {strong} IDENTIFIED BY '{PASSWORD}'; \
         GRANT PROCESS, SUPER ON *.* TO {strong}"
    );
    stage.cluster.execute(&sql).await.unwrap();
    let mut twin = log_on(&stage.warden, "twin").await;
    let mut others = [stage.session_on(1).await, stage.session_on(1).await];
    list(&mut twin, "SHOW SERVER SESSIONS").await;
    assert!(!sessions_are_hidden(&mut twin).await);
    let [first, second] = &mut others;
    assert_eq!(kill_code(&mut twin, stage.cluster, 1, first.id()).await, 0);

    // The other twin never comes from here, but obwarden does not know who comes from where.
    let weak = "'twin'@'10.9.9.9'";
    let sql = format!("CREATE USER {weak} IDENTIFIED BY 'x'; GRANT SUPER ON *.* TO {weak}");
    stage.cluster.execute(&sql).await.unwrap();
    let rows = list(&mut twin, "SHOW SERVER SESSIONS").await;
    assert!(rows.iter().all(|row| row.user == "twin"), "{rows:#?}");
    assert!(sessions_are_hidden(&mut twin).await);
    let code = kill_code(&mut twin, stage.cluster, 1, second.id()).await;
    assert_eq!(code, 1094);
    assert!(lives(second).await);
    let drop_both = format!("DROP USER {strong}, {weak}");
    stage.cluster.execute(&drop_both).await.unwrap();
}

async fn names_of_any_characters_have_their_own_rights_and_sessions(stage: &Stage) {
    for name in [
        "o'clock",
        "say \"hi\"",
        "two words",
        "back\\slash",
        "per%cent_",
        "back`tick",
        "na\u{ef}ve \u{7528}\u{6237}",
        "x' OR '1'='1",
        "semi;colon -- /*",
    ] {
        let mut plain = newcomer(stage, name, &[]).await;
        let mut own = session_of(stage.cluster, 1, name).await;
        let mut others = stage.session_on(1).await;
        let rows = list(&mut plain, "SHOW SERVER SESSIONS").await;
        assert!(rows.iter().all(|row| row.user == name), "{name}: {rows:#?}");
        assert!(
            find(&rows, stage.cluster.node(1), own.id()).is_some(),
            "{name}"
        );
        assert!(sessions_are_hidden(&mut plain).await, "{name}");
        let code = kill_code(&mut plain, stage.cluster, 1, others.id()).await;
        assert_eq!(code, 1094, "{name}");
        assert_eq!(
            kill_code(&mut plain, stage.cluster, 1, own.id()).await,
            0,
            "{name}"
        );
        assert!(!lives(&mut own).await, "{name}");
        assert!(lives(&mut others).await, "{name}");

        let mut boss = newcomer(stage, name, &["PROCESS, SUPER ON *.*"]).await;
        list(&mut boss, "SHOW SERVER SESSIONS").await;
        assert!(!sessions_are_hidden(&mut boss).await, "{name}");
        assert_eq!(
            kill_code(&mut boss, stage.cluster, 1, others.id()).await,
            0,
            "{name}"
        );
        assert!(!lives(&mut others).await, "{name}");
    }
}

async fn a_name_that_begins_like_another_is_another(stage: &Stage) {
    super::create(stage.cluster, "Case", &["PROCESS ON *.*"]).await;
    for name in ["case", "Cas", "Case2", "CASE"] {
        let mut other = newcomer(stage, name, &[]).await;
        let own = session_of(stage.cluster, 1, "Case").await;
        let rows = list(&mut other, "SHOW SERVER SESSIONS").await;
        assert_eq!(find(&rows, stage.cluster.node(1), own.id()), None, "{name}");
        assert!(sessions_are_hidden(&mut other).await, "{name}");
        let code = kill_code(&mut other, stage.cluster, 1, own.id()).await;
        assert_eq!(code, 1094, "{name}");
    }
}
