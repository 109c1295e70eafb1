//! How BENCHMARKS.md is written: sections that commands replace, tables, numbers. Nothing in it is written by
//! hand.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use testkit::paths::workspace_dir;

use super::statistics::Quartiles;

/// Puts the section of the command of this name in the place of its last one.
pub(super) fn write_section(name: &str, section: &str) -> Result<()> {
    let path = workspace_dir().join("BENCHMARKS.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, replaced(&before, name, section))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("written into {}", path.display());
    Ok(())
}

/// `document` with the section of this name replaced, or added at its end. Other sections stay.
fn replaced(document: &str, name: &str, section: &str) -> String {
    let begin = format!("<!-- begin {name}: written by cargo xtask bench {name} -->");
    let end = format!("<!-- end {name} -->");
    let whole = format!("{begin}\n{section}\n{end}");
    match (document.split_once(&begin), document.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => {
            format!("{before}{whole}{after}")
        }
        _ if document.is_empty() => format!("# Benchmarks\n\n{whole}\n"),
        _ => format!("{}\n\n{whole}\n", document.trim_end()),
    }
}

/// A Markdown table; the first row is its heading, the first column text.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        _ = writeln!(text, "| {} |", row.join(" | "));
        if at == 0 {
            _ = writeln!(text, "|---|{}", "--:|".repeat(row.len() - 1));
        }
    }
    text
}

/// With three digits that count, or more if it is long.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The median, and in parentheses the middle half.
pub(super) fn spread(spread: Quartiles) -> String {
    let Quartiles {
        lower,
        median,
        upper,
    } = spread;
    format!("{median:.2} ({lower:.2} to {upper:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let first = replaced("", "relay", "old");
        let both = replaced(&first, "fanout", "theirs");
        let again = replaced(&both, "relay", "new");
        assert!(!again.contains("old"), "{again}");
        assert_eq!(again, both.replace("old", "new"));
        assert_eq!(replaced(&again, "relay", "new"), again);
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(
            [1.234, 12.34, 123.4, 12345.6].map(number),
            ["1.23", "12.3", "123", "12346"]
        );
    }
}
