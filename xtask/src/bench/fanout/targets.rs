//! What obwarden is to reach, and whether it does.

use super::cells::{Cell, MILLION_ROWS, ONE_HUNG, PICKED, SLOW};
use super::report::Measured;
use super::sample::Sample;
use crate::bench::markdown::{number, spread, table};
use crate::bench::statistics::quartiles;

/// Obwarden's defaults.
const LISTING_BUFFER_MIB: f64 = 64.0;
const NODE_TIMEOUT_MS: f64 = 3000.0;

const MIB: f64 = 1024.0 * 1024.0;

/// A number of one cluster, and what it must be.
struct Target {
    what: String,
    cell: Cell,
    of: fn(&Sample) -> Option<f64>,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", number(most)),
            Self::AtLeast(least) => format!("at least {}", number(least)),
        }
    }
}

fn all() -> Vec<Target> {
    let target = |what: &str, cell, of, bound| Target {
        what: what.to_owned(),
        cell,
        of,
        bound,
    };
    let mut targets = vec![
        target(
            "last row / slowest node alone",
            SLOW,
            |sample| Some(sample.last_row / sample.alone),
            Bound::AtMost(1.3),
        ),
        target(
            "peak memory beyond `listing_buffer_bytes`, MiB",
            MILLION_ROWS,
            |sample| Some(sample.peak_bytes / MIB - LISTING_BUFFER_MIB),
            Bound::AtMost(32.0),
        ),
        target(
            "CPU time a row, us",
            MILLION_ROWS,
            |sample| Some(sample.cpu_us_a_row),
            Bound::AtMost(1.5),
        ),
        target(
            "WHERE, ORDER BY and LIMIT / a whole list",
            PICKED,
            |sample| Some(sample.picked? / sample.last_row),
            Bound::AtMost(2.0),
        ),
        target(
            "last row after `node_timeout`, ms",
            ONE_HUNG,
            |sample| Some(sample.last_row - NODE_TIMEOUT_MS),
            Bound::AtMost(500.0),
        ),
    ];
    let shell = Cell::all()
        .into_iter()
        .filter(|cell| cell.is_shell_compared());
    targets.extend(shell.map(|cell| {
        target(
            "shell loop, 16 at once / obwarden",
            cell,
            |sample| Some(sample.shell_parallel? / sample.shell_obwarden?),
            Bound::AtLeast(20.0),
        )
    }));
    targets
}

/// A row a target of which there is a measurement.
pub(super) fn targets_table(measured: &[Measured]) -> String {
    let heading = ["target", "cluster", "wanted", "measured", "met"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for target in all() {
        let of_cell = measured
            .iter()
            .find(|measured| measured.cell == target.cell);
        let samples = of_cell.map_or(&[][..], |measured| &measured.rounds);
        let Some(values) = quartiles(samples.iter().filter_map(target.of)) else {
            continue;
        };
        let met = target.bound.holds(values.median);
        rows.push(vec![
            target.what,
            target.cell.to_string(),
            target.bound.text(),
            spread(values),
            if met { "yes" } else { "**no**" }.to_owned(),
        ]);
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_when_its_median_is_within_the_bound() {
        assert!(Bound::AtMost(1.3).holds(1.3) && !Bound::AtMost(1.3).holds(1.31));
        assert!(Bound::AtLeast(20.0).holds(20.0) && !Bound::AtLeast(20.0).holds(19.9));
        let sample = |last_row| Sample {
            last_row,
            alone: 100.0,
            ..Sample::default()
        };
        let measured = |rounds: &[f64]| Measured {
            cell: SLOW,
            rounds: rounds.iter().copied().map(sample).collect(),
        };
        let met = targets_table(&[measured(&[110.0, 120.0, 500.0])]);
        assert!(
            met.contains("| at most 1.30 | 1.20 (1.15 to 3.10) | yes |"),
            "{met}"
        );
        let missed = targets_table(&[measured(&[110.0, 140.0, 500.0])]);
        assert!(
            missed.contains("| 1.40 (1.25 to 3.20) | **no** |"),
            "{missed}"
        );
    }

    #[test]
    fn what_was_not_measured_is_not_said_to_be_met() {
        assert_eq!(targets_table(&[]).lines().count(), 2);
        assert_eq!(targets_table(&[Measured::new(SLOW)]).lines().count(), 2);
    }
}
