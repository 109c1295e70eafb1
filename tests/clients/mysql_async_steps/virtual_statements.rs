//! obwarden's own statements, through the proxy only.

use mysql_async::consts::ColumnType;
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Column, Conn, Error, Params, Row, Value};

use super::{Battery, Outcome};
use crate::support::real::until;
use crate::virtual_statements::{GROUPED, NamedVictims, WHO_RUNS_ENDLESS, endless};

const PICKED: &str =
    "SHOW SERVER SESSIONS WHERE Ip = ? AND Id IN (?, ?, ?) ORDER BY Id DESC LIMIT ?";

impl Battery {
    /// Through the proxy only. Values go into prepared statements, and into the text of others.
    pub(super) async fn virtual_statements(&mut self, victims: &NamedVictims) {
        self.lists(victims).await;
        self.selects(victims).await;
        self.small_tables().await;
        self.kills(victims).await;
    }

    async fn lists(&mut self, victims: &NamedVictims) {
        let NamedVictims { ip, ids } = victims.clone();
        let ip = ip.to_string();
        let list = |rows: Vec<Row>, own: u32| {
            let names = rows[0].columns_ref().iter().map(|column| column.name_str());
            let names: Vec<_> = names.map(|name| name.into_owned()).collect();
            let count = |ip: &str, id: u32| {
                let is =
                    |row: &&Row| row.get("Ip") == Some(ip.to_owned()) && row.get("Id") == Some(id);
                rows.iter().filter(is).count()
            };
            let (own, victim) = (count("127.0.0.1", own), count(&ip, ids[0]));
            format!("{}; own {own}, victim {victim}", names.join(","))
        };
        self.step("sessions/text", async |conn| {
            let rows = conn.query("SHOW SERVER SESSIONS").await?;
            Ok(list(rows, conn.id()))
        })
        .await;
        self.step("sessions/prepared", async |conn| {
            let statement = conn.prep("SHOW SERVER SESSIONS").await?;
            conn.exec_drop(&statement, ()).await?;
            let rows = conn.exec(&statement, ()).await?;
            Ok(list(rows, conn.id()))
        })
        .await;
        self.step("sessions/full", async |conn| {
            let rows: Vec<Row> = conn.query("SHOW FULL SERVER SESSIONS").await?;
            let own = |row: &&Row| {
                row.get("Ip") == Some("127.0.0.1".to_owned()) && row.get("Id") == Some(conn.id())
            };
            let warden: Option<String> = rows.iter().find(own).and_then(|row| row.get("Warden"));
            Ok(format!("Warden is {}", warden.unwrap_or_default()))
        })
        .await;
        let picked = |rows: Vec<Row>| {
            let victim = |row: &Row| ids.iter().position(|id| row.get("Id") == Some(*id));
            let at = rows
                .iter()
                .map(|row| victim(row).expect("a victim").to_string());
            at.collect::<Vec<_>>().join(", ")
        };
        let [a, b, c] = ids;
        self.step("sessions/picked", async |conn| {
            let values = [
                format!("'{ip}'"),
                a.to_string(),
                b.to_string(),
                c.to_string(),
                "2".into(),
            ];
            Ok(picked(conn.query(filled(PICKED, &values)).await?))
        })
        .await;
        self.step("sessions/picked, prepared", async |conn| {
            let statement = conn.prep(PICKED).await?;
            conn.exec_drop(&statement, (&ip, a, b, c, 2)).await?;
            Ok(picked(conn.exec(&statement, (&ip, a, b, c, 2)).await?))
        })
        .await;
    }

    async fn selects(&mut self, victims: &NamedVictims) {
        let NamedVictims { ip, ids: [a, b, c] } = victims.clone();
        let ip = ip.to_string();
        self.step("select/grouped", async |conn| {
            let values = [
                a.to_string(),
                format!("'{ip}'"),
                a.to_string(),
                b.to_string(),
                c.to_string(),
                "10".into(),
            ];
            Ok(grouped(conn.query(filled(GROUPED, &values)).await?))
        })
        .await;
        self.step("select/grouped, prepared", async |conn| {
            let statement = conn.prep(GROUPED).await?;
            conn.exec_drop(&statement, (a, &ip, a, b, c, 10)).await?;
            Ok(grouped(conn.exec(&statement, (a, &ip, a, b, c, 10)).await?))
        })
        .await;
        let mut other = self.connect().await;
        self.step("select/interrupted!", async |conn| {
            let id = conn.id();
            let killing = async {
                until("the statement runs", async || {
                    let running = other.query(WHO_RUNS_ENDLESS).await;
                    running.is_ok_and(|ids: Vec<u32>| ids == [id])
                })
                .await;
                other.query_drop(format!("KILL QUERY {id}")).await
            };
            let (ended, killed) = tokio::join!(conn.query_drop(endless()), killing);
            killed?;
            ended
                .map_err(|error| by_code(&error))
                .map(|()| "done".to_owned())
        })
        .await;
        _ = other.disconnect().await;
    }

