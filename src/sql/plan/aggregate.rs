//! Functions of several rows: aggregates, and functions of windows.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, OrderByExpr, Value, ValueWithSpan, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};

use super::expression::of_one_kind;
use super::fragment::{Fragment, Type};
use super::number::literal_whole;
use super::operators::quotient;
use super::planner::{Aggregates, Place, Planner};
use super::refusal::{misplaced_aggregate, misplaced_window, not_evaluated, wrong_argument_count};
use crate::wire::answer::SqlError;

/// What a call of an aggregate has in its parentheses.
struct Arguments<'f> {
    distinct: bool,
    /// `None` for `*`.
    exprs: Option<Vec<&'f Expr>>,
    order_by: &'f [OrderByExpr],
    separator: Option<&'f ValueWithSpan>,
}

impl Planner<'_> {
    /// A call of an aggregate or a window function; `None` when the name is no such function's.
    pub(super) fn aggregate(
        &mut self,
        place: Place<'_>,
        name: &str,
        function: &Function,
    ) -> Result<Option<Fragment>, SqlError> {
        let is_aggregate = AGGREGATES.contains(&name);
        if !is_aggregate && !WINDOW_FUNCTIONS.contains(&name) {
            return Ok(None);
        }
        if function.filter.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty()
        {
            return Err(not_evaluated(format_args!("{name}() with such clauses")));
        }
        let arguments = arguments(name, function)?;
        let inside = Place {
            items: &[],
            clause: super::refusal::Clause::Fields,
            ..place
        };
        let Some(window) = &function.over else {
            if !is_aggregate {
                return Err(not_evaluated(format_args!("{name}() without OVER")));
            }
            if place.aggregates == Aggregates::No {
                return Err(misplaced_aggregate());
            }
            let inside = Place {
                aggregates: Aggregates::No,
                ..inside
            };
            let fragment = self.aggregated(inside, name, &arguments, "")?;
            self.seen.aggregates = true;
            return Ok(Some(fragment));
        };
        if place.aggregates != Aggregates::WithWindows {
            return Err(misplaced_window(name));
        }
        let inside = Place {
            aggregates: Aggregates::Allowed,
            ..inside
        };
        let over = self.over(inside, window)?;
        let fragment = if is_aggregate {
            if arguments.distinct || name == "GROUP_CONCAT" {
                return Err(not_evaluated(format_args!("such a {name}() with OVER")));
            }
            self.aggregated(inside, name, &arguments, &over)?
        } else {
            self.window_function(inside, name, &arguments, &over)?
        };
        self.seen.windows = true;
        Ok(Some(fragment))
    }

    fn aggregated(
        &mut self,
        place: Place<'_>,
        name: &str,
        arguments: &Arguments<'_>,
        over: &str,
    ) -> Result<Fragment, SqlError> {
        let distinct = if arguments.distinct { "DISTINCT " } else { "" };
        let Some(exprs) = &arguments.exprs else {
            if name != "COUNT" || arguments.distinct {
                return Err(wrong_argument_count(name));
            }
            return Ok(Fragment::new(format!("count(*){over}"), Type::Signed));
        };
        let fragments = self.expressions(place, exprs.iter().copied())?;
        if name == "GROUP_CONCAT" {
            return self.group_concat(place, &fragments, arguments);
        }
        let [one] = &fragments[..] else {
            if name != "COUNT" || !arguments.distinct || fragments.is_empty() {
                return Err(wrong_argument_count(name));
            }
            let keys: Vec<String> = fragments.iter().map(Fragment::key).collect();
            return Ok(Fragment::new(
                format!("count(DISTINCT my_row_key({}))", keys.join(",")),
                Type::Signed,
            ));
        };
        match name {
            "COUNT" => Ok(Fragment::new(
                format!("count({distinct}{}){over}", one.key()),
                Type::Signed,
            )),
            "MIN" | "MAX" => {
                let function = name.to_ascii_lowercase();
                Ok(Fragment::new(
                    format!("{function}({}){over}", one.key()),
                    one.kind,
                ))
            }
            _ => sum_or_average(name, distinct, one, over),
        }
    }

    fn group_concat(
        &mut self,
        place: Place<'_>,
        fragments: &[Fragment],
        arguments: &Arguments<'_>,
    ) -> Result<Fragment, SqlError> {
        let separator = match arguments.separator.map(|separator| &separator.value) {
            None => ",",
            Some(Value::SingleQuotedString(text) | Value::DoubleQuotedString(text)) => text,
            Some(_) => return Err(not_evaluated("such a SEPARATOR")),
        };
        let texts: Vec<String> = fragments.iter().map(Fragment::as_text).collect();
        let text = match &texts[..] {
            [] => return Err(wrong_argument_count("GROUP_CONCAT")),
            [one] => one.clone(),
            several => format!("my_concat({})", several.join(",")),
        };
        let distinct = if arguments.distinct { "DISTINCT " } else { "" };
        let order = self.order_keys(place, arguments.order_by)?;
        let separator = Fragment::text(separator).sql;
        let sql =
            format!("my_joined(my_collected({distinct}{text} COLLATE NOCASE{order}),{separator})");
        Ok(Fragment::new(sql, Type::LongText))
    }

    fn window_function(
        &mut self,
        place: Place<'_>,
        name: &str,
        arguments: &Arguments<'_>,
        over: &str,
    ) -> Result<Fragment, SqlError> {
        let exprs = arguments.exprs.as_deref().unwrap_or_default();
        let fragments = self.expressions(place, exprs.iter().copied())?;
        let literal = |at: usize| -> Result<i64, SqlError> {
            let number = exprs.get(at).and_then(|expr| literal_whole(expr));
            let number = number.filter(|number| *number >= 0);
            number.ok_or_else(|| {
                SqlError::new(
                    1210,
                    format!("Incorrect arguments to {}", name.to_lowercase()),
                )
            })
        };
        let function = name.to_ascii_lowercase();
        match (name, fragments.len()) {
            ("ROW_NUMBER" | "RANK" | "DENSE_RANK", 0) => {
                Ok(Fragment::new(format!("{function}(){over}"), Type::Signed))
            }
            ("PERCENT_RANK" | "CUME_DIST", 0) => {
                Ok(Fragment::new(format!("{function}(){over}"), Type::Real))
            }
            ("NTILE", 1) => {
                let tiles = literal(0)?;
                if tiles == 0 {
                    return Err(SqlError::new(1210, "Incorrect arguments to ntile"));
                }
                Ok(Fragment::new(format!("ntile({tiles}){over}"), Type::Signed))
            }
            ("FIRST_VALUE" | "LAST_VALUE", 1) => {
                let one = &fragments[0];
                Ok(Fragment::new(
                    format!("{function}({}){over}", one.sql),
                    one.kind,
                ))
            }
            ("NTH_VALUE", 2) => {
                let one = &fragments[0];
                let at = literal(1)?;
                if at == 0 {
                    return Err(SqlError::new(1210, "Incorrect arguments to nth_value"));
                }
                Ok(Fragment::new(
                    format!("nth_value({},{at}){over}", one.sql),
                    one.kind,
                ))
            }
            ("LAG" | "LEAD", 1) => {
                let one = &fragments[0];
                Ok(Fragment::new(
                    format!("{function}({}){over}", one.sql),
                    one.kind,
                ))
            }
            ("LAG" | "LEAD", 2 | 3) => {
                let rows = literal(1)?;
                let default = fragments.get(2).cloned().unwrap_or_else(Fragment::null);
                let (both, kind) = of_one_kind(vec![fragments[0].clone(), default])?;
                Ok(Fragment::new(
                    format!("{function}({},{rows},{}){over}", both[0].sql, both[1].sql),
                    kind,
                ))
            }
            _ => Err(wrong_argument_count(name)),
        }
    }

    /// ` OVER (…)`
    fn over(&mut self, place: Place<'_>, window: &WindowType) -> Result<String, SqlError> {
        let spec = match window {
            WindowType::WindowSpec(spec) => spec.clone(),
            WindowType::NamedWindow(name) => self.window_named(&name.value)?,
        };
        if spec.window_name.is_some() {
            return Err(not_evaluated("a window that is made from another"));
        }
        let partition = self.expressions(place, &spec.partition_by)?;
        let mut sql = String::from(" OVER (");
        if !partition.is_empty() {
            let keys: Vec<String> = partition.iter().map(Fragment::key).collect();
            sql.push_str(&format!("PARTITION BY {}", keys.join(",")));
        }
        sql.push_str(&self.order_keys(place, &spec.order_by)?);
        if let Some(frame) = &spec.window_frame {
            sql.push_str(&frame_of(frame)?);
        }
        sql.push(')');
        Ok(sql)
    }

    fn window_named(&self, name: &str) -> Result<WindowSpec, SqlError> {
        let mut windows = self.windows.iter();
        let window = windows.find(|(known, _)| known.eq_ignore_ascii_case(name));
        let spec = window.map(|(_, spec)| spec.clone());
        spec.ok_or_else(|| SqlError::new(3579, format!("Window name '{name}' is not defined.")))
    }

    /// ` ORDER BY …` within a call; nothing for no expressions.
    fn order_keys(&mut self, place: Place<'_>, by: &[OrderByExpr]) -> Result<String, SqlError> {
        let mut keys = Vec::new();
        for by in by {
            let fragment = self.expression(place, &by.expr)?;
            keys.push(format!("{}{}", fragment.key(), direction(by)?));
        }
        Ok(if keys.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", keys.join(","))
        })
    }
}

