//! The door to opensrv-mysql: its callbacks, its columns, its rows.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, Column as OpensrvColumn, ColumnFlags, ColumnType,
    ErrorKind, InitWriter, OkResponse, ParamParser, QueryResultWriter, RowWriter,
    StatementMetaWriter, ToMysqlValue,
};
use tokio::io::{AsyncReadExt, AsyncWrite, BufWriter, DuplexStream};

use super::answer::{self, Answer, broken_off, interrupted};
use super::{Command, Completion, Defined, Outcome, Request, ToldCell, told};
use crate::cluster::{Cluster, ListPart, ListParts};
use crate::statement::Schema;
use crate::statement::diagnostics::Message;
use crate::table::{Column, Kind, Rows, Value};
use crate::wire::OnePacketReader;
use crate::wire::answer::SqlError;

/// How much of a reply is passed on at once, in bytes.
const WRITTEN_AT_ONCE_BYTES: usize = 16 * 1024;

/// Answers the one statement of a console.
pub(super) struct Shim {
    request: Request,
    cluster: Arc<Cluster>,
    told: ToldCell,
}

impl Shim {
    pub(super) fn new(request: Request, cluster: Arc<Cluster>, told: ToldCell) -> Self {
        Self {
            request,
            cluster,
            told,
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
    fn settle(&self, result: Result<Completion, SqlError>, messages: Option<Vec<Message>>) {
        let outcome = match result {
            Ok(_) => Outcome { result, messages },
            Err(error) => Outcome::failed(error),
        };
        told(&self.told).outcome = Some(outcome);
    }

    /// Says what the next definitions are of, before they are written.
    fn define(&self, parameters: usize, columns: &[Column]) {
        let parameters = std::iter::repeat_n(Defined::Parameter, parameters);
        let columns = columns.iter().map(|column| Defined::Column(column.kind));
        told(&self.told).definitions = parameters.chain(columns).collect();
    }

    async fn run<W: AsyncWrite + Send + Unpin>(
        &self,
        text: &str,
        results: QueryResultWriter<'_, W>,
    ) -> io::Result<()> {
        match answer::answer(text, &self.request, &self.cluster).await {
            Ok(Answer::Done {
                completion,
                messages,
            }) => {
                self.settle(Ok(completion), Some(messages));
                results.completed(OkResponse::default()).await
            }
            Ok(Answer::List(parts)) => self.run_list(parts, results).await,
            Ok(Answer::Diagnostics { columns, rows }) => {
                self.define(0, &columns);
                self.settle(Ok(Completion::default()), None);
                let opensrv_columns = opensrv_columns(&columns);
                let mut writer = results.start(&opensrv_columns).await?;
                write_rows(&mut writer, &columns, &rows).await?;
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
            Ok(ListPart::Columns(columns)) => columns,
            other => {
                self.settle(Err(other.err().unwrap_or_else(broken_off)), None);
                return results
                    .error(ErrorKind::ER_UNKNOWN_ERROR, PLACEHOLDER)
                    .await;
            }
        };
        self.define(0, &columns);
        let opensrv_columns = opensrv_columns(&columns);
        let mut writer = results.start(&opensrv_columns).await?;
        loop {
            match self.next_part(&mut parts).await {
                // A client that does not read holds up its rows, but not the statement's end.
                Ok(ListPart::Rows(rows)) => tokio::select! {
                    written = write_rows(&mut writer, &columns, &rows) => written?,
                    () = self.request.cancel.cancelled() => {
                        return Err(io::Error::other("interrupted among its rows"));
                    }
                },
                Ok(ListPart::End(messages)) => {
                    self.settle(Ok(Completion::default()), Some(messages));
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
        let id = match self.request.command {
            Command::Prepare { id, .. } => id,
            // It has been prepared before: what comes of that, the client knows.
            Command::Execute { id, .. } => return info.reply(id, &[], &[]).await,
            Command::Query(_) => return Err(io::Error::other("a prepare that nobody has sent")),
        };
        match answer::prepare(query, &self.request, &self.cluster).await {
            Ok(prepared) => {
                let count = prepared.parameters;
                self.define(count.into(), &prepared.columns);
                let completion = Completion {
                    parameters: count,
                    ..Completion::default()
                };
                self.settle(Ok(completion), Some(Vec::new()));
                let parameters = vec![opensrv_parameter(); count.into()];
                let columns = opensrv_columns(&prepared.columns);
                info.reply(id, &parameters, &columns).await
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
        self.settle(Err(Schema::no_database()), None);
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

/// A parameter as servers define it: they know nothing of it.
fn opensrv_parameter() -> OpensrvColumn {
    OpensrvColumn {
        table: String::new(),
        column: "?".to_owned(),
        coltype: ColumnType::MYSQL_TYPE_VAR_STRING,
        colflags: ColumnFlags::empty(),
    }
}

async fn write_rows<W: AsyncWrite + Unpin>(
    writer: &mut RowWriter<'_, W>,
    columns: &[Column],
    rows: &Rows,
) -> io::Result<()> {
    for row in rows.iter() {
        for (value, column) in row.values().zip(columns) {
            write_value(writer, column.kind, value)?;
        }
        writer.end_row().await?;
    }
    Ok(())
}

/// Writes a value as its column's kind wants it: opensrv panics over numbers of another kind.
fn write_value<W: AsyncWrite + Unpin>(
    writer: &mut RowWriter<'_, W>,
    kind: Kind,
    value: Value<'_>,
) -> io::Result<()> {
    let mismatch = || {
        let text = format!("{value:?} in a column of {kind:?}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    match (kind, value) {
        (_, Value::Null) => writer.write_col(None::<u64>),
        (Kind::Text | Kind::LongText | Kind::Decimal(_), Value::Text(text)) => {
            writer.write_col(text)
        }
        (Kind::Text | Kind::LongText | Kind::Decimal(_), number) => {
            writer.write_col(number.to_string())
        }
        (Kind::Number, Value::Number(number)) => writer.write_col(number),
        (Kind::Number, Value::Integer(number)) => {
            writer.write_col(u64::try_from(number).map_err(|_| mismatch())?)
        }
        (Kind::Integer, Value::Integer(number)) => writer.write_col(number),
        (Kind::Integer, Value::Number(number)) => {
            writer.write_col(i64::try_from(number).map_err(|_| mismatch())?)
        }
        (Kind::Real, Value::Real(number)) => writer.write_col(Double(number)),
        (Kind::Real, Value::Integer(number)) => writer.write_col(Double(number as f64)),
        (Kind::Real, Value::Number(number)) => writer.write_col(Double(number as f64)),
        (Kind::Number | Kind::Integer, Value::Real(_) | Value::Text(_))
        | (Kind::Real, Value::Text(_)) => Err(mismatch()),
    }
}

/// A number of binary precision, which servers write as [`Value`] does.
struct Double(f64);

impl ToMysqlValue for Double {
    fn to_mysql_text<W: io::Write>(&self, w: &mut W) -> io::Result<()> {
        Value::Real(self.0).to_string().to_mysql_text(w)
    }

    fn to_mysql_bin<W: io::Write>(&self, w: &mut W, column: &OpensrvColumn) -> io::Result<()> {
        self.0.to_mysql_bin(w, column)
    }
}
