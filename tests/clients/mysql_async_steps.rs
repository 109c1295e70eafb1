//! The battery of mysql_async, a client in Rust.
//!
//! obwarden uses it, too, towards the servers; here it is a client.

use std::time::Duration;

use mysql_async::prelude::{BatchQuery, Queryable, WithParams};
use mysql_async::{
    ChangeUserOpts, Conn, Error, IsolationLevel, OptsBuilder, Params, Pool, Row, TxOpts, Value,
};

use crate::battery::Target;
use crate::support::opts;

const SLEEP: &str = "SELECT SLEEP(20) FROM notes WHERE id = 1";

type Outcome = Result<String, Error>;

/// Runs the battery.
pub(crate) async fn run(target: Target) -> String {
    let mut battery = Battery {
        target,
        printed: String::new(),
        count: 0,
    };
    battery.logins().await;
    battery.types().await;
    battery.prepared().await;
    battery.results().await;
    battery.errors().await;
    battery.sessions().await;
    battery.files_and_blobs().await;
    battery.cancelled().await;
    if battery.target.victim.is_some() {
        battery.virtual_statements().await;
    }
    battery.printed + &format!("done: {}\n", battery.count)
}

struct Battery {
    target: Target,
    printed: String,
    count: usize,
}

impl Battery {
    fn opts(&self) -> OptsBuilder {
        opts(self.target.addr, "root").db_name(Some(&self.target.database))
    }

    async fn connect(&self) -> Conn {
        Conn::new(self.opts()).await.expect("a login")
    }

    async fn step(&mut self, name: &str, body: impl AsyncFnOnce(&mut Conn) -> Outcome) {
        self.step_with(name, self.opts(), body).await;
    }

    /// Runs `body` on a connection of its own, after which that is asked whether it lives.
    async fn step_with(
        &mut self,
        name: &str,
        opts: OptsBuilder,
        body: impl AsyncFnOnce(&mut Conn) -> Outcome,
    ) {
        let outcome = match Conn::new(opts).await {
            Err(error) => told(Err(error)),
            Ok(mut conn) => {
                let outcome = told(body(&mut conn).await);
                let state = match ask(&mut conn, "SELECT 'still', 'here'").await {
                    Ok(rows) if rows == "[still, here]" => "alive".to_owned(),
                    Ok(rows) => format!("mixed up: {rows}"),
                    Err(_) => "lost".to_owned(),
                };
                _ = conn.disconnect().await;
                format!("{outcome} | {state}")
            }
        };
        self.printed += &format!("{name}: {}\n", outcome.replace('\n', "\\n"));
        self.count += 1;
    }

    async fn logins(&mut self) {
        self.step("login/as root", async |conn| {
            ask(conn, "SELECT CURRENT_USER(), DATABASE(), @@autocommit").await
        })
        .await;
        let name = self.target.database.clone();
        let account = |password: &str| self.opts().user(Some(&name)).pass(Some(password));
        let (right, wrong) = (account("pass word"), account("no"));
        self.step_with("login/with a password", right, async |conn| {
            ask(conn, "SELECT DATABASE()").await
        })
        .await;
        self.step_with("login/wrong password!", wrong, async |_| Ok("in".into()))
            .await;
        let nowhere = self.opts().db_name(Some("nowhere"));
        self.step_with(
            "login/no such database!",
            nowhere,
            async |_| Ok("in".into()),
        )
        .await;
        let init = self.opts().init(vec!["SET @at_login = 'é'"]);
        self.step_with("session/init", init, async |conn| {
            let id = conn.id();
            let same: Option<u32> = conn.query_first("SELECT CONNECTION_ID()").await?;
            Ok(format!(
                "{} {}",
                ask(conn, "SELECT @at_login").await?,
                same == Some(id)
            ))
        })
        .await;
        self.step("charset/utf8mb4", async |conn| {
            let rows: Vec<Row> = conn.exec("SELECT ?, HEX('é漢😀')", ("é漢😀",)).await?;
            Ok(shown(rows))
        })
        .await;
        self.step("charset/gbk", async |conn| {
            conn.query_drop("SET NAMES gbk").await?;
            ask(conn, "SELECT x'9D68', @@character_set_client").await
        })
        .await;
    }

    async fn types(&mut self) {
        self.step("types/text", async |conn| {
            conn.query_drop("SET time_zone = '+00:00'").await?;
            described(conn.query_iter("SELECT * FROM types ORDER BY id").await?).await
        })
        .await;
        self.step("prepared/types", async |conn| {
            conn.query_drop("SET time_zone = '+00:00'").await?;
            let sql = "SELECT * FROM types WHERE id < ? ORDER BY id";
            described(conn.exec_iter(sql, (100,)).await?).await
        })
        .await;
    }