/// ` DESC`, or nothing.
pub(super) fn direction(by: &OrderByExpr) -> Result<&'static str, SqlError> {
    if by.with_fill.is_some() || by.options.nulls_first.is_some() {
        return Err(not_evaluated("such an ORDER BY"));
    }
    use sqlparser::ast::OrderBySort;
    match &by.options.sort {
        None | Some(OrderBySort::Asc) => Ok(""),
        Some(OrderBySort::Desc) => Ok(" DESC"),
        Some(_) => Err(not_evaluated("such an ORDER BY")),
    }
}

fn sum_or_average(
    name: &str,
    distinct: &str,
    one: &Fragment,
    over: &str,
) -> Result<Fragment, SqlError> {
    let is_sum = name == "SUM";
    if one.kind.is_text() || matches!(one.kind, Type::Real | Type::Moment) {
        let function = if is_sum { "sum" } else { "avg" };
        let sql = format!("{function}({distinct}{}){over}", one.as_real()?);
        return Ok(Fragment::new(format!("my_finite({sql})"), Type::Real));
    }
    let (scale, carried) = (one.kind.scale(), one.kind.carried());
    let value = one.as_decimal(carried)?;
    let sum = format!("my_sum({distinct}{value}){over}");
    if is_sum {
        return Ok(Fragment::new(sum, Type::Decimal { scale, carried }));
    }
    let count = format!("my_decimal(count({distinct}{value}){over},0)");
    Ok(quotient(&sum, &count, scale, [carried, 0]))
}

