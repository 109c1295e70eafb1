//! The placeholders (`?`) of a prepared statement, and what is put in their places.
//!
//! A value takes its placeholder's place among the statement's tokens, before any grammar sees them. It is one
//! literal there, whatever is in it: nothing that a client sends as a value can become syntax.

use sqlparser::tokenizer::{Token, Whitespace};

use super::lexemes::{Lexeme, Lexemes};
use super::parse::ParseError;
use crate::wire::parameter::Parameter;

/// What stands for the placeholders of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters<'a> {
    /// It is no prepared statement: it has none.
    None,
    /// It is being prepared: they are not known yet.
    Unknown,
    /// It is being executed with these, in their order.
    Known(&'a [Parameter]),
}

impl<'a> Parameters<'a> {
    /// Those that are known.
    pub fn known(self) -> &'a [Parameter] {
        match self {
            Self::Known(parameters) => parameters,
            Self::None | Self::Unknown => &[],
        }
    }
}

/// A placeholder as sqlparser has it. What it has else of that kind (`?1`, `$1`) is none of MySQL's.
const PLACEHOLDER: &str = "?";

/// Puts the parameters in the places of the placeholders.
///
/// # Errors
/// When there are more or fewer of the one than of the other.
pub(super) fn fill(
    tokens: Vec<Token>,
    parameters: Parameters<'_>,
) -> Result<Vec<Token>, ParseError> {
    let mut filled = Vec::with_capacity(tokens.len());
    let mut wanted = 0;
    for token in tokens {
        let Token::Placeholder(name) = &token else {
            filled.push(token);
            continue;
        };
        if name != PLACEHOLDER || parameters == Parameters::None {
            return Err(ParseError::NoPlaceholder(name.clone()));
        }
        // What touches belongs together, but a value is always one of its own.
        filled.push(Token::Whitespace(Whitespace::Space));
        match parameters {
            Parameters::Known(known) => {
                filled.extend(known.get(wanted).map_or_else(Vec::new, literal));
            }
            Parameters::Unknown | Parameters::None => filled.push(token),
        }
        filled.push(Token::Whitespace(Whitespace::Space));
        wanted += 1;
    }
    match parameters {
        Parameters::Known(known) if known.len() != wanted => Err(ParseError::ParameterCount {
            given: known.len(),
            wanted,
        }),
        _ => Ok(filled),
    }
}

/// A value as the tokens of one literal. A number below zero is in parentheses: a sign binds less than some
/// operators do.
fn literal(parameter: &Parameter) -> Vec<Token> {
    match parameter {
        Parameter::Null => vec![Token::make_keyword("NULL")],
        Parameter::Text(text) => vec![Token::SingleQuotedString(text.clone())],
        Parameter::Number(number) => match number.strip_prefix('-') {
            None => vec![Token::Number(number.clone(), false)],
            Some(number) => vec![
                Token::LParen,
                Token::Minus,
                Token::Number(number.to_owned(), false),
                Token::RParen,
            ],
        },
    }
}

/// How many placeholders a statement has.
pub(super) fn count(tokens: &[Token]) -> usize {
    let is_placeholder = |token: &&Token| matches!(token, Token::Placeholder(_));
    tokens.iter().filter(is_placeholder).count()
}

