//! Logins and values, in and out.

use mysql_async::prelude::{BatchQuery, Protocol, Queryable, WithParams};
use mysql_async::{Column, Params, QueryResult, Row, Value};

use super::{Battery, Outcome, ask, shown, told};

impl Battery {
    pub(super) async fn logins(&mut self) {
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

    pub(super) async fn types(&mut self) {
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

    pub(super) async fn prepared(&mut self) {
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

    pub(super) async fn files_and_blobs(&mut self) {
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
}

/// The columns, too.
async fn described<P: Protocol>(mut result: QueryResult<'_, '_, P>) -> Outcome {
    let columns = result.columns_ref().iter();
    let column = |column: &Column| {
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
