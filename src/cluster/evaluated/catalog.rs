//! The proxy's own tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::cluster::session_columns::{self, SessionColumn};
use crate::cluster::sessions::SessionsHeader;
use crate::sql::{Shown, Table, TableColumn};
use crate::table::Column;

/// A table; as a number it is its position among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum TableName {
    ServerSessions,
    Servers,
    Clients,
    KillLog,
}

impl TableName {
    /// As statements name it.
    pub(in crate::cluster) fn name(self) -> &'static str {
        match self {
            Self::ServerSessions => "server_sessions",
            Self::Servers => "servers",
            Self::Clients => "clients",
            Self::KillLog => "kill_log",
        }
    }
}

/// All tables, as far as it is known which columns servers report.
#[derive(Debug)]
pub(in crate::cluster) struct Catalog {
    /// In the order of [`TableName`].
    pub(super) tables: Vec<Table>,
    /// What the columns of the table of sessions are made of.
    pub(super) sessions: Vec<SessionColumn>,
}

impl Catalog {
    /// With all columns of `headers`.
    pub(in crate::cluster) fn new(headers: &[Arc<SessionsHeader>]) -> Self {
        let (sessions_table, sessions) = session_columns::table(headers);
        let tables = vec![
            sessions_table,
            table(TableName::Servers, Cluster::server_list_columns()),
            table(TableName::Clients, Cluster::client_table_columns()),
            table(TableName::KillLog, Cluster::kill_table_columns()),
        ];
        Self { tables, sessions }
    }

    /// The table of sessions.
    pub(in crate::cluster) fn session_table(&self) -> &Table {
        &self.tables[TableName::ServerSessions as usize]
    }

    /// Where a column of sessions stands in their table.
    pub(in crate::cluster) fn position(&self, source: &SessionColumn) -> Option<usize> {
        let is_alias = |at: usize| {
            let column = self.session_table().columns.get(at);
            column.is_some_and(|column| matches!(column.shown, Shown::AliasOf(_)))
        };
        let mut sources = self.sessions.iter().enumerate();
        let found = sources.find(|(at, column)| *column == source && !is_alias(*at));
        found.map(|(at, _)| at)
    }

    /// The columns of sessions that have these names, in lower case.
    pub(super) fn sessions_named<'a>(
        &'a self,
        names: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a SessionColumn> {
        let columns = self.session_table().columns.iter().zip(&self.sessions);
        columns
            .filter(|(column, _)| names.contains(&column.name))
            .map(|(_, source)| source)
    }
}

fn table(name: TableName, columns: Vec<Column>) -> Table {
    Table {
        name: name.name(),
        columns: columns.into_iter().map(TableColumn::of).collect(),
    }
}
