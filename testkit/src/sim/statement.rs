//! Reads as much of a statement as a simulated node needs to answer it, and no more.
//!
//! Loose on purpose: conditions other than `column = value` and `column IN (values)` are not seen,
//! and several values for one column are alternatives, whether AND or OR stands between them.

use std::collections::BTreeMap;

use super::token::{Kind, Token, tokens};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    Select(Select),
    /// `KILL [QUERY | CONNECTION] id`; no id: what stands there is not a number.
    Kill {
        query_only: bool,
        id: Option<u64>,
    },
    ShowProcesslist {
        full: bool,
    },
    ShowParameters {
        like: Option<String>,
    },
    /// Of the account that asks.
    ShowGrants,
    Other,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Select {
    pub(super) items: Vec<Item>,
    /// In lower case, with its database if that is named.
    pub(super) from: Option<String>,
    /// Column in lower case to the values that it may have.
    pub(super) filter: BTreeMap<String, Vec<Value>>,
    pub(super) limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// What the client sees as the column's name.
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    All,
    /// Name in lower case.
    Column(String),
    Number(String),
    Text(String),
    /// Name in lower case, and its first argument.
    Call(String, Option<Box<Value>>),
    /// `@@name`, without the signs and the scope, in lower case.
    Variable(String),
}

impl Select {
    /// Whether each row of the table gives one of the result.
    pub(super) fn is_every_row(&self) -> bool {
        let counts = |item: &Item| matches!(&item.value, Value::Call(name, _) if name == "count");
        self.filter.is_empty() && self.limit.is_none() && !self.items.iter().any(counts)
    }
}

impl Statement {
    pub(super) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let word = |at: usize| tokens.get(at).map_or("", |token| token.word.as_str());
        let number = |at: usize| tokens.get(at).and_then(|token| token.text.parse().ok());
        match (word(0), word(1)) {
            ("select", _) => Self::Select(select(text, &tokens[1..])),
            ("kill", "query") => Self::Kill {
                query_only: true,
                id: number(2),
            },
            ("kill", "connection") => Self::Kill {
                query_only: false,
                id: number(2),
            },
            ("kill", _) => Self::Kill {
                query_only: false,
                id: number(1),
            },
            ("show", "processlist") => Self::ShowProcesslist { full: false },
            ("show", "full") if word(2) == "processlist" => Self::ShowProcesslist { full: true },
            ("show", "grants") => Self::ShowGrants,
            ("show", "parameters") => Self::ShowParameters {
                like: (word(2) == "like")
                    .then(|| tokens.get(3).map(|token| token.text.clone()))
                    .flatten(),
            },
            _ => Self::Other,
        }
    }

    /// Whether it asks for sessions, which is what most behaviours are about.
    pub(super) fn lists_sessions(&self) -> bool {
        match self {
            Self::ShowProcesslist { .. } => true,
            Self::Select(select) => select
                .from
                .as_ref()
                .is_some_and(|table| table.ends_with("processlist")),
            _ => false,
        }
    }

    /// Whether it asks for the cluster's nodes.
    pub(super) fn lists_servers(&self) -> bool {
        matches!(self, Self::Select(select) if select.table() == Some("__all_server"))
    }
}

impl Select {
    /// The table's name without its database.
    pub(super) fn table(&self) -> Option<&str> {
        let from = self.from.as_deref()?;
        Some(from.rsplit_once('.').map_or(from, |(_, table)| table))
    }
}

fn select(text: &str, tokens: &[Token]) -> Select {
    let ends_list = |token: &Token| {
        matches!(token.word.as_str(), "from" | "where" | "limit" | "order")
            || token.sign() == Some(';')
    };
    let (list, rest) = split_at(tokens, |token, depth| depth == 0 && ends_list(token));
    let mut parsed = Select::default();
    let mut list = list;
    while !list.is_empty() {
        let (one, more) = split_at(list, |token, depth| depth == 0 && token.sign() == Some(','));
        parsed.items.extend(item(text, one));
        list = more.get(1..).unwrap_or_default();
    }
    if let [from, table, more @ ..] = rest
        && from.word == "from"
    {
        let mut name = table.text.to_lowercase();
        if let [dot, table, ..] = more
            && dot.sign() == Some('.')
        {
            name = format!("{name}.{}", table.text.to_lowercase());
        }
        parsed.from = (name != "dual").then_some(name);
    }
    if let Some(at) = rest.iter().position(|token| token.word == "where") {
        parsed.filter = conditions(&rest[at + 1..]);
    }
    if let Some(at) = rest.iter().position(|token| token.word == "limit") {
        parsed.limit = rest.get(at + 1).and_then(|token| token.text.parse().ok());
    }
    parsed
}

fn item(text: &str, tokens: &[Token]) -> Option<Item> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let (value, used) = value(tokens);
    let has_alias = used < tokens.len();
    let name = if has_alias || matches!(value, Value::Column(_)) {
        last.text.clone()
    } else {
        text[first.span.start..last.span.end].to_owned()
    };
    Some(Item { name, value })
}

