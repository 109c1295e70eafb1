//! Which right the service account lacks, as a statement to paste.
//!
//! Servers say what they have denied, each in its own words, and never what would help. One MySQL does
//! not even deny: without PROCESS its process list has the asker's own sessions, and says nothing of others.

use super::failure::{FailureKind, NodeFailure};
use super::rows::Answer;

/// What the service account had asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Which servers there are: `oceanbase.__all_server`.
    Servers,
    /// A server's sessions.
    Sessions,
    /// What accounts may do: `mysql.user`, `mysql.db`.
    Accounts,
    /// The end of another account's session.
    Kill,
}

/// "… command denied": for a table, a column, a database, or at all; "you need … privilege".
const DENIED: [u16; 5] = [
    1142,
    1143,
    1044,
    ER_ACCESS_DENIED,
    ER_SPECIFIC_ACCESS_DENIED,
];
const ER_ACCESS_DENIED: u16 = 1045;
const ER_SPECIFIC_ACCESS_DENIED: u16 = 1227;
/// "You are not owner of thread".
const ER_KILL_DENIED: u16 = 1095;

/// The statement that gives `account` the right for want of which a server has answered with `code`.
pub(super) fn missing_grant(asked: Asked, code: u16, account: &str) -> Option<String> {
    let right = match (asked, code) {
        (Asked::Kill, ER_KILL_DENIED) => "SUPER ON *.*",
        (_, code) if !DENIED.contains(&code) => return None,
        (Asked::Kill, _) => "SUPER ON *.*",
        (Asked::Sessions, ER_SPECIFIC_ACCESS_DENIED) => "PROCESS ON *.*",
        (Asked::Servers | Asked::Sessions, _) => "SELECT ON oceanbase.*",
        (Asked::Accounts, _) => "SELECT ON mysql.*",
    };
    Some(grant(right, account))
}

/// The statement that lets `account` see others' sessions in a process list.
pub(super) fn grant_process(account: &str) -> String {
    grant("PROCESS ON *.*", account)
}

fn grant(right: &str, account: &str) -> String {
    let quoted = account.replace('\\', "\\\\").replace('\'', "''");
    format!("GRANT {right} TO '{quoted}'")
}

/// Whether SHOW GRANTS tells of the right to see others' sessions.
pub(super) fn shows_process(grants: &Answer) -> bool {
    let mut lines = grants.rows.iter().filter_map(|row| row.text(0));
    lines.any(|line| {
        let line = String::from_utf8_lossy(line);
        let rights = line
            .strip_prefix("GRANT ")
            .and_then(|rest| Some(rest.split_once(" ON *.* TO ")?.0));
        rights.is_some_and(|rights| {
            let mut rights = rights.split(',').map(str::trim);
            rights.any(|right| matches!(right, "PROCESS" | "ALL" | "ALL PRIVILEGES"))
        })
    })
}

impl NodeFailure {
    /// The same failure; if a right is missing, it says which.
    pub(super) fn naming_grant(mut self, asked: Asked, account: &str) -> Self {
        let denied = self
            .server_code
            .filter(|_| self.kind == FailureKind::NodeError);
        if let Some(grant) = denied.and_then(|code| missing_grant(asked, code, account)) {
            self.detail
                .push_str(&format!("; the service account needs: {grant}"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_names_the_grant_that_ends_it() {
        for (asked, code, grant) in [
            (
                Asked::Servers,
                1142,
                "GRANT SELECT ON oceanbase.* TO 'warden'",
            ),
            (
                Asked::Servers,
                1143,
                "GRANT SELECT ON oceanbase.* TO 'warden'",
            ),
            (
                Asked::Servers,
                1044,
                "GRANT SELECT ON oceanbase.* TO 'warden'",
            ),
            (
                Asked::Sessions,
                1142,
                "GRANT SELECT ON oceanbase.* TO 'warden'",
            ),
            (Asked::Sessions, 1227, "GRANT PROCESS ON *.* TO 'warden'"),
            (Asked::Accounts, 1142, "GRANT SELECT ON mysql.* TO 'warden'"),
            (Asked::Accounts, 1044, "GRANT SELECT ON mysql.* TO 'warden'"),
            (Asked::Accounts, 1045, "GRANT SELECT ON mysql.* TO 'warden'"),
            (Asked::Kill, 1095, "GRANT SUPER ON *.* TO 'warden'"),
            (Asked::Kill, 1227, "GRANT SUPER ON *.* TO 'warden'"),
            (Asked::Kill, 1045, "GRANT SUPER ON *.* TO 'warden'"),
        ] {
            let named = missing_grant(asked, code, "warden");
            assert_eq!(named.as_deref(), Some(grant), "{asked:?} {code}");
        }
    }

    #[test]
    fn what_no_grant_would_end_names_none() {
        for (asked, code) in [
            (Asked::Servers, 1146),
            (Asked::Sessions, 4012),
            (Asked::Sessions, 1095),
            (Asked::Accounts, 1054),
            (Asked::Kill, 1094),
            (Asked::Kill, 4401),
        ] {
            assert_eq!(
                missing_grant(asked, code, "warden"),
                None,
                "{asked:?} {code}"
            );
        }
    }

    #[test]
    fn the_account_is_named_as_a_statement_must_name_it() {
        for (account, quoted) in [("it's", "'it''s'"), ("a\\b c\"ü", "'a\\\\b c\"ü'")] {
            assert_eq!(
                grant_process(account),
                format!("GRANT PROCESS ON *.* TO {quoted}")
            );
        }
    }

    #[test]
    fn the_right_to_see_others_is_found_in_any_servers_grants() {
        let shows = |line: &str| shows_process(&Answer::of(&["Grants"], &[&[Some(line)]]));
        for line in [
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION",
            "GRANT SELECT, PROCESS, SUPER ON *.* TO 'warden'@'%' IDENTIFIED BY PASSWORD '*1A'",
            "GRANT PROCESS ON *.* TO `warden`@`%`",
        ] {
            assert!(shows(line), "{line}");
        }
        for line in [
            "GRANT USAGE ON *.* TO `warden`@`%`",
            "GRANT ALL PRIVILEGES ON `shop`.* TO `warden`@`%`",
            "GRANT SELECT ON *.* TO `PROCESS`@`%`",
            "GRANT `PROCESS` TO `warden`@`%`",
            "",
        ] {
            assert!(!shows(line), "{line}");
        }
    }
}
