//! What an account may see and end.
//!
//! Read afresh at each virtual statement through the service account, on any live server: never over the
//! client's own backend, which may be the one that hangs. The account's host part is not known, so of
//! several accounts that a login by that name may have been the weakest counts. Anonymous accounts are
//! among them: where there is one, a server may have let in anybody by any name.

use super::Cluster;
use super::ask_any::ask_any;
use super::grants::Asked;
use super::rows::Answer;
use super::topology::TopologyError;
use crate::deadline::Deadline;

/// Whose rights count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RightsPolicy {
    /// PROCESS, SUPER and SELECT on `oceanbase.*`, as MySQL's documentation gives them a meaning.
    #[default]
    Account,
    /// As OceanBase's own KILL: any account of the sys tenant sees and ends all.
    Server,
}

/// What an account may do with others' sessions. With its own it may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// See them.
    pub see_others: bool,
    /// End them.
    pub kill_others: bool,
}

impl Rights {
    const ALL: Self = Self {
        see_others: true,
        kill_others: true,
    };
}

impl Cluster {
    /// The rights that the account `user` has now.
    ///
    /// # Errors
    /// When no server could tell: nothing may be shown then.
    pub(super) async fn rights(
        &self,
        user: &str,
        deadline: Deadline,
    ) -> Result<Rights, TopologyError> {
        if self.settings.rights == RightsPolicy::Server {
            return Ok(Rights::ALL);
        }
        let rows = self.ask_accounts(&rights_sql(user, "0"), deadline).await?;
        Ok(weakest(&rows))
    }

    /// The same for an account that means to kill: what SUPER would give, a right to end connections may
    /// give, too, where servers have one.
    ///
    /// # Errors
    /// When no server could tell: nothing may be killed then.
    pub(super) async fn rights_to_kill(
        &self,
        user: &str,
        deadline: Deadline,
    ) -> Result<Rights, TopologyError> {
        let rights = self.rights(user, deadline).await?;
        if rights.kill_others {
            return Ok(rights);
        }
        let sql = rights_sql(user, CONNECTION_ADMIN);
        // A server that cannot tell does not have it.
        let rows = self.ask_accounts(&sql, deadline).await;
        Ok(rows.map_or(rights, |rows| weakest(&rows)))
    }

    async fn ask_accounts(&self, sql: &str, deadline: Deadline) -> Result<Answer, TopologyError> {
        let nodes = self.nodes_to_ask().await;
        let told = ask_any(nodes, sql, deadline).await;
        let account = self.settings.account();
        let (_, rows) = told.map_err(|failures| {
            let failures = failures.into_iter().map(|(addr, failure)| {
                let failure = failure.naming_grant(Asked::Accounts, account);
                (addr.to_string(), failure.describe())
            });
            TopologyError(failures.collect())
        })?;
        Ok(rows)
    }
}

/// How often an account `u` has the right to end others' connections: MariaDB's name for it, and MySQL's.
const CONNECTION_ADMIN: &str = "(SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES p \
     WHERE p.privilege_type IN ('CONNECTION ADMIN', 'CONNECTION_ADMIN') \
     AND p.grantee = CONCAT('''', u.user, '''@''', u.host, ''''))";

/// One row for each account that a login by that name may be: may it read processes, kill, read the views
/// by a right on all databases, how many rights on `oceanbase.*` alone and to end connections it has.
///
/// The name goes as hexadecimal digits, so that no name can end the literal, and is compared as bytes.
fn rights_sql(user: &str, connection_admin: &str) -> String {
    let hex: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
    let names = if hex.is_empty() {
        "''".to_owned()
    } else {
        format!("X'{hex}', ''")
    };
    format!(
        "SELECT u.process_priv AS process_priv, u.super_priv AS super_priv, u.select_priv AS select_priv, \
         (SELECT COUNT(*) FROM mysql.db d WHERE d.user = u.user AND d.host = u.host \
          AND 'oceanbase' LIKE d.db AND d.select_priv = 'Y') AS select_views, {connection_admin} AS connection_admin \
         FROM mysql.user u WHERE u.user IN ({names})"
    )
}

/// What the weakest of the accounts may do; nothing where there is none.
fn weakest(accounts: &Answer) -> Rights {
    if accounts.rows.is_empty() {
        return Rights::default();
    }
    accounts.rows.iter().fold(Rights::ALL, |rights, row| {
        let value = |name: &str| accounts.column(name).and_then(|at| row.text(at));
        let granted =
            |name: &str| value(name).is_some_and(|v| v.eq_ignore_ascii_case(b"Y") || v == b"1");
        let counted = |name: &str| value(name).is_some_and(|count| count != b"0");
        let sees = granted("process_priv") || granted("select_priv") || counted("select_views");
        let kills = granted("super_priv") || counted("connection_admin");
        Rights {
            see_others: rights.see_others && sees,
            kill_others: rights.kill_others && kills,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(rows: &[[&str; 5]]) -> Answer {
        let columns = [
            "PROCESS_PRIV",
            "super_priv",
            "select_priv",
            "select_views",
            "connection_admin",
        ];
        let rows: Vec<_> = rows.iter().map(|row| row.map(Some)).collect();
        let rows: Vec<_> = rows.iter().map(|row| &row[..]).collect();
        Answer::of(&columns, &rows)
    }

    #[test]
    fn each_right_gives_what_it_says_and_no_more() {
        for (row, see_others, kill_others) in [
            (["Y", "Y", "Y", "1", "1"], true, true),
            (["Y", "N", "N", "0", "0"], true, false),
            (["N", "Y", "N", "0", "0"], false, true),
            (["N", "N", "Y", "0", "0"], true, false),
            (["N", "N", "N", "1", "0"], true, false),
            (["N", "N", "N", "0", "1"], false, true),
            (["N", "N", "N", "0", "0"], false, false),
        ] {
            assert_eq!(
                weakest(&accounts(&[row])),
                Rights {
                    see_others,
                    kill_others
                },
                "{row:?}"
            );
        }
    }

    #[test]
    fn of_two_accounts_of_one_name_the_weakest_counts() {
        let rights = weakest(&accounts(&[
            ["Y", "Y", "Y", "0", "0"],
            ["Y", "N", "N", "0", "0"],
        ]));
        assert_eq!(
            rights,
            Rights {
                see_others: true,
                kill_others: false
            }
        );
    }

    #[test]
    fn an_unknown_account_may_do_nothing_with_others_sessions() {
        assert_eq!(weakest(&accounts(&[])), Rights::default());
    }

    #[test]
    fn no_name_can_leave_its_literal() {
        let sql = |user| rights_sql(user, "0");
        assert!(sql("a' OR '1'='1").ends_with("u.user IN (X'6127204f52202731273d2731', '')"));
        assert!(sql("").ends_with("u.user IN ('')"));
    }
}
