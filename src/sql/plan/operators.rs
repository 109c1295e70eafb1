//! Operators: logic, comparison, arithmetic and bits.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::expression::{bare, compared};
use super::fragment::{Fragment, Type};
use super::planner::{Place, Planner};
use super::refusal::not_evaluated;
use super::time::interval_of;
use crate::sql::decimal::SCALE_MAX;
use crate::wire::answer::SqlError;

impl Planner<'_> {
    pub(super) fn binary(
        &mut self,
        place: Place<'_>,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
    ) -> Result<Fragment, SqlError> {
        match op {
            BinaryOperator::And => self.chain(place, left, op, right, " AND "),
            BinaryOperator::Or => self.chain(place, left, op, right, " OR "),
            BinaryOperator::Eq
                if matches!((bare(left), bare(right)), (Expr::Tuple(_), Expr::Tuple(_))) =>
            {
                let Expr::Tuple(left) = bare(left) else {
                    return Err(not_evaluated("a comparison of rows"));
                };
                let equal = self.tuple_equals(place, left, right)?;
                Ok(Fragment::truth_of(equal))
            }
            BinaryOperator::Plus | BinaryOperator::Minus
                if matches!(bare(right), Expr::Interval(_)) =>
            {
                let moment = self.expression(place, left)?;
                let interval = interval_of(right)?;
                self.moved(place, &moment, interval, *op == BinaryOperator::Minus)
            }
            BinaryOperator::Plus if matches!(bare(left), Expr::Interval(_)) => {
                let moment = self.expression(place, right)?;
                let interval = interval_of(left)?;
                self.moved(place, &moment, interval, false)
            }
            _ => {
                let left = self.expression(place, left)?;
                let right = self.expression(place, right)?;
                infix(left, op, right)
            }
        }
    }

    /// `a AND b AND c`: read as one chain, however long, and written as a flat tree.
    fn chain(
        &mut self,
        place: Place<'_>,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        word: &str,
    ) -> Result<Fragment, SqlError> {
        let mut terms = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp {
            left,
            op: next,
            right,
        } = bare(rest)
            && next == op
        {
            terms.push(right);
            rest = left;
        }
        terms.push(rest);
        let mut conditions = Vec::with_capacity(terms.len());
        for term in terms.into_iter().rev() {
            conditions.push(self.condition(place, term)?);
        }
        Ok(Fragment::truth_of(balanced(&conditions, word)))
    }

    pub(super) fn unary(
        &mut self,
        place: Place<'_>,
        op: UnaryOperator,
        expr: &Expr,
    ) -> Result<Fragment, SqlError> {
        let fragment = self.expression(place, expr)?;
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => Ok(Fragment::truth_of(format!(
                "(NOT {})",
                fragment.as_truth()?
            ))),
            UnaryOperator::Plus => Ok(fragment),
            UnaryOperator::Minus => negative(fragment),
            UnaryOperator::BitwiseNot => Ok(Fragment::new(
                format!("my_bit_not({})", fragment.as_whole()?),
                Type::Unsigned,
            )),
            other => Err(not_evaluated(format_args!("the operator {other}"))),
        }
    }
}

/// Conditions as a tree of no more depth than it needs: SQLite has a limit.
pub(super) fn balanced(conditions: &[String], word: &str) -> String {
    match conditions {
        [] => "0".to_owned(),
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            format!("({}{word}{})", balanced(left, word), balanced(right, word))
        }
    }
}

fn infix(left: Fragment, op: &BinaryOperator, right: Fragment) -> Result<Fragment, SqlError> {
    let comparison = match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        BinaryOperator::Spaceship => "IS",
        BinaryOperator::Xor => {
            let (left, right) = (left.as_truth()?, right.as_truth()?);
            return Ok(Fragment::truth_of(format!("(({left}<>0)<>({right}<>0))")));
        }
        BinaryOperator::BitwiseOr => return bits("my_bit_or", &left, &right),
        BinaryOperator::BitwiseAnd => return bits("my_bit_and", &left, &right),
        BinaryOperator::BitwiseXor => return bits("my_bit_xor", &left, &right),
        BinaryOperator::PGBitwiseShiftLeft => return bits("my_shift_left", &left, &right),
        BinaryOperator::PGBitwiseShiftRight => return bits("my_shift_right", &left, &right),
        _ => return arithmetic(left, op, right),
    };
    Ok(Fragment::truth_of(compared(&left, comparison, &right)?))
}

fn bits(function: &str, left: &Fragment, right: &Fragment) -> Result<Fragment, SqlError> {
    let (left, right) = (left.as_whole()?, right.as_whole()?);
    Ok(Fragment::new(
        format!("{function}({left},{right})"),
        Type::Unsigned,
    ))
}