/// The value that `tokens` begin with, and how many of them it takes.
fn value(tokens: &[Token]) -> (Value, usize) {
    let Some(first) = tokens.first() else {
        return (Value::Text(String::new()), 0);
    };
    match first.kind {
        Kind::Text => return (Value::Text(first.text.clone()), 1),
        Kind::Sign if first.sign() == Some('*') => return (Value::All, 1),
        Kind::Sign => return (Value::Text(first.text.clone()), tokens.len()),
        Kind::Word if first.text.starts_with(|c: char| c.is_ascii_digit()) => {
            return (Value::Number(first.text.clone()), 1);
        }
        Kind::Word => {}
    }
    let next_is_text = tokens.get(1).is_some_and(|token| token.kind == Kind::Text);
    if next_is_text && (first.word == "binary" || first.word.starts_with("_utf8")) {
        return (Value::Text(tokens[1].text.clone()), 2);
    }
    let mut at = 0;
    while tokens.get(at + 1).and_then(Token::sign) == Some('.') && at + 2 < tokens.len() {
        at += 2;
    }
    let name = tokens[at].text.to_lowercase();
    if tokens[at].sign() == Some('*') {
        (Value::All, at + 1)
    } else if let Some(variable) = first.text.strip_prefix("@@") {
        let name = if at == 0 {
            variable.to_lowercase()
        } else {
            name
        };
        (Value::Variable(name), at + 1)
    } else if tokens.get(at + 1).and_then(Token::sign) == Some('(') {
        let inside = &tokens[at + 2..];
        let (inside, _) = split_at(inside, |token, depth| {
            depth == 0 && token.sign() == Some(')')
        });
        let argument = (!inside.is_empty()).then(|| Box::new(value(inside).0));
        let closed = (at + 3 + inside.len()).min(tokens.len());
        (Value::Call(name, argument), closed)
    } else {
        (Value::Column(name), at + 1)
    }
}

fn conditions(tokens: &[Token]) -> BTreeMap<String, Vec<Value>> {
    let mut filter: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let rest = &tokens[at + 1..];
        let column = token.word.clone();
        if column.is_empty() {
            continue;
        }
        if rest.first().and_then(Token::sign) == Some('=') {
            let (value, _) = value(&rest[1..]);
            if !matches!(value, Value::Column(_)) {
                filter.entry(column).or_default().push(value);
            }
        } else if rest.first().is_some_and(|token| token.word == "in") {
            let list = rest
                .iter()
                .skip(2)
                .take_while(|token| token.sign() != Some(')'));
            let values = list.filter(|token| token.kind != Kind::Sign);
            let values = values.map(|token| value(std::slice::from_ref(token)).0);
            filter.entry(column).or_default().extend(values);
        }
    }
    filter
}

/// Splits before the first token that `ends` says yes to; it is told how many brackets are open.
fn split_at(tokens: &[Token], ends: impl Fn(&Token, usize) -> bool) -> (&[Token], &[Token]) {
    let mut depth: usize = 0;
    let end = tokens.iter().position(|token| {
        if ends(token, depth) {
            return true;
        }
        match token.sign() {
            Some('(') => depth += 1,
            Some(')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        false
    });
    tokens.split_at(end.unwrap_or(tokens.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Select {
        match Statement::parse(text) {
            Statement::Select(select) => select,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn kills_in_every_form() {
        let kill = |query_only, id| Statement::Kill { query_only, id };
        assert_eq!(Statement::parse("KILL 3"), kill(false, Some(3)));
        assert_eq!(
            Statement::parse("kill connection '3';"),
            kill(false, Some(3))
        );
        assert_eq!(
            Statement::parse("/* a */ KILL QUERY 3221487617 /* by 'root' from ; */"),
            kill(true, Some(3_221_487_617))
        );
        assert_eq!(Statement::parse("KILL abc"), kill(false, None));
    }

    #[test]
    fn a_select_list_with_qualifiers_aliases_and_calls() {
        let select = parsed(
            "SELECT s.ID, `db` AS d, COUNT(*), host_ip(), s.* FROM oceanbase.V$OB_PROCESSLIST s",
        );
        let names: Vec<_> = select.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["ID", "d", "COUNT(*)", "host_ip()", "s.*"]);
        assert_eq!(
            select.items[2].value,
            Value::Call("count".into(), Some(Box::new(Value::All)))
        );
        assert_eq!(select.items[4].value, Value::All);
        assert_eq!(select.from.as_deref(), Some("oceanbase.v$ob_processlist"));
        assert_eq!(select.table(), Some("v$ob_processlist"));
    }

    #[test]
    fn conditions_with_text_hex_numbers_calls_and_lists() {
        let filter = parsed(
            "select * from mysql.user u where u.user = X'726f6f74' and host='%' and id = 7 \
             and svr_ip = host_ip() and db in ('a', 'b') and u.user = d.user limit 3",
        )
        .filter;
        let expected = [
            ("user", vec![Value::Text("root".into())]),
            ("host", vec![Value::Text("%".into())]),
            ("id", vec![Value::Number("7".into())]),
            ("svr_ip", vec![Value::Call("host_ip".into(), None)]),
            ("db", vec![Value::Text("a".into()), Value::Text("b".into())]),
        ];
        assert_eq!(
            filter,
            expected
                .map(|(column, values)| (column.to_owned(), values))
                .into()
        );
    }

    #[test]
    fn driver_queries_are_variables_with_or_without_scope() {
        let select = parsed("SELECT @@max_allowed_packet,@@session.Wait_Timeout LIMIT 1");
        assert_eq!(
            select.items[0].value,
            Value::Variable("max_allowed_packet".into())
        );
        assert_eq!(
            select.items[1].value,
            Value::Variable("wait_timeout".into())
        );
        assert_eq!(select.items[1].name, "@@session.Wait_Timeout");
        assert_eq!(select.limit, Some(1));
    }

    #[test]
    fn session_lists_are_known_in_each_form() {
        for text in [
            "select * from oceanbase.V$OB_PROCESSLIST",
            "show full processlist",
            "SELECT * FROM oceanbase.__all_virtual_processlist WHERE svr_ip = host_ip()",
        ] {
            assert!(Statement::parse(text).lists_sessions(), "{text}");
        }
        assert!(!Statement::parse("select * from oceanbase.__all_server").lists_sessions());
        assert!(Statement::parse("select * from oceanbase.__all_server").lists_servers());
    }
}
