//! MySQL's grammar as sqlparser is to read it.
//!
//! sqlparser's own MySQL dialect binds `||` as `*`, XOR above `=`, `^` below `+`, NOT's and the signs' operands
//! as in PostgreSQL. A WHERE that is read so picks other sessions than MySQL would, and they are killed. This
//! one has MySQL's precedence and is that dialect in all else. From what binds least to what binds most:
//!
//! ```text
//!   OR ||  <  XOR  <  AND &&  <  NOT  <  = <=> < > <> IS  <  LIKE REGEXP IN BETWEEN
//!          <  |  <  &  <  << >>  <  + -  <  * / DIV % MOD  <  ^  <  unary - + ~ ! BINARY
//! ```
//!
//! <https://dev.mysql.com/doc/refman/8.4/en/operator-precedence.html>, and the grammar in `sql_yacc.yy`, where
//! LIKE and its kin are predicates: operands of a comparison, never the other way round.

use std::any::TypeId;

use sqlparser::ast::{BinaryOperator, CastKind, DataType, Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// MySQL's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    /// Whether a backslash in a string escapes what follows it: not so with `NO_BACKSLASH_ESCAPES`.
    pub backslash_escapes: bool,
}

impl Default for Grammar {
    fn default() -> Self {
        Self {
            backslash_escapes: true,
        }
    }
}

const MYSQL: MySqlDialect = MySqlDialect {};

const OR: u8 = 5;
const XOR: u8 = 7;
const AND: u8 = 10;
const NOT: u8 = 15;
const COMPARISON: u8 = 20;
const PREDICATE: u8 = 22;
const BIT_OR: u8 = 25;
const BIT_AND: u8 = 26;
const SHIFT: u8 = 27;
const SUM: u8 = 30;
const PRODUCT: u8 = 40;
const BIT_XOR: u8 = 42;
const UNARY: u8 = 45;
const ACCESS: u8 = 90;
const PERIOD: u8 = 100;

/// Answers as sqlparser's MySQL dialect does.
macro_rules! as_mysql {
    ($($name:ident),+ $(,)?) => {
        $(fn $name(&self) -> bool { MYSQL.$name() })+
    };
}

impl Dialect for Grammar {
    /// What asks for MySQL's dialect by its type finds it.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        self.backslash_escapes
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Or => OR,
            Precedence::Xor => XOR,
            Precedence::And => AND,
            Precedence::UnaryNot => NOT,
            Precedence::Eq | Precedence::Is => COMPARISON,
            Precedence::Between | Precedence::Like => PREDICATE,
            Precedence::Pipe => BIT_OR,
            Precedence::Ampersand => BIT_AND,
            Precedence::PlusMinus => SUM,
            Precedence::MulDivModOp => PRODUCT,
            Precedence::Caret => BIT_XOR,
            Precedence::Colon
            | Precedence::PgOther
            | Precedence::AtTz
            | Precedence::DoubleColon => ACCESS,
            Precedence::Period => PERIOD,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let precedence = match &parser.peek_token_ref().token {
            Token::StringConcat => OR,
            Token::Overlap => AND,
            Token::ShiftLeft | Token::ShiftRight => SHIFT,
            token if is_mod(token) => PRODUCT,
            _ => return None,
        };
        Some(Ok(precedence))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let wrap: fn(Box<Expr>) -> Expr = match &parser.peek_token_ref().token {
            Token::Minus => |expr| unary(UnaryOperator::Minus, expr),
            Token::Plus => |expr| unary(UnaryOperator::Plus, expr),
            Token::Tilde => |expr| unary(UnaryOperator::BitwiseNot, expr),
            Token::ExclamationMark => |expr| unary(UnaryOperator::BangNot, expr),
            Token::DoubleExclamationMark => |expr| {
                let inner = unary(UnaryOperator::BangNot, expr);
                unary(UnaryOperator::BangNot, Box::new(inner))
            },
            Token::Word(word) if word.keyword == Keyword::BINARY => |expr| Expr::Cast {
                kind: CastKind::Cast,
                expr,
                data_type: DataType::Binary(None),
                format: None,
            },
            _ => return None,
        };
        parser.next_token();
        Some(parser.parse_subexpr(UNARY).map(|expr| wrap(Box::new(expr))))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if parser.parse_keyword(Keyword::BETWEEN) {
            return Some(between(parser, left, false));
        }
        if parser.parse_keywords(&[Keyword::NOT, Keyword::BETWEEN]) {
            return Some(between(parser, left, true));
        }
        for (words, negated) in [
            (&[Keyword::REGEXP][..], false),
            (&[Keyword::RLIKE], false),
            (&[Keyword::NOT, Keyword::REGEXP], true),
            (&[Keyword::NOT, Keyword::RLIKE], true),
        ] {
            if parser.parse_keywords(words) {
                return Some(regexp(parser, left, negated));
            }
        }
        let op = match &parser.peek_token_ref().token {
            Token::StringConcat => BinaryOperator::Or,
            token if is_mod(token) => BinaryOperator::Modulo,
            _ => return MYSQL.parse_infix(parser, left, precedence),
        };
        parser.next_token();
        Some(
            parser
                .parse_subexpr(precedence)
                .map(|right| Expr::BinaryOp {
                    left: Box::new(left.clone()),
                    op,
                    right: Box::new(right),
                }),
        )
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        MYSQL.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        MYSQL.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        MYSQL.is_delimited_identifier_start(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        MYSQL.identifier_quote_style(identifier)
    }

