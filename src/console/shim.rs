//! The door to opensrv-mysql: its callbacks, its columns, its rows.

use std::io;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, Column as OpensrvColumn, ColumnFlags, ColumnType,
    ErrorKind, InitWriter, OkResponse, ParamParser, QueryResultWriter, RowWriter,
    StatementMetaWriter,
};
use tokio::io::{AsyncReadExt, AsyncWrite, BufWriter, DuplexStream};

use super::answer::{self, Answer, broken_off, interrupted};
use super::{Command, Outcome, OutcomeCell, Request, schema};
use crate::cluster::{Cluster, ListPart, ListParts};
use crate::statement::diagnostics::{Level, Message};
use crate::table::{Column, Kind, Rows, Value};
use crate::wire::OnePacketReader;
use crate::wire::answer::SqlError;

/// How much of a reply is passed on at once, in bytes.
const WRITTEN_AT_ONCE_BYTES: usize = 16 * 1024;

/// Answers the one statement of a console.
pub(super) struct Shim {
    request: Request,
    cluster: Arc<Cluster>,
    outcome: OutcomeCell,
}

impl Shim {
    pub(super) fn new(request: Request, cluster: Arc<Cluster>, outcome: OutcomeCell) -> Self {
        Self {
            request,
            cluster,
            outcome,
        }
    }

    /// Runs opensrv over `input`, what the session has sent, until the session has its reply or leaves.
    pub(super) async fn serve(self, input: Vec<u8>, stream: DuplexStream) {
        let (rest, writer) = tokio::io::split(stream);
        // opensrv writes packet by packet, and flushes at a reply's end.
        let writer = BufWriter::with_capacity(WRITTEN_AT_ONCE_BYTES, writer);
        let reader = OnePacketReader::new(io::Cursor::new(input).chain(rest));
        if let Err(error) = AsyncMysqlIntermediary::run_on(self, reader, writer).await {
            // The session sees a reply that breaks off; that it has left is no error.
            tracing::debug!(%error, "a console has ended");
        }
    }

    /// Leaves the outcome where the session finds it, before the last packet is written.
    fn settle(&self, result: Result<(), SqlError>, messages: Option<Vec<Message>>) {
        let messages = match &result {
            Ok(()) => messages,
            Err(SqlError { code, text, .. }) => Some(vec![Message {
                level: Level::Error,
                code: *code,
                text: text.clone(),
            }]),
        };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Outcome { result, messages });
    }

    async fn run<W: AsyncWrite + Send + Unpin>(
        &self,
        text: &str,
        results: QueryResultWriter<'_, W>,
    ) -> io::Result<()> {
        match answer::answer(text, &self.request, &self.cluster).await {
            Ok(Answer::Done { messages }) => {
                self.settle(Ok(()), Some(messages));
                results.completed(OkResponse::default()).await
            }
            Ok(Answer::List(parts)) => self.run_list(parts, results).await,
            Ok(Answer::Diagnostics { columns, rows }) => {
                let columns = opensrv_columns(&columns);
                let mut writer = results.start(&columns).await?;
                write_rows(&mut writer, &rows).await?;
                self.settle(Ok(()), None);
                writer.finish().await
            }
            Err(error) => {
                self.settle(Err(error), None);
                results
                    .error(ErrorKind::ER_UNKNOWN_ERROR, PLACEHOLDER)
                    .await
            }
        }
    }
}

impl Shim {
    /// Passes a list on, part by part.
    async fn run_list<W: AsyncWrite + Send + Unpin>(
        &self,
        mut parts: ListParts,
        results: QueryResultWriter<'_, W>,
    ) -> io::Result<()> {
        let columns = match self.next_part(&mut parts).await {
            Ok(ListPart::Columns(columns)) => opensrv_columns(&columns),
            other => {
                self.settle(Err(other.err().unwrap_or_else(broken_off)), None);
                return results
                    .error(ErrorKind::ER_UNKNOWN_ERROR, PLACEHOLDER)
                    .await;
            }
        };
        let mut writer = results.start(&columns).await?;
        loop {
            match self.next_part(&mut parts).await {
                Ok(ListPart::Rows(rows)) => write_rows(&mut writer, &rows).await?,
                Ok(ListPart::End(messages)) => {
                    self.settle(Ok(()), Some(messages));
                    return writer.finish().await;
                }
                other => {
                    self.settle(Err(other.err().unwrap_or_else(broken_off)), None);
                    return writer
                        .finish_error(ErrorKind::ER_UNKNOWN_ERROR, &PLACEHOLDER)
                        .await;
                }
            }
        }
    }

