//! The proxy's own tables as an account may see them: its clients, and its last kills.
//!
//! What is one's own is always seen. Only where there is more are rights asked for: so that one's own is seen
//! also when no server answers.

use std::collections::HashMap;

use super::Cluster;
use super::evaluated::{SmallTable, TableName};
use super::merge::hidden_note;
use super::server_list::RIGHTS;
use crate::audit::{Audit, KillLog};
use crate::clients::{self, Clients};
use crate::deadline::Deadline;
use crate::statement::diagnostics::Message;
use crate::table::{Column, Rows};

impl Cluster {
    /// Whether the table of this name, in lower case, tells of this proxy and not of the servers.
    pub fn is_table_of_proxy(table: &str) -> bool {
        let own = [TableName::Clients, TableName::KillLog];
        own.iter().any(|own| own.name() == table)
    }

    /// The clients that are connected through this proxy.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The records of kills.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The columns of [`Cluster::client_table`].
    pub fn client_table_columns() -> Vec<Column> {
        clients::columns()
    }

    /// This proxy's clients that the account `user` may see, and what is to be said of the others.
    pub async fn client_table(&self, user: &str, deadline: Deadline) -> (Rows, Vec<Message>) {
        let snapshot = self.snapshot();
        let servers = snapshot.iter().flat_map(|snapshot| &snapshot.servers);
        let zones: HashMap<_, _> = servers.map(|server| (server.addr, &server.zone)).collect();
        let fill = |is_shown: &dyn Fn(&str) -> bool| {
            let zone = |addr| zones.get(&addr).and_then(|zone| zone.as_deref());
            clients::rows(&self.clients, is_shown, zone)
        };
        self.as_seen_by(user, "clients", fill, deadline).await
    }

    /// The same as a whole table.
    pub async fn show_clients(&self, user: &str, deadline: Deadline) -> SmallTable {
        let (rows, messages) = self.client_table(user, deadline).await;
        SmallTable {
            name: TableName::Clients.name(),
            columns: Self::client_table_columns(),
            rows,
            messages,
        }
    }

    /// The columns of [`Cluster::kill_table`].
    pub fn kill_table_columns() -> Vec<Column> {
        KillLog::columns()
    }

    /// The last kills that the account `user` may see, and what is to be said of the others.
    pub async fn kill_table(&self, user: &str, deadline: Deadline) -> (Rows, Vec<Message>) {
        let fill = |is_shown: &dyn Fn(&str) -> bool| self.audit.kill_log().rows(is_shown);
        self.as_seen_by(user, "kills", fill, deadline).await
    }

    /// How many servers the cluster has, and how many of them are in trouble; none where nobody has told yet.
    pub fn servers_and_failed(&self) -> Option<(usize, usize)> {
        let snapshot = self.snapshot()?;
        let servers = snapshot.servers.iter();
        let failed = servers.filter(|server| self.health.is_in_trouble(server.addr));
        Some((snapshot.servers.len(), failed.count()))
    }

    /// What `fill` gives of the accounts that `user` may see; it says, too, whether there is more.
    async fn as_seen_by(
        &self,
        user: &str,
        what: &str,
        fill: impl Fn(&dyn Fn(&str) -> bool) -> (Rows, bool),
        deadline: Deadline,
    ) -> (Rows, Vec<Message>) {
        let (own, is_more) = fill(&|owner| owner == user);
        if !is_more {
            return (own, Vec::new());
        }
        match self.rights(user, deadline).await {
            Ok(rights) if rights.see_others => (fill(&|_| true).0, Vec::new()),
            Ok(_) => (own, vec![hidden_note(what)]),
            Err(error) => {
                let text = format!("{what} of other users are not shown: {error}");
                (own, vec![Message::incomplete(RIGHTS, text)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::*;
    use crate::audit::AuditSettings;
    use crate::clients::{Registration, Tls};
    use crate::cluster::{RightsPolicy, Settings};

    /// A cluster that cannot be asked for rights, and clients of two users.
    async fn stage(rights: RightsPolicy) -> (Arc<Cluster>, [Registration; 2]) {
        let clients = Arc::<Clients>::default();
        let audit = Audit::start(&AuditSettings::default()).await.unwrap();
        let settings = Settings {
            rights,
            ..Settings::of_seeds(&[])
        };
        let cluster = Cluster::new(settings, Arc::clone(&clients), audit);
        let server: SocketAddr = "10.0.0.1:2881".parse().unwrap();
        let entered = [(1, "dba"), (2, "boss")].map(|(id, user)| {
            let address = "10.1.1.1:5".parse().unwrap();
            clients.register((server, id), address, user, Tls::default())
        });
        (cluster, entered)
    }

    #[tokio::test]
    async fn who_may_see_others_sees_all_clients() {
        let (cluster, _clients) = stage(RightsPolicy::Server).await;
        let deadline = cluster.statement_deadline();
        let (rows, messages) = cluster.client_table("dba", deadline).await;
        assert_eq!((rows.len(), messages), (2, Vec::new()));
    }

    #[tokio::test]
    async fn ones_own_clients_are_seen_when_no_server_tells_the_rights_and_that_others_are_not_is_said()
     {
        let (cluster, [own, others]) = stage(RightsPolicy::Account).await;
        let deadline = cluster.statement_deadline();
        let (rows, messages) = cluster.client_table("dba", deadline).await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows.first().text(2), Some(&b"dba"[..]));
        let [message] = &messages[..] else {
            panic!("{messages:?}");
        };
        let begin = "clients of other users are not shown: ";
        assert_eq!(
            (message.code, message.text.starts_with(begin)),
            (RIGHTS, true)
        );
        drop(others);
        let (rows, messages) = cluster.client_table("dba", deadline).await;
        assert_eq!((rows.len(), messages), (1, Vec::new()), "nobody is asked");
        drop(own);
    }
}