    async fn prepared(&mut self) {
        let values = [
            Value::from(1),
            Value::from("text"),
            Value::NULL,
            Value::from(2.5),
            Value::from(b"\x00\xff".to_vec()),
            Value::Date(2024, 2, 29, 1, 2, 3, 456_789),
            Value::Time(true, 4, 4, 0, 0, 5),
            Value::from(u64::MAX),
        ];
        self.step("prepared/again with other types", async |conn| {
            let statement = conn.prep("SELECT ? AS it, HEX(?) AS hex").await?;
            let mut seen = String::new();
            for value in values {
                let params = Params::Positional(vec![value.clone(), value]);
                let rows = conn.exec(&statement, params).await.map(shown);
                seen += &told(rows);
            }
            conn.close(statement).await?;
            Ok(seen)
        })
        .await;
        self.step("prepared/many at once", async |conn| {
            let mut statements = Vec::new();
            for n in 0..30 {
                statements.push(conn.prep(format!("SELECT ? + {n}")).await?);
            }
            let mut seen = String::new();
            for statement in statements {
                seen += &shown(conn.exec(&statement, (1,)).await?);
                conn.close(statement).await?;
            }
            Ok(seen)
        })
        .await;
        self.step("prepared/batch", async |conn| {
            let rows = (0..300).map(|n| (n, format!("name {n}")));
            let sql = "INSERT INTO loaded VALUES (?, ?)";
            sql.with(rows).batch(&mut *conn).await?;
            ask(
                conn,
                "SELECT COUNT(*), SUM(id), SUM(CRC32(name)) FROM loaded",
            )
            .await
        })
        .await;
        for (name, sql) in [
            ("prepared/syntax!", "SELEC ?"),
            (
                "prepared/duplicate!",
                "INSERT INTO notes (id, name) VALUES (1, ?)",
            ),
        ] {
            self.step(name, async |conn| Ok(shown(conn.exec(sql, ("x",)).await?)))
                .await;
        }
    }

    async fn results(&mut self) {
        self.step("streaming/100k rows", async |conn| {
            let sql = "SELECT n, name FROM many ORDER BY n";
            let mut rows = conn.query_iter(sql).await?;
            let sum = |(count, sum): (u64, u64), (n, name): (u64, String)| {
                (count + 1, sum.wrapping_mul(31) + n + name.len() as u64)
            };
            Ok(format!("{:?}", rows.reduce((0, 0), sum).await?))
        })
        .await;
        self.step("streaming/left in the middle", async |conn| {
            let sql = "SELECT n, name FROM many ORDER BY n LIMIT 30000";
            let mut rows = conn.query_iter(sql).await?;
            Ok(format!("{:?}", rows.next().await?.map(Row::unwrap)))
        })
        .await;
        let several = "SELECT 1; SELECT id, name FROM notes WHERE id < 3 ORDER BY id; SET @x = 1; \
            UPDATE notes SET amount = amount + 1 WHERE id < 3; SELECT 'end'";
        for (name, sql) in [
            ("multi/results", several),
            (
                "multi/error in the middle!",
                "SELECT 1; SELECT * FROM nothing; SELECT 3",
            ),
            ("procedures/several results", "CALL two_results(2)"),
            (
                "procedures/error after a result!",
                "CALL fails_after_a_result()",
            ),
        ] {
            self.step(name, async |conn| {
                let mut result = conn.query_iter(sql).await?;
                let mut seen = String::new();
                while !result.is_empty() {
                    let rows: Vec<Row> = result.collect().await?;
                    seen += &shown(rows);
                    seen += &format!(" {} {}; ", result.affected_rows(), result.info());
                }
                result.drop_result().await?; // an error may be the last of it
                Ok(seen)
            })
            .await;
        }
        self.step("results/insert, update, delete", async |conn| {
            let mut seen = String::new();
            for sql in [
                "INSERT INTO notes (name) VALUES ('r1')",
                "INSERT INTO notes (name) VALUES ('r2'), ('r3')",
                "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'",
                "UPDATE notes SET amount = 7 WHERE name LIKE 'r_'",
                "REPLACE INTO notes (name, amount) VALUES ('r1', 8)",
                "DELETE FROM notes WHERE name LIKE 'r_'",
                "CREATE TABLE t (a INT)",
                "INSERT INTO t SELECT n FROM many",
                "DROP TABLE t",
            ] {
                conn.query_drop(sql).await?;
                let (id, rows) = (conn.last_insert_id(), conn.affected_rows());
                seen += &format!("{id:?} {rows} {}; ", conn.info());
            }
            Ok(seen)
        })
        .await;
    }