/// Arithmetic is done on numbers of binary precision when one side is such a number or a text, else on
/// decimals when one side is such or the operator is `/`, else on whole numbers.
pub(super) fn arithmetic(
    left: Fragment,
    op: &BinaryOperator,
    right: Fragment,
) -> Result<Fragment, SqlError> {
    let (left, right) = (left.into_number()?, right.into_number()?);
    if left.kind == Type::Real || right.kind == Type::Real {
        return real(&left, op, &right);
    }
    let is_decimal = |fragment: &Fragment| matches!(fragment.kind, Type::Decimal { .. });
    if *op == BinaryOperator::Divide || is_decimal(&left) || is_decimal(&right) {
        return on_decimals(&left, op, &right);
    }
    let kind = match op {
        BinaryOperator::Modulo => left.kind,
        _ => [left.kind, right.kind]
            .into_iter()
            .find(|kind| *kind == Type::Unsigned)
            .unwrap_or(Type::Signed),
    };
    let function = match op {
        BinaryOperator::Plus => "my_add",
        BinaryOperator::Minus => "my_subtract",
        BinaryOperator::Multiply => "my_multiply",
        BinaryOperator::MyIntegerDivide => "my_divide",
        BinaryOperator::Modulo => "my_modulo",
        other => return Err(not_evaluated(format_args!("the operator {other}"))),
    };
    let unsigned = u8::from(kind == Type::Unsigned);
    Ok(Fragment::new(
        format!("{function}({},{},{unsigned})", left.sql, right.sql),
        kind,
    ))
}

fn real(left: &Fragment, op: &BinaryOperator, right: &Fragment) -> Result<Fragment, SqlError> {
    let (left, right) = (left.as_real()?, right.as_real()?);
    let sign = match op {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => {
            let sql = format!("my_real_modulo({left},{right})");
            return Ok(Fragment::new(sql, Type::Real));
        }
        BinaryOperator::MyIntegerDivide => {
            let sql = format!("my_real_divide({left},{right})");
            return Ok(Fragment::new(sql, Type::Signed));
        }
        other => return Err(not_evaluated(format_args!("the operator {other}"))),
    };
    Ok(Fragment::new(
        format!("my_finite({left}{sign}{right})"),
        Type::Real,
    ))
}

fn on_decimals(
    left: &Fragment,
    op: &BinaryOperator,
    right: &Fragment,
) -> Result<Fragment, SqlError> {
    let (scales, carried) = (
        [left.kind.scale(), right.kind.scale()],
        [left.kind.carried(), right.kind.carried()],
    );
    let common = carried[0].max(carried[1]);
    let aligned = |function: &str| -> Result<String, SqlError> {
        let (left, right) = (left.as_decimal(common)?, right.as_decimal(common)?);
        Ok(format!("{function}({left},{right})"))
    };
    let kind = Type::Decimal {
        scale: scales[0].max(scales[1]),
        carried: common,
    };
    match op {
        BinaryOperator::Plus => Ok(Fragment::new(aligned("my_decimal_add")?, kind)),
        BinaryOperator::Minus => Ok(Fragment::new(aligned("my_decimal_subtract")?, kind)),
        BinaryOperator::Modulo => Ok(Fragment::new(aligned("my_decimal_modulo")?, kind)),
        BinaryOperator::MyIntegerDivide => Ok(Fragment::new(
            aligned("my_decimal_whole_divide")?,
            Type::Signed,
        )),
        BinaryOperator::Multiply => {
            let kind = Type::Decimal {
                scale: (scales[0] + scales[1]).min(SCALE_MAX),
                carried: carried[0] + carried[1],
            };
            let (left, right) = (left.as_decimal(carried[0])?, right.as_decimal(carried[1])?);
            Ok(Fragment::new(
                format!("my_decimal_multiply({left},{right})"),
                kind,
            ))
        }
        BinaryOperator::Divide => {
            let (left, right) = (left.as_decimal(carried[0])?, right.as_decimal(carried[1])?);
            Ok(quotient(&left, &right, scales[0], carried))
        }
        other => Err(not_evaluated(format_args!("the operator {other}"))),
    }
}

/// `left / right` on decimals that carry so many digits: the client sees four digits more than `scale`, and
/// MySQL carries whole groups of nine.
pub(super) fn quotient(left: &str, right: &str, scale: u8, carried: [u8; 2]) -> Fragment {
    let groups = |digits: u8| digits.div_ceil(DIGITS_A_GROUP) * DIGITS_A_GROUP;
    let whole = [groups(carried[0]), groups(carried[1])];
    let added = (whole[0] - carried[0]) + (whole[1] - carried[1]);
    let result = groups(whole[0] + whole[1] + MORE_DIGITS.saturating_sub(added)).min(SCALE_MAX);
    let digits = (result + carried[1]).saturating_sub(carried[0]);
    Fragment::new(
        format!("my_decimal_divide({left},{right},{digits})"),
        Type::Decimal {
            scale: (scale + MORE_DIGITS).min(SCALE_MAX).min(result),
            carried: result,
        },
    )
}

/// `div_precision_increment`.
const MORE_DIGITS: u8 = 4;

/// MySQL keeps decimals as groups of nine digits.
const DIGITS_A_GROUP: u8 = 9;

/// `-x`
fn negative(fragment: Fragment) -> Result<Fragment, SqlError> {
    let fragment = fragment.into_number()?;
    let sql = &fragment.sql;
    Ok(match fragment.kind {
        Type::Null => fragment,
        Type::Real => Fragment::new(format!("(-{sql})"), Type::Real),
        Type::Decimal { .. } => Fragment::new(format!("my_decimal_negative({sql})"), fragment.kind),
        _ => Fragment::new(format!("my_subtract(0,{sql},0)"), Type::Signed),
    })
}
