//! opensrv-mysql's view of a node: from a command to bytes, by way of behaviour and answer.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlShim, Column, ColumnFlags, ColumnType, ErrorKind, InitWriter, OkResponse,
    ParamParser, QueryResultWriter, RowWriter, StatementMetaWriter,
};
use tokio::io::AsyncWriteExt;

use super::answers::{Answer, slept};
use super::behaviour::{ServerError, Stop};
use super::connection::Connection;
use super::outlet::Outlet;
use super::query::Table;
use super::reply::{Login, Replier, Reply, unless_interrupted};
use super::rows::Cell;
use super::state::NodeState;
use super::statement::Statement;

/// How a result's rows are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// A query's.
    Text,
    /// A prepared statement's.
    Binary,
}

pub(super) struct Shim {
    replier: Replier,
    outlet: Outlet,
    /// Those of the result that is being written: opensrv-mysql borrows them from here.
    columns: Vec<Column>,
    prepared: Vec<String>,
}

impl Shim {
    pub(super) fn new(state: Arc<NodeState>, connection: Arc<Connection>, outlet: Outlet) -> Self {
        Self {
            replier: Replier::new(state, connection),
            outlet,
            columns: Vec::new(),
            prepared: Vec::new(),
        }
    }

    /// Runs `text` and writes what comes of it.
    async fn run<'a>(
        &'a mut self,
        text: &str,
        protocol: Protocol,
        results: QueryResultWriter<'a, Outlet>,
    ) -> io::Result<()> {
        let connection = self.replier.connection.clone();
        let reply = self.replier.reply_to(text).await;
        let written = self.write(reply, protocol, results).await;
        connection.end();
        written
    }

    async fn write<'a>(
        &'a mut self,
        reply: Reply,
        protocol: Protocol,
        results: QueryResultWriter<'a, Outlet>,
    ) -> io::Result<()> {
        let (table, stop) = match reply {
            Reply::Rows(table, stop) => (table, stop),
            Reply::Ok => return results.completed(OkResponse::default()).await,
            Reply::Fail(error) => {
                self.outlet.replace_next(error);
                return results.error(ErrorKind::ER_UNKNOWN_ERROR, b"").await;
            }
            Reply::LastWords(error) => {
                self.outlet.replace_next(error);
                results.error(ErrorKind::ER_UNKNOWN_ERROR, b"").await?;
                self.outlet.flush().await?;
                return Err(closed());
            }
            Reply::Garbage(bytes) => {
                self.outlet.append(bytes);
                return Ok(());
            }
            Reply::Close => return Err(closed()),
        };
        self.columns = columns(&table);
        let mut rows = results.start(&self.columns).await?;
        let Some((after_rows, stop)) = stop else {
            match table.held {
                Some(held) if protocol == Protocol::Text => {
                    write_rows(&mut rows, table.rows).await?;
                    self.outlet.insert_packets(&held.packets()).await?;
                }
                _ => write_rows(&mut rows, table.all_rows()).await?,
            }
            return rows.finish().await;
        };
        let mut table = table.all_rows();
        write_rows(&mut rows, table.by_ref().take(after_rows)).await?;
        self.outlet.flush().await?;
        match stop {
            Stop::Close => return Err(closed()),
            Stop::Garble(garbage) => {
                self.outlet.append(garbage.bytes());
                return Ok(());
            }
            Stop::Hang => {}
        }
        let mut behaviour = self.replier.state.behaviour.subscribe();
        let thaw = async {
            let _ = behaviour
                .wait_for(|behaviour| !behaviour.hangs_mid_result())
                .await;
        };
        let Err(interruption) = unless_interrupted(&self.replier.connection, thaw).await else {
            write_rows(&mut rows, table).await?;
            return rows.finish().await;
        };
        match interruption.into() {
            Reply::Fail(error) => {
                self.outlet.replace_next(error);
                rows.finish_error(ErrorKind::ER_UNKNOWN_ERROR, &&b""[..])
                    .await
            }
            _ => Err(closed()),
        }
    }
}

async fn write_rows(
    writer: &mut RowWriter<'_, Outlet>,
    rows: impl Iterator<Item = Vec<Cell>>,
) -> io::Result<()> {
    for row in rows {
        for cell in row {
            match cell {
                Cell::Null => writer.write_col(None::<u64>)?,
                Cell::Number(number) => writer.write_col(number)?,
                Cell::Text(text) => writer.write_col(text)?,
            }
        }
        writer.end_row().await?;
    }
    Ok(())
}

fn columns(table: &Table) -> Vec<Column> {
    let column = |(name, is_number): (&String, bool)| Column {
        table: String::new(),
        column: name.clone(),
        coltype: match is_number {
            true => ColumnType::MYSQL_TYPE_LONGLONG,
            false => ColumnType::MYSQL_TYPE_VAR_STRING,
        },
        colflags: match is_number {
            true => ColumnFlags::UNSIGNED_FLAG,
            false => ColumnFlags::empty(),
        },
    };
    let specs = table.columns.iter();
    specs
        .map(|spec| column((&spec.name, spec.is_number)))
        .collect()
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the node ends the connection",
    )
}

#[async_trait]
impl AsyncMysqlShim<Outlet> for Shim {
    type Error = io::Error;

    fn version(&self) -> String {
        self.replier.state.build().version().to_owned()
    }

    fn connect_id(&self) -> u32 {
        self.replier.connection.id
    }

    async fn authenticate(
        &self,
        _plugin: &str,
        login: &[u8],
        _salt: &[u8],
        _response: &[u8],
    ) -> bool {
        match self.replier.log_in(&String::from_utf8_lossy(login)).await {
            Login::Welcome => true,
            Login::Denied(error) => {
                self.outlet.replace_next(error);
                false
            }
            Login::Abandoned => false,
        }
    }

    async fn on_init<'a>(
        &'a mut self,
        db: &'a str,
        reply: InitWriter<'a, Outlet>,
    ) -> io::Result<()> {
        self.replier.connection.use_db(db);
        reply.ok().await
    }

    async fn on_query<'a>(
        &'a mut self,
        text: &'a str,
        results: QueryResultWriter<'a, Outlet>,
    ) -> io::Result<()> {
        self.run(text, Protocol::Text, results).await
    }

    async fn on_prepare<'a>(
        &'a mut self,
        text: &'a str,
        reply: StatementMetaWriter<'a, Outlet>,
    ) -> io::Result<()> {
        if text.contains('?') {
            self.outlet
                .replace_next(ServerError::new(1295, "Parameters are not simulated"));
            return reply.error(ErrorKind::ER_UNKNOWN_ERROR, b"").await;
        }
        let statement = Statement::parse(text);
        self.columns = match self.replier.answer(&statement) {
            Answer::Rows(table) => columns(&table),
            Answer::Sleep(_) => columns(&slept(&statement)),
            _ => Vec::new(),
        };
        self.prepared.push(text.to_owned());
        reply
            .reply(self.prepared.len() as u32, &[], &self.columns)
            .await
    }

    async fn on_execute<'a>(
        &'a mut self,
        id: u32,
        _params: ParamParser<'a>,
        results: QueryResultWriter<'a, Outlet>,
    ) -> io::Result<()> {
        let text = self
            .prepared
            .get(id as usize - 1)
            .cloned()
            .unwrap_or_default();
        self.run(&text, Protocol::Binary, results).await
    }

    async fn on_close<'a>(&'a mut self, _statement: u32)
    where
        Outlet: 'async_trait,
    {
    }
}