    async fn errors(&mut self) {
        for (name, sql) in [
            ("errors/syntax!", "SELEC 1"),
            ("errors/no such table!", "SELECT * FROM nothing"),
            ("errors/no such column!", "SELECT nothing FROM notes"),
            (
                "errors/duplicate!",
                "INSERT INTO notes (id, name) VALUES (1, 'x')",
            ),
            (
                "errors/too long!",
                "INSERT INTO notes (name) VALUES (REPEAT('x', 21))",
            ),
            ("errors/kill nobody!", "KILL 4294967294"),
        ] {
            self.step(name, async |conn| ask(conn, sql).await).await;
        }
        self.step("warnings/show", async |conn| {
            let rows = ask(conn, "SELECT CAST('12x' AS SIGNED), 1 / 0").await?;
            let count = conn.get_warnings();
            Ok(format!(
                "{rows} {count} {}",
                ask(conn, "SHOW WARNINGS").await?
            ))
        })
        .await;
        self.step("transactions/rollback and commit", async |conn| {
            let mut seen = String::new();
            for commits in [false, true] {
                let mut options = TxOpts::default();
                options.with_isolation_level(Some(IsolationLevel::ReadCommitted));
                let mut transaction = conn.start_transaction(options).await?;
                let sql = "INSERT INTO notes (name) VALUES ('tx')";
                transaction.query_drop(sql).await?;
                if commits {
                    transaction.commit().await?;
                } else {
                    transaction.rollback().await?;
                }
                seen += &ask(conn, "SELECT COUNT(*) FROM notes WHERE name = 'tx'").await?;
            }
            Ok(seen)
        })
        .await;
    }

    async fn sessions(&mut self) {
        let name = self.target.database.clone();
        self.step("database/use", async |conn| {
            conn.query_drop("USE oceanbase").await?;
            ask(conn, "SELECT DATABASE()").await
        })
        .await;
        self.step("reset/ping and reset", async |conn| {
            conn.ping().await?;
            conn.query_drop("SET @before = 1").await?;
            let reset = conn.reset().await?;
            Ok(format!("{reset} {}", ask(conn, "SELECT @before").await?))
        })
        .await;
        for (step, password) in [
            ("reset/change user", "pass word"),
            ("reset/change user, wrong password!", "no"),
        ] {
            let change = ChangeUserOpts::new()
                .with_user(Some(name.clone()))
                .with_pass(Some(password.to_owned()))
                .with_db_name(Some(name.clone()));
            self.step(step, async |conn| {
                conn.change_user(change).await?;
                ask(conn, "SELECT DATABASE(), USER() LIKE 'battery%'").await
            })
            .await;
        }
        let opts = self.opts();
        self.step("reset/a pool", async |_| {
            let pool = Pool::new(opts);
            let mut seen = String::new();
            for n in 0..20 {
                let mut conn = pool.get_conn().await?;
                seen += &ask(&mut conn, &format!("SELECT {n}, @left")).await?;
                conn.query_drop("SET @left = 1").await?;
            }
            pool.disconnect().await?;
            Ok(seen)
        })
        .await;
    }

    async fn files_and_blobs(&mut self) {
        let files = self.target.files.clone();
        for name in ["rows", "empty", "many"] {
            let text = std::fs::read(files.join(name).with_extension("tsv")).expect(name);
            self.step(&format!("infile/{name}"), async |conn| {
                conn.query_drop("DELETE FROM loaded").await?;
                let chunk = Ok(text.into());
                let stream = futures_util::stream::iter([chunk]);
                conn.set_infile_handler(async move { Ok(Box::pin(stream) as _) });
                let sql = "LOAD DATA LOCAL INFILE 'x' INTO TABLE loaded CHARACTER SET utf8mb4";
                conn.query_drop(sql).await?;
                ask(conn, "SELECT COUNT(*), SUM(CRC32(name)) FROM loaded").await
            })
            .await;
        }
        self.step("infile/not allowed!", async |conn| {
            ask(conn, "LOAD DATA LOCAL INFILE 'x' INTO TABLE loaded").await
        })
        .await;
        let big: Vec<u8> = (0..20 << 20).map(|n| (n % 251) as u8).collect();
        self.step("blobs/20 MiB", async |conn| {
            let sql = "REPLACE INTO blobs VALUES (1, ?)";
            conn.exec_drop(sql, (&big,)).await?;
            let text: Option<Vec<u8>> = conn.query_first("SELECT data FROM blobs").await?;
            let sql = "SELECT data FROM blobs WHERE id = ?";
            let binary: Option<Vec<u8>> = conn.exec_first(sql, (1,)).await?;
            let same = |read: Option<Vec<u8>>| read.as_ref() == Some(&big);
            Ok(format!("{} {}", same(text), same(binary)))
        })
        .await;
    }