    fn supports_string_literal_table_alias(&self, explicit: bool) -> bool {
        MYSQL.supports_string_literal_table_alias(explicit)
    }

    fn is_table_factor_alias(&self, explicit: bool, word: &Keyword, parser: &mut Parser) -> bool {
        MYSQL.is_table_factor_alias(explicit, word, parser)
    }

    as_mysql!(
        supports_string_literal_concatenation,
        ignores_wildcard_escapes,
        supports_numeric_prefix,
        supports_literal_prefix_in_qualified_name,
        supports_bitwise_shift_operators,
        supports_singular_value_keyword,
        supports_multiline_comment_hints,
        require_interval_qualifier,
        supports_limit_comma,
        supports_create_table_select,
        supports_insert_set,
        supports_user_host_grantee,
        supports_table_hints,
        requires_single_line_comment_whitespace,
        supports_hash_comment,
        supports_match_against,
        supports_select_modifiers,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_cross_join_constraint,
        supports_double_ampersand_operator,
        supports_binary_kw_as_cast,
        supports_table_partitions,
        supports_comment_optimizer_hint,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_data_type_signed_suffix,
        supports_data_type_zerofill_suffix,
    );
}

/// `a BETWEEN low AND high`: `low` is no predicate, `high` may be one.
fn between(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    let low = parser.parse_subexpr(PREDICATE)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(COMPARISON)?;
    Ok(Expr::Between {
        expr: Box::new(expr.clone()),
        negated,
        low: Box::new(low),
        high: Box::new(high),
    })
}

/// `a REGEXP pattern`: sqlparser itself stumbles over NULL behind it.
fn regexp(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    let pattern = parser.parse_subexpr(PREDICATE)?;
    Ok(Expr::RLike {
        negated,
        expr: Box::new(expr.clone()),
        pattern: Box::new(pattern),
        regexp: true,
    })
}

fn unary(op: UnaryOperator, expr: Box<Expr>) -> Expr {
    Expr::UnaryOp { op, expr }
}

