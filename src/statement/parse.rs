//! The door to sqlparser: a statement's tokens, read by the grammar of each statement's own file.
//!
//! Only statements that [`keywords::route`](super::keywords::route) has sent to the console come here, so
//! that what cannot be read is a near miss, and the error says the right form.

use sqlparser::ast::{Expr, OrderByExpr, Query};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::dialect::Grammar;
use super::placeholders::{self, Parameters};
use super::size;
use super::{
    Diagnostics, ExplainKill, Kill, KillMany, Schema, Select, ServerRef, SessionId,
    ShowServerSessions, ShowServers, ShowWarden, Statement,
};
use crate::mask::mask;
use crate::wire::answer::SqlError;

/// A statement that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It has not the form of any statement.
    #[error("You have an error in your SQL syntax near '{near}'; the right form is: {form}")]
    Syntax {
        /// Where it goes wrong.
        near: String,
        /// The form that comes nearest.
        form: &'static str,
    },
    /// An expression, or a SELECT, cannot be read.
    #[error("You have an error in your SQL syntax: {0}")]
    Expression(String),
    /// A placeholder where none can be.
    #[error(
        "You have an error in your SQL syntax near '{0}': a placeholder is a '?' of its own, in a prepared statement"
    )]
    NoPlaceholder(String),
    /// A prepared statement with more placeholders than can be counted in the protocol.
    #[error("Prepared statement contains too many placeholders: {0}")]
    TooManyPlaceholders(usize),
    /// Parameters for other placeholders than there are.
    #[error("Incorrect arguments to EXECUTE: {given} parameters for {wanted} placeholders")]
    ParameterCount {
        /// How many there are.
        given: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// Where a server should be named, none is.
    #[error("'{0}' is no server's address; write 10.10.10.1, 10.10.10.1:2881 or '[fe80::1]:2881'")]
    NoAddress(String),
    /// What a timeout should be, is none.
    #[error("'{0}' is no timeout; write seconds, from 0.001 to 3600")]
    NoTimeout(String),
    /// Where a session's id should be, none is.
    #[error("'{0}' is no session id; ids are whole numbers from 1 to 4294967295")]
    NoSessionId(String),
    /// A reason that is longer than what goes along with a KILL.
    #[error("a reason of {chars} characters is too long; it may have {chars_max}")]
    ReasonTooLong {
        /// How long it is.
        chars: usize,
        /// How long it may be.
        chars_max: usize,
    },
}

impl ParseError {
    /// The error as the client reads it.
    pub fn to_sql(&self) -> SqlError {
        let code = match self {
            Self::Syntax { .. } | Self::Expression(_) | Self::NoPlaceholder(_) => ER_PARSE_ERROR,
            Self::TooManyPlaceholders(_) => ER_PS_MANY_PARAM,
            Self::ParameterCount { .. }
            | Self::NoAddress(_)
            | Self::NoTimeout(_)
            | Self::NoSessionId(_)
            | Self::ReasonTooLong { .. } => ER_WRONG_ARGUMENTS,
        };
        SqlError::new(code, self.to_string())
    }
}

const ER_PARSE_ERROR: u16 = 1064;
const ER_WRONG_ARGUMENTS: u16 = 1210;
const ER_PS_MANY_PARAM: u16 = 1390;

/// A statement that is being prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// As far as it can be known, with stand-ins for its parameters.
    pub statement: Statement,
    /// How many parameters it takes.
    pub placeholders: u16,
}

/// Reads a statement that is not prepared, with MySQL's usual grammar.
pub fn parse(text: &str) -> Result<Statement, ParseError> {
    parse_with(text, Grammar::default(), Parameters::None)
}

/// Reads a statement with what stands for its placeholders.
pub fn parse_with(
    text: &str,
    grammar: Grammar,
    parameters: Parameters<'_>,
) -> Result<Statement, ParseError> {
    let tokens = placeholders::fill(tokens(text, grammar)?, parameters)?;
    read(tokens, grammar)
}

/// Reads a statement that is being prepared.
pub fn parse_prepared(text: &str, grammar: Grammar) -> Result<Prepared, ParseError> {
    let tokens = placeholders::fill(tokens(text, grammar)?, Parameters::Unknown)?;
    let count = placeholders::count(&tokens);
    let placeholders = u16::try_from(count).map_err(|_| ParseError::TooManyPlaceholders(count))?;
    Ok(Prepared {
        statement: read(tokens, grammar)?,
        placeholders,
    })
}