/// A statement's text with the parameters in the places of its placeholders, for those who read what was run.
pub fn filled(text: &str, parameters: &[Parameter]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut parameters = parameters.iter();
    let mut lexemes = Lexemes::new(text.as_bytes(), true);
    let mut done = 0;
    while let Ok(Some(lexeme)) = lexemes.next() {
        if lexeme != Lexeme::Symbol(b'?') {
            continue;
        }
        let Some(parameter) = parameters.next() else {
            break;
        };
        let behind = text.len() - lexemes.rest_bytes();
        filled.push_str(&text[done..behind - 1]);
        match parameter {
            Parameter::Null => filled.push_str("NULL"),
            Parameter::Number(number) => filled.push_str(number),
            Parameter::Text(value) => {
                let value = value.replace('\\', r"\\").replace('\'', "''");
                filled.push_str(&format!("'{value}'"));
            }
        }
        done = behind;
    }
    filled.push_str(&text[done..]);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Grammar, Kill, Statement, parse, parse_prepared, parse_with};

    fn number(digits: &str) -> Parameter {
        Parameter::Number(digits.to_owned())
    }

    fn text(text: &str) -> Parameter {
        Parameter::Text(text.to_owned())
    }

    fn executed(statement: &str, parameters: &[Parameter]) -> Result<Statement, ParseError> {
        parse_with(statement, Grammar::default(), Parameters::Known(parameters))
    }

    #[test]
    fn an_executed_statement_is_the_one_with_literals() {
        for (prepared, parameters, literal) in [
            (
                "KILL SERVER SESSION ? ?",
                vec![text("10.10.10.1:2881"), number("7")],
                "KILL SERVER SESSION 10.10.10.1:2881 7",
            ),
            (
                "KILL SERVER QUERY ? ? COMMENT ?",
                vec![text("[fe80::1]:2882"), text("3221812197"), text("it's")],
                "KILL SERVER QUERY '[fe80::1]:2882' 3221812197 COMMENT 'it''s'",
            ),
            (
                "KILL SERVER SESSION 10.0.0.1:2881/*?*/?",
                vec![number("7")],
                "KILL SERVER SESSION 10.0.0.1:2881 7",
            ),
            (
                "SHOW SERVER SESSIONS FROM ?, ? WHERE User = ? LIMIT ?, ? TIMEOUT ?",
                vec![
                    text("10.0.0.1"),
                    text("10.0.0.2"),
                    text("app"),
                    number("5"),
                    text("10"),
                    number("1.5e0"),
                ],
                "SHOW SERVER SESSIONS FROM 10.0.0.1, 10.0.0.2 WHERE User = 'app' LIMIT 5, 10 TIMEOUT 1.5",
            ),
            (
                "SHOW SERVERS WHERE Id > ? AND Zone <> '?' AND `?` <=> ?",
                vec![number("-2"), Parameter::Null],
                "SHOW SERVERS WHERE Id > (-2) AND Zone <> '?' AND `?` <=> NULL",
            ),
        ] {
            let expected = parse(literal);
            assert!(expected.is_ok(), "{literal}: {expected:?}");
            assert_eq!(executed(prepared, &parameters), expected, "{prepared}");
        }
    }

    #[test]
    fn a_value_is_a_value_whatever_is_in_it() {
        let evil = r"x' OR '1'='1' -- \";
        let statement = executed("SHOW SERVERS WHERE Zone = ?", &[text(evil)]).unwrap();
        let Statement::ShowServers(show) = statement else {
            panic!("{statement:?}");
        };
        let filter = format!("{:?}", show.pick.filter.unwrap());
        assert!(
            filter.contains("op: Eq") && !filter.contains("op: Or"),
            "{filter}"
        );
        // Of two numbers that touch the second would be a part of the first.
        for address in [
            "KILL SERVER SESSION 10.0.0.1? 7",
            "KILL SERVER SESSION 10.0.0.?1 7",
        ] {
            let killed = executed(address, &[number("1")]);
            assert!(killed.is_err(), "{killed:?}");
        }
        for server in [number("1"), Parameter::Null, text(""), text("10.0.0.1 5")] {
            let killed = executed("KILL SERVER SESSION ? 7", &[server]);
            assert!(killed.is_err(), "{killed:?}");
        }
        for id in [
            number("-7"),
            number("0"),
            text("7; 8"),
            number("1e9"),
            Parameter::Null,
        ] {
            let killed = executed("KILL SERVER SESSION 10.0.0.1 ?", &[id]);
            assert_eq!(killed.unwrap_err().to_sql().code, 1210);
        }
    }

    #[test]
    fn what_is_prepared_is_read_before_its_values_are_known() {
        for (statement, placeholders) in [
            ("KILL SERVER SESSION ? ? COMMENT ?", 3),
            (
                "SHOW SERVER SESSIONS IN ?, 10.0.0.1 WHERE a = ? ORDER BY b LIMIT ? OFFSET ? TIMEOUT ?",
                5,
            ),
            (
                "SELECT ?, a FROM obwarden.servers WHERE a IN (?, ?) LIMIT ?",
                4,
            ),
            ("KILL SERVER SESSIONS WHERE Time > ? LIMIT ? COMMENT ?", 3),
            ("EXPLAIN KILL SERVER QUERY ? ?", 2),
            ("SHOW SERVERS WHERE Zone = '?' -- ?", 0),
        ] {
            let prepared = parse_prepared(statement, Grammar::default());
            let prepared = prepared.unwrap_or_else(|error| panic!("{statement}: {error}"));
            assert_eq!(prepared.placeholders, placeholders, "{statement}");
        }
        for statement in [
            "KILL SERVER ? 10.0.0.1 5",
            "SHOW SERVERS WHERE a IS ?",
            "SHOW SERVERS ?",
        ] {
            let error = parse_prepared(statement, Grammar::default()).unwrap_err();
            assert_eq!(error.to_sql().code, 1064, "{statement}");
        }
        assert!(parse_prepared("KILL SERVER SESSION 10.0.0.1 0", Grammar::default()).is_err());
    }

    #[test]
    fn a_placeholder_outside_of_a_prepared_statement_is_a_syntax_error() {
        for statement in ["KILL SERVER SESSION ? 7", "SHOW SERVERS WHERE Id = ?"] {
            assert_eq!(parse(statement).unwrap_err().to_sql().code, 1064);
        }
        assert!(parse("SHOW SERVERS WHERE Zone = '?' /* ? */").is_ok());
        let numbered = parse_prepared("SHOW SERVERS WHERE Id = ?1", Grammar::default());
        assert_eq!(numbered.unwrap_err().to_sql().code, 1064);
    }

    #[test]
    fn parameters_more_or_fewer_than_placeholders_are_wrong_arguments() {
        for parameters in [vec![], vec![number("1")], vec![number("1"); 3]] {
            let error = executed("SHOW SERVERS LIMIT ?, ?", &parameters).unwrap_err();
            assert_eq!(error.to_sql().code, 1210, "{error}");
        }
    }

    #[test]
    fn more_placeholders_than_the_protocol_can_count_are_too_many() {
        let with = |count: usize| {
            let list = vec!["?"; count].join(",");
            parse_prepared(
                &format!("SHOW SERVERS WHERE Id IN ({list})"),
                Grammar::default(),
            )
        };
        assert_eq!(with(65_535).unwrap().placeholders, u16::MAX);
        assert_eq!(with(65_536).unwrap_err().to_sql().code, 1390);
    }

    #[test]
    fn the_text_of_what_was_run_has_the_values_in_it_and_reads_as_the_same() {
        let statement = "KILL SERVER SESSION /* ? */ ? ? COMMENT ? -- ?";
        let parameters = [text("10.0.0.1"), number("7"), text(r"C:\ isn't '?'")];
        let filled = filled(statement, &parameters);
        let expected = r"KILL SERVER SESSION /* ? */ '10.0.0.1' 7 COMMENT 'C:\\ isn''t ''?''' -- ?";
        assert_eq!(filled, expected);
        let Ok(Statement::Kill(Kill { reason, .. })) = parse(&filled) else {
            panic!("{filled}");
        };
        assert_eq!(reason.unwrap().as_str(), r"C:\ isn't '?'");
        assert_eq!(parse(&filled), executed(statement, &parameters));
    }
}