fn is_mod(token: &Token) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("MOD"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::tokenizer::Tokenizer;

    /// The tree of an expression; parentheses that were written are left out of it.
    fn tree(text: &str) -> Expr {
        let grammar = Grammar::default();
        let tokens = Tokenizer::new(&grammar, text).tokenize().expect(text);
        let mut parser = Parser::new(&grammar).with_tokens(tokens);
        let expr = parser
            .parse_expr()
            .unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(parser.peek_token().token, Token::EOF, "{text}");
        bare(expr)
    }

    fn bare(expr: Expr) -> Expr {
        let boxed = |expr: Box<Expr>| Box::new(bare(*expr));
        match expr {
            Expr::Nested(expr) => bare(*expr),
            Expr::BinaryOp { left, op, right } => Expr::BinaryOp {
                left: boxed(left),
                op,
                right: boxed(right),
            },
            Expr::UnaryOp { op, expr } => unary(op, boxed(expr)),
            Expr::IsNull(expr) => Expr::IsNull(boxed(expr)),
            Expr::IsTrue(expr) => Expr::IsTrue(boxed(expr)),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => Expr::Between {
                expr: boxed(expr),
                negated,
                low: boxed(low),
                high: boxed(high),
            },
            Expr::Like {
                negated,
                any,
                expr,
                pattern,
                escape_char,
            } => Expr::Like {
                negated,
                any,
                expr: boxed(expr),
                pattern: boxed(pattern),
                escape_char,
            },
            Expr::RLike {
                negated,
                expr,
                pattern,
                regexp,
            } => Expr::RLike {
                negated,
                expr: boxed(expr),
                pattern: boxed(pattern),
                regexp,
            },
            Expr::In {
                expr,
                target,
                negated,
                global,
            } => Expr::In {
                expr: boxed(expr),
                target,
                negated,
                global,
            },
            Expr::Cast {
                kind,
                expr,
                data_type,
                format,
            } => Expr::Cast {
                kind,
                expr: boxed(expr),
                data_type,
                format,
            },
            other => other,
        }
    }

    #[test]
    fn operators_bind_as_in_mysql() {
        for (written, meant) in [
            ("a || b && c", "a OR (b AND c)"),
            ("a || b = c", "a OR (b = c)"),
            ("a OR b || c", "(a OR b) OR c"),
            ("a XOR b = c", "a XOR (b = c)"),
            ("a OR b XOR c AND d", "a OR (b XOR (c AND d))"),
            ("a XOR b OR c", "(a XOR b) OR c"),
            ("a AND b XOR c", "(a AND b) XOR c"),
            ("NOT a = b", "NOT (a = b)"),
            ("NOT a AND b", "(NOT a) AND b"),
            ("NOT a XOR b", "(NOT a) XOR b"),
            ("NOT a BETWEEN b AND c", "NOT (a BETWEEN b AND c)"),
            ("NOT a LIKE b", "NOT (a LIKE b)"),
            ("NOT a IS NULL", "NOT (a IS NULL)"),
            ("NOT NOT a = b", "NOT (NOT (a = b))"),
            ("! a = b", "(! a) = b"),
            ("!a + b", "(!a) + b"),
            ("!!a", "!(!a)"),
            ("! a IS NULL", "(!a) IS NULL"),
            ("a = b LIKE c", "a = (b LIKE c)"),
            ("a LIKE b = c", "(a LIKE b) = c"),
            ("a = b REGEXP c", "a = (b REGEXP c)"),
            ("a RLIKE b = c", "(a REGEXP b) = c"),
            ("a NOT RLIKE NULL AND b", "(a NOT REGEXP (NULL)) AND b"),
            ("a = b IN (c)", "a = (b IN (c))"),
            ("a IN (b) = c", "(a IN (b)) = c"),
            ("a = b IS NULL", "(a = b) IS NULL"),
            ("a IS NULL = b", "(a IS NULL) = b"),
            ("a LIKE b IS NULL", "(a LIKE b) IS NULL"),
            ("a < b = c", "(a < b) = c"),
            ("a = b <=> c", "(a = b) <=> c"),
            ("a BETWEEN b AND c AND d", "(a BETWEEN b AND c) AND d"),
            (
                "a BETWEEN b + 1 AND c + 1 = d",
                "(a BETWEEN (b + 1) AND (c + 1)) = d",
            ),
            ("a BETWEEN b AND c IN (d)", "a BETWEEN b AND (c IN (d))"),
            ("a NOT BETWEEN b AND c OR d", "(a NOT BETWEEN b AND c) OR d"),
            ("a = b BETWEEN c AND d", "a = (b BETWEEN c AND d)"),
            ("a LIKE b | c", "a LIKE (b | c)"),
            ("a | b = c", "(a | b) = c"),
            ("a | b & c", "a | (b & c)"),
            ("a & b << c", "a & (b << c)"),
            ("a << b + c", "a << (b + c)"),
            ("a + b * c", "a + (b * c)"),
            ("a - b - c", "(a - b) - c"),
            ("a * b ^ c", "a * (b ^ c)"),
            ("a ^ b + c", "(a ^ b) + c"),
            ("a DIV b * c", "(a DIV b) * c"),
            ("a MOD b + c", "(a MOD b) + c"),
            ("a % b DIV c", "(a % b) DIV c"),
            ("a + b MOD c", "a + (b % c)"),
            ("-a ^ b", "(-a) ^ b"),
            ("-a * b", "(-a) * b"),
            ("- a + b", "(-a) + b"),
            ("~a & b", "(~a) & b"),
            ("~a + b", "(~a) + b"),
            ("BINARY a = b", "(BINARY a) = b"),
            ("a = BINARY b AND c", "(a = (BINARY b)) AND c"),
            ("a AND b IS TRUE", "a AND (b IS TRUE)"),
        ] {
            assert_eq!(tree(written), tree(meant), "{written}");
        }
    }

    #[test]
    fn both_quotes_are_strings_and_a_backslash_escapes_unless_it_is_text() {
        let strings = |grammar: Grammar, text: &str| -> Vec<String> {
            let tokens = Tokenizer::new(&grammar, text).tokenize().expect(text);
            let texts = tokens.into_iter().filter_map(|token| match token {
                Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => Some(text),
                _ => None,
            });
            texts.collect()
        };
        let escaping = Grammar::default();
        assert_eq!(strings(escaping, r#"'a\'b' "c\"d""#), ["a'b", "c\"d"]);
        assert_eq!(strings(escaping, r"'a\\b' '\%\_'"), [r"a\b", r"\%\_"]);
        let text = Grammar {
            backslash_escapes: false,
        };
        assert_eq!(strings(text, r#"'a\' "c\""#), [r"a\", r"c\"]);
    }
}