fn arguments<'f>(name: &str, function: &'f Function) -> Result<Arguments<'f>, SqlError> {
    let refused = || not_evaluated(format_args!("{name}() with such arguments"));
    let mut read = Arguments {
        distinct: false,
        exprs: Some(Vec::new()),
        order_by: &[],
        separator: None,
    };
    let list = match &function.args {
        FunctionArguments::List(list) => list,
        FunctionArguments::None => return Ok(read),
        FunctionArguments::Subquery(_) => return Err(refused()),
    };
    read.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    for clause in &list.clauses {
        match clause {
            FunctionArgumentClause::OrderBy(by) if name == "GROUP_CONCAT" => read.order_by = by,
            FunctionArgumentClause::Separator(text) if name == "GROUP_CONCAT" => {
                read.separator = Some(text);
            }
            _ => return Err(refused()),
        }
    }
    let mut exprs = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => {
                read.exprs = None;
                return Ok(read);
            }
            _ => return Err(refused()),
        }
    }
    read.exprs = Some(exprs);
    Ok(read)
}

fn frame_of(frame: &WindowFrame) -> Result<String, SqlError> {
    let units = match frame.units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => return Err(not_evaluated("GROUPS in a window's frame")),
    };
    let bound = |bound: &WindowFrameBound| -> Result<String, SqlError> {
        let (rows, side) = match bound {
            WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(rows) => (rows, "PRECEDING"),
            WindowFrameBound::Following(rows) => (rows, "FOLLOWING"),
        };
        let Some(rows) = rows else {
            return Ok(format!("UNBOUNDED {side}"));
        };
        match literal_whole(rows) {
            Some(rows @ 0..) if units == "ROWS" => Ok(format!("{rows} {side}")),
            _ => Err(not_evaluated("such a bound of a window's frame")),
        }
    };
    let begin = bound(&frame.start_bound)?;
    Ok(match &frame.end_bound {
        Some(end) => format!(" {units} BETWEEN {begin} AND {}", bound(end)?),
        None => format!(" {units} {begin}"),
    })
}

const AGGREGATES: [&str; 6] = ["COUNT", "SUM", "AVG", "MIN", "MAX", "GROUP_CONCAT"];

const WINDOW_FUNCTIONS: [&str; 11] = [
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "PERCENT_RANK",
    "CUME_DIST",
    "NTILE",
    "LAG",
    "LEAD",
    "FIRST_VALUE",
    "LAST_VALUE",
    "NTH_VALUE",
];