    async fn small_tables(&mut self) {
        self.step("servers/picked", async |conn| {
            let sql = "SHOW SERVERS WHERE Zone = ? AND Reachable = ?";
            chosen(conn, sql, ("z2", "YES").into(), &["Zone", "Reachable"]).await
        })
        .await;
        self.step("warden/clients", async |conn| {
            let sql = "SHOW WARDEN CLIENTS WHERE Id = ? AND Zone = ?";
            let values = (conn.id(), "z1").into();
            chosen(conn, sql, values, &["User", "Zone"]).await
        })
        .await;
        self.step("warden/status", async |conn| {
            let sql = "SHOW WARDEN STATUS LIKE ?";
            let values = ("node_connections%",).into();
            chosen(conn, sql, values, &["Variable_name", "Value"]).await
        })
        .await;
        self.step("tables/names", async |conn| {
            let names: Vec<String> = conn.query("SHOW TABLES FROM obwarden").await?;
            Ok(names.join(", "))
        })
        .await;
        self.step("tables/columns", async |conn| {
            let rows: Vec<Row> = conn.query("DESCRIBE obwarden.server_sessions").await?;
            let column = |row: &Row| (cell::<String>(row, "Field"), cell::<String>(row, "Type"));
            let columns = rows.iter().map(column);
            let some = columns.filter(|(name, _)| ["ip", "id"].contains(&&**name));
            let cells = some.map(|(name, kind)| format!("{name}, {kind}"));
            Ok(cells.collect::<Vec<_>>().join(", "))
        })
        .await;
        self.step("tables/created", async |conn| {
            let rows: Vec<(String, String)> = conn
                .query("SHOW CREATE TABLE obwarden.server_sessions")
                .await?;
            let statement = rows[0].1.lines().next();
            Ok(statement.unwrap_or_default().to_owned())
        })
        .await;
        self.step("tables/used!", async |conn| {
            let used = conn.query_drop("USE obwarden").await;
            used.map_err(|error| by_code(&error))
                .map(|()| "used".to_owned())
        })
        .await;
    }

    async fn kills(&mut self, victims: &NamedVictims) {
        let NamedVictims {
            ip,
            ids: [first, second, last],
        } = victims.clone();
        let ip = ip.to_string();
        self.kill("kill/no such server!", "10.99.99.99", 5).await;
        self.step("kill/explained", async |conn| {
            let values = (&ip, first).into();
            chosen(
                conn,
                "EXPLAIN KILL SERVER SESSION ? ?",
                values,
                &["Verdict"],
            )
            .await
        })
        .await;
        self.kill("kill/victim", &ip, first).await;
        self.kill("kill/again!", &ip, first).await;
        for (name, sql, id) in [
            ("kill/prepared", "KILL SERVER SESSION ? ?", second),
            (
                "kill/where",
                "KILL SERVER SESSIONS WHERE Ip = ? AND Id = ?",
                last,
            ),
        ] {
            self.step(name, async |conn| {
                let result = conn.exec_iter(sql, (&ip, id)).await?;
                let killed = result.affected_rows();
                result.drop_result().await?;
                Ok(killed.to_string())
            })
            .await;
        }
    }

    async fn kill(&mut self, name: &str, ip: &str, id: u32) {
        self.step(name, async |conn| {
            match conn
                .query_drop(format!("KILL SERVER SESSION {ip} {id}"))
                .await
            {
                Ok(()) => Ok(conn.affected_rows().to_string()),
                Err(error) => {
                    let seen: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
                    let codes: Vec<_> = seen.iter().map(|(_, code, _)| code.to_string()).collect();
                    let said = format!("{}, warnings {}", code(&error), codes.join(","));
                    Err(Error::Other(said.into()))
                }
            }
        })
        .await;
    }
}

/// A statement with these values in its text.
fn filled(sql: &str, values: &[String]) -> String {
    let fill = |sql: String, value: &String| sql.replacen('?', value, 1);
    values.iter().fold(sql.to_owned(), fill)
}

/// A dashboard's rows, with the columns as the client describes them.
fn grouped(rows: Vec<Row>) -> String {
    let column = |column: &Column| {
        let kind = match column.column_type() {
            ColumnType::MYSQL_TYPE_VAR_STRING => "VARCHAR".to_owned(),
            ColumnType::MYSQL_TYPE_LONGLONG => "BIGINT".to_owned(),
            ColumnType::MYSQL_TYPE_NEWDECIMAL => "DECIMAL".to_owned(),
            ColumnType::MYSQL_TYPE_BLOB => "TEXT".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{} {kind}", column.name_str())
    };
    let columns: Vec<_> = rows[0].columns_ref().iter().map(column).collect();
    let shown = |row: &Row| {
        let cells = [
            cell::<String>(row, "user"),
            cell::<u64>(row, "sessions").to_string(),
            cell(row, "share"),
            cell::<Option<String>>(row, "info").unwrap_or("NULL".into()),
            cell(row, "said"),
        ];
        cells.join(", ")
    };
    let rows: Vec<_> = rows.iter().map(shown).collect();
    format!("{}: {}", columns.join(", "), rows.join("; "))
}

/// Some columns of the only row.
async fn chosen(conn: &mut Conn, sql: &str, values: Params, names: &[&str]) -> Outcome {
    let rows: Vec<Row> = conn.exec(sql, values).await?;
    assert_eq!(rows.len(), 1, "{sql}");
    let cells = names.iter().map(|name| cell::<String>(&rows[0], name));
    Ok(cells.collect::<Vec<_>>().join(", "))
}

fn cell<T: FromValue>(row: &Row, name: &str) -> T {
    let value: Option<Value> = row.get(name);
    mysql_async::from_value(value.unwrap_or_else(|| panic!("no column {name} in {row:?}")))
}

/// The same error, told by its code alone.
fn by_code(error: &Error) -> Error {
    Error::Other(code(error).into())
}

fn code(error: &Error) -> String {
    match error {
        Error::Server(error) => error.code.to_string(),
        error => error.to_string(),
    }
}