    async fn cancelled(&mut self) {
        for (name, kill) in [
            ("cancel/KILL QUERY!", "KILL QUERY"),
            ("cancel/KILL!", "KILL"),
        ] {
            let mut other = self.connect().await;
            self.step(name, async |conn| {
                let id = conn.id();
                let running = format!(
                    "SELECT 1 FROM oceanbase.V$OB_PROCESSLIST WHERE ID = {id} AND INFO LIKE 'SELECT SLEEP%'"
                );
                let killer = async {
                    while other.query_first::<u8, _>(&running).await?.is_none() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    other.query_drop(format!("{kill} {id}")).await
                };
                let (outcome, killed) = tokio::join!(ask(conn, SLEEP), killer);
                killed?;
                outcome
            })
            .await;
            _ = other.disconnect().await;
        }
        // Whether the server still says why is chance.
        let ended = self
            .printed
            .rfind("cancel/KILL!: error")
            .expect("the last step");
        if self.printed[ended..].contains("| lost") {
            self.printed
                .replace_range(ended.., "cancel/KILL!: error ended\n");
        }
    }

    /// Through the proxy only.
    async fn virtual_statements(&mut self) {
        let victim = self.target.victim.clone().expect("a session to end");
        let (ip, id) = victim.split_once(' ').expect("an address and an id");
        let id: u32 = id.parse().expect("an id");
        let list = |rows: Vec<Row>, own: u32| {
            let names = rows[0].columns_ref().iter().map(|column| column.name_str());
            let names: Vec<_> = names.map(|name| name.into_owned()).collect();
            let count = |ip: &str, id: u32| {
                let is =
                    |row: &&Row| row.get("Ip") == Some(ip.to_owned()) && row.get("Id") == Some(id);
                rows.iter().filter(is).count()
            };
            let (own, victim) = (count("127.0.0.1", own), count(ip, id));
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
        for (name, session) in [
            ("kill/no such server!", "10.99.99.99 5"),
            ("kill/victim", &victim),
            ("kill/again!", &victim),
        ] {
            self.step(name, async |conn| {
                let killed = conn.query_drop(format!("KILL SERVER SESSION {session}"));
                match killed.await {
                    Ok(()) => Ok(conn.affected_rows().to_string()),
                    Err(error) => {
                        let seen: Vec<(String, u16, String)> = conn.query("SHOW WARNINGS").await?;
                        let codes: Vec<_> =
                            seen.iter().map(|(_, code, _)| code.to_string()).collect();
                        Err(refused(&error, &codes.join(",")))
                    }
                }
            })
            .await;
        }
    }
}

/// The same error, told shortly.
fn refused(error: &Error, warnings: &str) -> Error {
    match error {
        Error::Server(error) => Error::Other(format!("{}, warnings {warnings}", error.code).into()),
        error => Error::Other(error.to_string().into()),
    }
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Ok(said) => format!("ok {said}"),
        Err(Error::Server(error)) => {
            format!("error {} {} {}", error.code, error.state, error.message)
        }
        Err(Error::Other(error)) => format!("error {error}"),
        Err(error) => format!("error {error}"),
    }
}

async fn ask(conn: &mut Conn, sql: &str) -> Outcome {
    conn.query(sql).await.map(shown)
}

fn shown(rows: Vec<Row>) -> String {
    let cell = |value: &Value| match value {
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{bytes:?}"),
        },
        value => format!("{value:?}"),
    };
    let row = |row: Row| {
        let cells: Vec<_> = row.unwrap().iter().map(cell).collect();
        format!("[{}]", cells.join(", "))
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(", ")
}

/// The columns, too.
async fn described<P: mysql_async::prelude::Protocol>(
    mut result: mysql_async::QueryResult<'_, '_, P>,
) -> Outcome {
    let columns = result.columns_ref().iter();
    let column = |column: &mysql_async::Column| {
        format!(
            "{} {:?} {} {} {:?}",
            column.name_str(),
            column.column_type(),
            column.character_set(),
            column.column_length(),
            column.flags()
        )
    };
    let columns: Vec<_> = columns.map(column).collect();
    let rows: Vec<Row> = result.collect().await?;
    Ok(format!("{} {}", columns.join(", "), shown(rows)))
}
