//! obwarden's own statements, through the proxy only.

use super::*;
use crate::support::real::until;
use crate::virtual_statements::{GROUPED, NamedVictims, WHO_RUNS_ENDLESS, endless};

/// Name and outcome of each step.
pub(super) async fn outcomes(
    target: &Target,
    victims: &NamedVictims,
) -> Vec<(&'static str, String)> {
    let NamedVictims { ip, ids } = victims;
    let [first, .., last] = ids;
    let there = format!("Ip = '{ip}'");
    let picked = format!(
        "SHOW SERVER SESSIONS WHERE {there} AND Id IN {} ORDER BY Id DESC LIMIT 2",
        in_brackets(ids)
    );
    // Whoever asks has come last.
    let own = "SHOW WARDEN CLIENTS WHERE Zone = 'z1' ORDER BY Connection DESC LIMIT 1";
    let kill = |ip: &str, id: u32| format!("KILL SERVER SESSION {ip} {id}");
    let ip = ip.to_string();
    vec![
        ("sessions/text", list(target, victims).await),
        ("sessions/full", own_mark(target).await),
        ("sessions/picked", picks(target, &picked, victims).await),
        ("select/grouped", grouped(target, victims).await),
        ("select/interrupted!", interrupted(target).await),
        (
            "servers/picked",
            vertical(
                target,
                "SHOW SERVERS WHERE Zone = 'z2' AND Reachable = 'YES'",
                &["Zone", "Reachable"],
            )
            .await,
        ),
        (
            "warden/clients",
            vertical(target, own, &["User", "Zone"]).await,
        ),
        (
            "warden/status",
            vertical(
                target,
                "SHOW WARDEN STATUS LIKE 'node_connections%'",
                &["Variable_name", "Value"],
            )
            .await,
        ),
        (
            "tables/names",
            listed(&rows(target, "SHOW TABLES FROM obwarden").await[1..]),
        ),
        ("tables/columns", columns(target).await),
        ("tables/created", created(target).await),
        ("tables/used!", refused(target, "USE obwarden\n").await),
        (
            "kill/no such server!",
            killed(target, &kill("10.99.99.99", 5)).await,
        ),
        (
            "kill/explained",
            vertical(
                target,
                &format!("EXPLAIN {}", kill(&ip, *first)),
                &["Verdict"],
            )
            .await,
        ),
        ("kill/victim", killed(target, &kill(&ip, *first)).await),
        ("kill/again!", killed(target, &kill(&ip, *first)).await),
        (
            "kill/where",
            killed(
                target,
                &format!("KILL SERVER SESSIONS WHERE {there} AND Id = {last}"),
            )
            .await,
        ),
    ]
}

async fn list(target: &Target, NamedVictims { ip, ids }: &NamedVictims) -> String {
    let list = rows(target, "SHOW SERVER SESSIONS;\nSELECT CONNECTION_ID();").await;
    let [lines @ .., _, own] = &list[..] else {
        panic!("no list: {list:?}");
    };
    let count = |ip: &str, id: &str| {
        let is = |row: &&Vec<String>| row[0] == ip && row[3] == id;
        lines[1..].iter().filter(is).count()
    };
    format!(
        "ok {}; own {}, victim {} | alive",
        lines[0].join(","),
        count("127.0.0.1", &own[0]),
        count(&ip.to_string(), &ids[0].to_string())
    )
}

async fn own_mark(target: &Target) -> String {
    let sql = "SHOW FULL SERVER SESSIONS;\nSELECT CONNECTION_ID();";
    let full = rows(target, sql).await;
    let id_here = &full[full.len() - 1][0];
    let own = full
        .iter()
        .find(|row| row[0] == "127.0.0.1" && row[3] == *id_here);
    let warden = own.and_then(|row| row.last()).expect("its own session");
    format!("ok Warden is {warden} | alive")
}

/// Which of the victims are listed.
async fn picks(target: &Target, sql: &str, NamedVictims { ids, .. }: &NamedVictims) -> String {
    let rows = rows(target, sql).await;
    let victim = |row: &Vec<String>| {
        let at = ids.iter().position(|id| id.to_string() == row[3]);
        vec![at.expect("a victim").to_string()]
    };
    let picked: Vec<_> = rows[1..].iter().map(victim).collect();
    listed(&picked)
}