fn tokens(text: &str, grammar: Grammar) -> Result<Vec<Token>, ParseError> {
    let tokens = Tokenizer::new(&grammar, text)
        .tokenize()
        .map_err(|error| ParseError::Syntax {
            near: error.to_string(),
            form: ShowServerSessions::FORM,
        })?;
    size::check(&tokens)?;
    Ok(tokens)
}

fn read(tokens: Vec<Token>, grammar: Grammar) -> Result<Statement, ParseError> {
    let mut reader = Reader {
        parser: Parser::new(&grammar).with_tokens(tokens),
    };
    if reader.word("KILL") {
        return parse_kill(&mut reader);
    }
    if reader.word("SHOW") {
        return parse_show(&mut reader);
    }
    if reader.word("EXPLAIN") || reader.word("DESCRIBE") || reader.word("DESC") {
        if reader.peek_is("KILL") {
            return ExplainKill::parse(&mut reader).map(Statement::ExplainKill);
        }
        return Schema::parse_describe(&mut reader).map(Statement::Schema);
    }
    if reader.word("USE") {
        return Schema::parse_use(&mut reader).map(Statement::Schema);
    }
    if reader.selects_variable() {
        return Diagnostics::parse(&mut reader).map(Statement::Diagnostics);
    }
    Select::parse(&mut reader).map(Statement::Select)
}

/// What follows `KILL`.
fn parse_kill(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    if !reader.word("SERVER") {
        return Kill::parse_by_id(reader).map(Statement::Kill);
    }
    match KillMany::parse(reader)? {
        Some(many) => Ok(Statement::KillMany(many)),
        None => Kill::parse_named(reader).map(Statement::Kill),
    }
}

/// What follows `SHOW`.
fn parse_show(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let is_next = |words: &[&str]| words.iter().any(|word| reader.peek_is(word));
    if is_next(&["WARNINGS", "ERRORS", "COUNT"]) {
        return Diagnostics::parse(reader).map(Statement::Diagnostics);
    }
    if is_next(&["SERVERS"]) {
        return ShowServers::parse(reader).map(Statement::ShowServers);
    }
    if is_next(&["WARDEN"]) {
        return ShowWarden::parse(reader).map(Statement::ShowWarden);
    }
    if is_next(&["SERVER", "ACTIVE"]) || reader.peek_second_is("SERVER") {
        return ShowServerSessions::parse(reader).map(Statement::ShowServerSessions);
    }
    Schema::parse_show(reader).map(Statement::Schema)
}

/// The tokens of one statement, as the grammars read them.
pub(super) struct Reader<'a> {
    parser: Parser<'a>,
}

