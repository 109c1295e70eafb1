//! Statements and what they do to a session.

use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, IsolationLevel, Pool, Row, TxOpts};

use super::{Battery, ask, shown};

impl Battery {
    pub(super) async fn results(&mut self) {
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

    pub(super) async fn errors(&mut self) {
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

    pub(super) async fn sessions(&mut self) {
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
}
