//! How large a statement may be. A long chain of operators is a deep tree, and what copies, compares or drops it
//! goes down all its steps: one that is too deep would end the process.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::parse::ParseError;

/// Refuses a statement of too many operators.
pub(super) fn check(tokens: &[Token]) -> Result<(), ParseError> {
    let count = |counts: fn(&Token) -> bool| tokens.iter().filter(|token| counts(token)).count();
    if count(is_operator) > OPERATORS_MAX {
        return Err(ParseError::Expression(format!(
            "it has more than {OPERATORS_MAX} operators; IN (...) takes any number of values"
        )));
    }
    if count(joins_selects) > UNIONS_MAX {
        return Err(ParseError::Expression(format!(
            "it has more than {UNIONS_MAX} UNIONs"
        )));
    }
    Ok(())
}

/// Operators in a statement. Each makes the tree one step deeper at most.
const OPERATORS_MAX: usize = 300;

/// The same of SELECTs, of which a step is larger.
const UNIONS_MAX: usize = 50;

/// Whether SELECTs on both sides of a token become one.
fn joins_selects(token: &Token) -> bool {
    matches!(token, Token::Word(word) if matches!(
        word.keyword,
        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS
    ))
}

/// Whether expressions on both sides of a token become one.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::REGEXP
                | Keyword::RLIKE
                | Keyword::BETWEEN
                | Keyword::DIV
                | Keyword::MOD
        ),
        Token::Minus
        | Token::Plus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::Pipe
        | Token::Ampersand
        | Token::Caret
        | Token::ShiftLeft
        | Token::ShiftRight
        | Token::StringConcat
        | Token::Overlap
        | Token::Eq
        | Token::DoubleEq
        | Token::Neq
        | Token::Lt
        | Token::LtEq
        | Token::Gt
        | Token::GtEq
        | Token::Spaceship
        | Token::Assignment
        | Token::Arrow
        | Token::LongArrow => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;

    #[test]
    fn a_chain_of_operators_has_a_limit_and_one_within_it_can_be_copied() {
        for operator in ["OR", "=", "+", "IS NULL AND", "DIV", "LIKE"] {
            let chain = |count: usize| {
                let words = operator.split(' ').filter(|word| *word != "NULL").count();
                let chain = format!(" {operator} 1").repeat(count / words);
                format!("SELECT 1{chain} FROM obwarden.servers")
            };
            let read = parse(&chain(OPERATORS_MAX)).expect(operator);
            assert_eq!(read.clone(), read, "{operator}");
            let error = parse(&chain(OPERATORS_MAX + 2)).map(|_| ()).unwrap_err();
            assert_eq!(error.to_sql().code, 1064, "{operator}: {error}");
        }
        let list = "1,".repeat(100_000);
        let many = format!("SHOW SERVER SESSIONS WHERE Id IN ({list} 2)");
        assert!(parse(&many).is_ok());
        let unions = |count: usize| {
            let unions = " UNION SELECT 1 FROM obwarden.servers".repeat(count);
            parse(&format!("SELECT 2{unions}"))
        };
        let read = unions(UNIONS_MAX).expect("a union");
        assert_eq!(read.clone(), read);
        let error = unions(UNIONS_MAX + 1).map(|_| ()).unwrap_err();
        assert_eq!(error.to_sql().code, 1064, "{error}");
    }
}