/// A dashboard's question, with the columns as the client describes them.
async fn grouped(target: &Target, victims: &NamedVictims) -> String {
    let NamedVictims { ip, ids } = victims;
    let sql = GROUPED
        .replacen('?', &ids[0].to_string(), 1)
        .replacen('?', &format!("'{ip}'"), 1)
        .replace("(?, ?, ?)", &in_brackets(ids))
        .replacen('?', "10", 1);
    let mut command = mysql(target);
    command.args(["--table", "--column-type-info", "-e", &sql]);
    let output = finish(command.stdin(Stdio::null()), INSTALL).await;
    let said = text(&output.stdout);
    let mut columns: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for line in said.lines() {
        if line.starts_with("Field ") {
            let name = line.split('`').nth(1).expect("a name");
            columns.push(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("Type:") {
            let column = columns.last_mut().expect("a column");
            *column += " ";
            *column += match kind.trim() {
                "VAR_STRING" => "VARCHAR",
                "LONGLONG" => "BIGINT",
                "NEWDECIMAL" => "DECIMAL",
                "BLOB" => "TEXT",
                other => other,
            };
        } else if line.starts_with('|') {
            let row = line.trim_matches('|').split('|');
            cells.push(row.map(str::trim).collect::<Vec<_>>().join(", "));
        }
    }
    format!(
        "ok {}: {} | alive",
        columns.join(", "),
        cells[1..].join("; ")
    )
}

/// A statement that would take hours, ended by another session.
async fn interrupted(target: &Target) -> String {
    let typed = format!("{};\n", endless());
    let ended = refused(target, &typed);
    let killing = async {
        let mut id = String::new();
        until("the statement runs", async || {
            match &rows(target, WHO_RUNS_ENDLESS).await[..] {
                [_, row] => id.clone_from(&row[0]),
                _ => return false,
            }
            true
        })
        .await;
        rows(target, &format!("KILL QUERY {id}")).await;
    };
    tokio::join!(ended, killing).0
}

/// Some columns of the only row, as `\G` shows them.
async fn vertical(target: &Target, sql: &str, names: &[&str]) -> String {
    let lines = rows(target, &format!("{sql}\\G")).await;
    let cell = |name: &&str| {
        let mut cells = lines
            .iter()
            .filter_map(|line| line[0].trim_start().split_once(": "));
        let found = cells.find(|(column, _)| column == name);
        found.expect("a column").1.to_owned()
    };
    let single = lines
        .iter()
        .filter(|line| line[0].starts_with("***"))
        .count();
    assert_eq!(single, 1, "{lines:?}");
    format!(
        "ok {} | alive",
        names.iter().map(cell).collect::<Vec<_>>().join(", ")
    )
}

async fn columns(target: &Target) -> String {
    let rows = rows(target, "DESCRIBE obwarden.server_sessions").await;
    let some = rows.iter().filter(|row| ["ip", "id"].contains(&&*row[0]));
    let cells: Vec<_> = some.map(|row| row[..2].to_vec()).collect();
    listed(&cells)
}

async fn created(target: &Target) -> String {
    let rows = rows(target, "SHOW CREATE TABLE obwarden.server_sessions").await;
    let statement = &rows[1][1];
    // The client shows ends of lines as two characters.
    format!(
        "ok {} | alive",
        statement.split("\\n").next().unwrap_or_default()
    )
}

/// The code of the error that a statement gives, which is typed.
async fn refused(target: &Target, typed: &str) -> String {
    let (_, errors, alive) = say(target, typed).await;
    format!("error {} | {alive}", digits_behind(&errors, "ERROR "))
}

async fn killed(target: &Target, kill: &str) -> String {
    let (said, errors, alive) = say(target, &format!("{kill};\nSHOW WARNINGS;\n")).await;
    match errors.as_str() {
        "" => format!("ok {} | {alive}", digits_behind(&said, "Query OK, ")),
        errors => format!(
            "error {}, warnings {} | {alive}",
            digits_behind(errors, "ERROR "),
            digits_behind(&said, "Error\t")
        ),
    }
}

/// What the client says to what is typed, its errors, and whether the session goes on.
async fn say(target: &Target, sql: &str) -> (String, String, &'static str) {
    let mut command = mysql(target);
    let output = finish(command.arg("-vv").stdin(typed(sql, target)), INSTALL).await;
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let alive = if said.contains("still\there") {
        "alive"
    } else {
        "lost"
    };
    (said, errors, alive)
}

fn in_brackets(ids: &[u32]) -> String {
    let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
    format!("({})", ids.join(", "))
}

fn digits_behind(text: &str, before: &str) -> String {
    let at = text.find(before).map_or(text.len(), |at| at + before.len());
    let digits = text[at..].chars().take_while(char::is_ascii_digit);
    digits.collect()
}

fn listed(rows: &[Vec<String>]) -> String {
    format!("ok {} | alive", rows.concat().join(", "))
}