    /// The next part of a list.
    ///
    /// # Errors
    /// When there is none, or the statement is to end.
    async fn next_part(&self, parts: &mut ListParts) -> Result<ListPart, SqlError> {
        tokio::select! {
            part = parts.recv() => match part {
                Some(part) => part.map_err(|error| error.to_sql()),
                None => Err(broken_off()),
            },
            () = self.request.cancel.cancelled() => {
                Err(interrupted())
            }
        }
    }
}

/// The text of errors as opensrv writes them; the session puts in the real one.
const PLACEHOLDER: &[u8] = b"";

#[async_trait]
impl<W: AsyncWrite + Send + Unpin> AsyncMysqlShim<W> for Shim {
    type Error = io::Error;

    async fn on_query<'a>(
        &'a mut self,
        query: &'a str,
        results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        self.run(query, results).await
    }

    async fn on_prepare<'a>(
        &'a mut self,
        query: &'a str,
        info: StatementMetaWriter<'a, W>,
    ) -> io::Result<()> {
        let (Command::Prepare { id, .. } | Command::Execute { id, .. }) = self.request.command
        else {
            return Err(io::Error::other("a prepare that nobody has sent"));
        };
        match answer::columns(query, &self.request, &self.cluster).await {
            Ok(columns) => {
                self.settle(Ok(()), Some(Vec::new()));
                let columns = opensrv_columns(&columns);
                info.reply(id, &[], &columns).await
            }
            Err(error) => {
                self.settle(Err(error), None);
                info.error(ErrorKind::ER_UNKNOWN_ERROR, PLACEHOLDER).await
            }
        }
    }

    async fn on_execute<'a>(
        &'a mut self,
        _id: u32,
        _params: ParamParser<'a>,
        results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        let Command::Execute { text, .. } = &self.request.command else {
            return Err(io::Error::other("an execute that nobody has sent"));
        };
        self.run(text, results).await
    }

    async fn on_close<'a>(&'a mut self, _id: u32)
    where
        W: 'async_trait,
    {
    }

    /// opensrv takes a USE out of a query by itself; of those only one for the proxy's own tables comes here.
    async fn on_init<'a>(
        &'a mut self,
        _schema: &'a str,
        writer: InitWriter<'a, W>,
    ) -> io::Result<()> {
        self.settle(Err(schema::no_database()), None);
        writer.error(ErrorKind::ER_UNKNOWN_ERROR, PLACEHOLDER).await
    }
}

fn opensrv_columns(columns: &[Column]) -> Vec<OpensrvColumn> {
    let opensrv = |column: &Column| {
        let (coltype, colflags) = match column.kind {
            Kind::Number => (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::UNSIGNED_FLAG),
            Kind::Integer => (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::empty()),
            Kind::Decimal(_) => (ColumnType::MYSQL_TYPE_NEWDECIMAL, ColumnFlags::empty()),
            Kind::Real => (ColumnType::MYSQL_TYPE_DOUBLE, ColumnFlags::empty()),
            Kind::Text => (ColumnType::MYSQL_TYPE_VAR_STRING, ColumnFlags::empty()),
            Kind::LongText => (ColumnType::MYSQL_TYPE_BLOB, ColumnFlags::BLOB_FLAG),
        };
        OpensrvColumn {
            table: String::new(),
            column: column.name.clone(),
            coltype,
            colflags,
        }
    };
    columns.iter().map(opensrv).collect()
}

async fn write_rows<W: AsyncWrite + Unpin>(
    writer: &mut RowWriter<'_, W>,
    rows: &Rows,
) -> io::Result<()> {
    for row in rows.iter() {
        for value in row.values() {
            match value {
                Value::Null => writer.write_col(None::<u64>)?,
                Value::Number(number) => writer.write_col(number)?,
                Value::Integer(number) => writer.write_col(number)?,
                Value::Real(number) => writer.write_col(number)?,
                Value::Text(text) => writer.write_col(text)?,
            }
        }
        writer.end_row().await?;
    }
    Ok(())
}
