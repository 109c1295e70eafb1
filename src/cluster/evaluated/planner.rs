//! What a plan is made of: what picks the rows of a list, or a SELECT.

use sqlparser::ast::Query;

use super::catalog::{Catalog, TableName};
use crate::cluster::session_columns::{SessionColumn, facts_of_victims, listed};
use crate::sql::{self, Context, Names, Pick, Plan, Shown};
use crate::statement::SessionsForm;
use crate::wire::answer::SqlError;

/// What a plan is made of.
#[derive(Debug, Clone)]
pub(in crate::cluster) enum Planner {
    /// Rows of the table of sessions.
    Pick {
        /// Which of its columns.
        form: SessionsForm,
        /// Which of its rows.
        pick: Pick,
    },
    /// Rows of the table of sessions, with what a KILL must know of them behind what a list shows.
    Victims(Pick),
    /// A SELECT.
    Query(Box<Query>),
}

impl Planner {
    /// The names in it, before it is known what they mean.
    pub(super) fn names(&self) -> Names {
        match self {
            Self::Pick { pick, .. } | Self::Victims(pick) => {
                let by = pick.order_by.iter().map(|by| &by.expr);
                let mut names = sql::names_of(pick.filter.iter().chain(by));
                names
                    .tables
                    .insert(TableName::ServerSessions.name().to_owned());
                names
            }
            Self::Query(query) => sql::names(query),
        }
    }

    /// Whether it needs all columns of sessions that there are.
    pub(super) fn wants_all_columns(&self, names: &Names) -> bool {
        let full = matches!(self, Self::Pick { form, .. } if *form == SessionsForm::Full);
        full || names.all_columns
    }

    /// Whether its result depends on which columns servers report.
    pub(super) fn takes_what_is_reported(&self, names: &Names) -> bool {
        self.wants_all_columns(names) || matches!(self, Self::Victims(_))
    }

    /// What must be asked for though nobody names it, and though it may not be known yet that servers report it.
    pub(super) fn facts(&self) -> Vec<SessionColumn> {
        match self {
            Self::Victims(_) => facts_of_victims().into(),
            Self::Pick { .. } | Self::Query(_) => Vec::new(),
        }
    }

    /// The plan for these tables.
    ///
    /// # Errors
    /// As the client is to read them.
    pub(super) fn plan(&self, catalog: &Catalog, context: &Context) -> Result<Plan, SqlError> {
        match self {
            Self::Pick { pick, .. } | Self::Victims(pick) => {
                let columns = self.columns(catalog);
                let output = columns.iter().filter_map(|source| {
                    let at = catalog.position(source)?;
                    Some((at, source.column()))
                });
                let output: Vec<_> = output.collect();
                let order = [SessionColumn::ServerRank, SessionColumn::Id];
                let then_by: Vec<_> = order
                    .iter()
                    .filter_map(|source| catalog.position(source))
                    .collect();
                sql::plan_pick(pick, catalog.session_table(), &output, &then_by, context)
            }
            Self::Query(query) => sql::plan_query(query, &catalog.tables, context),
        }
    }

    /// The columns that a list shows; none where it is a SELECT, which names its own.
    pub(super) fn columns(&self, catalog: &Catalog) -> Vec<SessionColumn> {
        match self {
            Self::Pick {
                form: SessionsForm::Full,
                ..
            } => {
                let columns = catalog.session_table().columns.iter();
                columns
                    .zip(&catalog.sessions)
                    .filter(|(column, _)| column.shown == Shown::Yes)
                    .map(|(_, source)| source.clone())
                    .collect()
            }
            Self::Pick { .. } => listed(false, &[]),
            Self::Victims(_) => {
                let columns = listed(false, &[]).into_iter().chain(self.facts());
                let known = columns.filter(|source| catalog.position(source).is_some());
                known.collect()
            }
            Self::Query(_) => Vec::new(),
        }
    }
}
