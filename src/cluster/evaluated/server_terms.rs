//! What a statement demands of servers: those that cannot have a row of its result are not asked.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::Expr;

use super::catalog::TableName;
use crate::cluster::servers::Server;
use crate::sql::{
    Context, Database, Limits, Pick, Shown, Table, TableColumn, plan_pick, server_terms,
    server_terms_of,
};
use crate::table::{Column, Kind, Value};
use crate::wire::answer::SqlError;

use super::planner::Planner;

/// The columns of the table of sessions that tell of the server alone.
const COLUMNS: [&str; 5] = ["ip", "port", "zone", "svr_ip", "sql_port"];

/// What the server of a session must meet.
#[derive(Debug)]
pub(in crate::cluster) struct ServerTerms {
    filter: Expr,
    context: Context,
    limits: Limits,
}

impl ServerTerms {
    /// What a statement demands of servers, if it demands anything.
    pub(in crate::cluster) fn of(
        planner: &Planner,
        context: &Context,
        limits: Limits,
    ) -> Option<Self> {
        let table = TableName::ServerSessions.name();
        let filter = match planner {
            Planner::Pick { pick, .. } => server_terms_of(pick.filter.as_ref()?, table, &COLUMNS)?,
            // A client session of ODP stands on several servers, and ends on all.
            Planner::Victims(_) => return None,
            Planner::Query(query) => server_terms(query, table, &COLUMNS)?,
        };
        Some(Self {
            filter,
            context: context.clone(),
            limits,
        })
    }

    /// Those of `servers` that meet it; all of them where that cannot be computed: then the statement itself
    /// says why.
    pub(in crate::cluster) fn met_by<'s>(&self, servers: Vec<&'s Server>) -> Vec<&'s Server> {
        let Ok(numbers) = self.numbers(&servers) else {
            return servers;
        };
        let met = servers.iter().enumerate();
        let met = met.filter(|(number, _)| numbers.contains(&(*number as u64)));
        met.map(|(_, server)| *server).collect()
    }

    fn numbers(&self, servers: &[&Server]) -> Result<BTreeSet<u64>, SqlError> {
        let table = table();
        let number = (table.columns.len() - 1, Column::number(NUMBER));
        let pick = Pick {
            filter: Some(self.filter.clone()),
            ..Pick::default()
        };
        let plan = plan_pick(&pick, &table, &[number], &[], &self.context)?;
        let needed = plan.tables.first().map(|planned| planned.columns.clone());
        let needed = needed.unwrap_or_default();
        let mut database = Database::open(&plan, self.limits)?;
        for (number, server) in servers.iter().enumerate() {
            let ip = server.addr.ip().to_string();
            let row = [
                Value::from(&*ip),
                Value::Number(server.addr.port().into()),
                Value::text_or_null(server.zone.as_deref()),
                Value::Null,
                Value::Null,
                Value::Number(number as u64),
            ];
            let values: Vec<_> = needed.iter().map(|at| row[*at]).collect();
            database.insert(0, &values)?;
        }
        let mut met = BTreeSet::new();
        database.run(usize::MAX, |rows| {
            met.extend(rows.iter().filter_map(|row| match row.value(0) {
                Value::Number(number) => Some(number),
                _ => None,
            }));
            ControlFlow::Continue(())
        })?;
        Ok(met)
    }
}

/// The name of the last column: none that a statement names by accident.
const NUMBER: &str = "#number";

/// Servers, as the table of sessions calls what it has of them.
fn table() -> Table {
    let kinds = [
        Kind::Text,
        Kind::Number,
        Kind::Text,
        Kind::Text,
        Kind::Number,
    ];
    let shown = [
        Shown::Yes,
        Shown::Yes,
        Shown::Yes,
        Shown::AliasOf(0),
        Shown::AliasOf(1),
    ];
    let columns = COLUMNS.iter().zip(kinds).zip(shown);
    let columns = columns.map(|((name, kind), shown)| TableColumn {
        name: (*name).to_owned(),
        kind,
        shown,
    });
    let number = TableColumn::of(Column::number(NUMBER));
    Table {
        name: TableName::ServerSessions.name(),
        columns: columns.chain([number]).collect(),
    }
}