impl Reader<'_> {
    /// Takes the next token if it is the word `expected`, in any letter case.
    pub(super) fn word(&mut self, expected: &str) -> bool {
        let found = self.peek_is(expected);
        if found {
            self.parser.next_token();
        }
        found
    }

    /// Whether the next token is the word `expected`, in any letter case and without quotes.
    pub(super) fn peek_is(&self, expected: &str) -> bool {
        is_word(&self.parser.peek_token_ref().token, expected)
    }

    /// The same of the token after the next one.
    pub(super) fn peek_second_is(&self, expected: &str) -> bool {
        is_word(&self.parser.peek_nth_token_ref(1).token, expected)
    }

    /// Whether a SELECT comes next, or what may begin one.
    pub(super) fn begins_query(&self) -> bool {
        self.peek_is("SELECT")
            || self.peek_is("WITH")
            || self.parser.peek_token_ref().token == Token::LParen
    }

    /// Whether a SELECT of a variable comes next, and no other.
    pub(super) fn selects_variable(&self) -> bool {
        let second = &self.parser.peek_nth_token_ref(1).token;
        self.peek_is("SELECT") && second.to_string().starts_with('@')
    }

    /// Takes a name, in backticks or not.
    pub(super) fn name(&mut self) -> Option<String> {
        let Token::Word(word) = self.parser.peek_token().token else {
            return None;
        };
        self.parser.next_token();
        Some(word.value)
    }

    /// Takes the next token if it is a period.
    pub(super) fn period(&mut self) -> bool {
        self.token(&Token::Period)
    }

    /// A server: its address, with or without a port.
    pub(super) fn server(&mut self, form: &'static str) -> Result<ServerRef, ParseError> {
        if self.placeholder() {
            return Ok(ServerRef::STAND_IN);
        }
        let text = self.glued();
        if text.is_empty() {
            return Err(self.syntax(form));
        }
        ServerRef::parse(&text).ok_or(ParseError::NoAddress(text))
    }

    /// A session's id.
    pub(super) fn session_id(&mut self, form: &'static str) -> Result<SessionId, ParseError> {
        if self.placeholder() {
            return Ok(SessionId::STAND_IN);
        }
        let text = self.glued();
        if text.is_empty() {
            return Err(self.syntax(form));
        }
        SessionId::parse(&text).ok_or(ParseError::NoSessionId(text))
    }

    /// Takes the next token if it is a placeholder. Its value is not known yet: something must stand in for it
    /// for as long as the statement is only prepared.
    pub(super) fn placeholder(&mut self) -> bool {
        let found = matches!(self.parser.peek_token_ref().token, Token::Placeholder(_));
        if found {
            self.parser.next_token();
        }
        found
    }

    /// Takes the next token if it is `expected`.
    pub(super) fn token(&mut self, expected: &Token) -> bool {
        self.parser.consume_token(expected)
    }

    /// Takes the next token if it is a comma.
    pub(super) fn comma(&mut self) -> bool {
        self.token(&Token::Comma)
    }

    /// An expression.
    pub(super) fn expression(&mut self) -> Result<Expr, ParseError> {
        self.parser.parse_expr().map_err(unread)
    }

    /// What follows `ORDER BY`.
    pub(super) fn order_by(&mut self) -> Result<Vec<OrderByExpr>, ParseError> {
        let by = self
            .parser
            .parse_comma_separated(Parser::parse_order_by_expr);
        by.map_err(unread)
    }

    /// A SELECT.
    pub(super) fn query(&mut self) -> Result<Box<Query>, ParseError> {
        self.parser.parse_query().map_err(unread)
    }

    /// Takes what stands up to the next white space, comment, comma, or the statement's end; or the contents
    /// of a quoted string. sqlparser splits `10.10.10.1` into three numbers: what touches belongs together.
    pub(super) fn glued(&mut self) -> String {
        if let Some(text) = self.quoted_text() {
            return text;
        }
        if matches!(
            self.parser.peek_token().token,
            Token::EOF | Token::SemiColon | Token::Comma
        ) {
            return String::new();
        }
        let mut glued = self.parser.next_token().token.to_string();
        loop {
            match self.parser.peek_token_no_skip().token {
                Token::Whitespace(_) | Token::EOF | Token::SemiColon | Token::Comma => {
                    return glued;
                }
                token => {
                    glued.push_str(&token.to_string());
                    self.parser.next_token_no_skip();
                }
            }
        }
    }

    /// The contents of a quoted string; of a placeholder none.
    pub(super) fn quoted(&mut self) -> Option<String> {
        if self.placeholder() {
            return Some(String::new());
        }
        self.quoted_text()
    }

    fn quoted_text(&mut self) -> Option<String> {
        match self.parser.peek_token().token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                self.parser.next_token();
                Some(text)
            }
            _ => None,
        }
    }

    /// An unsigned number; 1 for a placeholder. In quotes, too: many a driver sends parameters as texts.
    pub(super) fn number(&mut self) -> Option<u64> {
        if self.placeholder() {
            return Some(1);
        }
        let digits = match &self.parser.peek_token_ref().token {
            Token::Number(digits, _) | Token::SingleQuotedString(digits) => digits,
            _ => return None,
        };
        let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_digits)?;
        self.parser.next_token();
        Some(number)
    }

    /// Ends the statement: any number of `;`, and nothing else.
    pub(super) fn end(&mut self, form: &'static str) -> Result<(), ParseError> {
        while self.parser.consume_token(&Token::SemiColon) {}
        match self.parser.peek_token().token {
            Token::EOF => Ok(()),
            _ => Err(self.syntax(form)),
        }
    }

    /// The error that what comes next is not `form`.
    pub(super) fn syntax(&mut self, form: &'static str) -> ParseError {
        let mut near = String::new();
        while near.len() < NEAR_BYTES {
            match self
                .parser
                .next_token_no_skip()
                .map(|token| token.token.clone())
            {
                None | Some(Token::EOF) => break,
                Some(Token::Whitespace(
                    Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
                )) => {}
                Some(token) => near.push_str(&token.to_string()),
            }
        }
        ParseError::Syntax {
            // Applications log the errors that they get.
            near: mask(near.trim()).into_owned(),
            form,
        }
    }
}

fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// sqlparser's error, as the client reads it.
fn unread(error: ParserError) -> ParseError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    // Applications log the errors that they get.
    ParseError::Expression(mask(&text).into_owned())
}

/// About how much of the statement an error shows, in bytes.
const NEAR_BYTES: usize = 60;
