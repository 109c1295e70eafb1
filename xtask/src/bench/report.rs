//! The relay's tables of BENCHMARKS.md.

use std::fmt::Write;

use super::cells::{Cell, Sample};
use super::idle::Idle;
use super::markdown::{number, spread, table};
use super::statistics::{Quartiles, geometric_mean, median, quartiles};
use super::targets::Target::{self, Direct, Haproxy, Obwarden};

/// A load, and what came of it in each round, in the order of `Target::ALL`.
pub(super) struct Measured {
    pub(super) cell: Cell,
    pub(super) rounds: Vec<[Sample; 3]>,
}

impl Measured {
    pub(super) fn new(cell: Cell) -> Self {
        Self {
            cell,
            rounds: Vec::new(),
        }
    }

    fn values(&self, target: Target, of: Aspect) -> Vec<f64> {
        let samples = self.rounds.iter().map(|round| round[target as usize]);
        samples.filter_map(of).collect()
    }

    fn median(&self, target: Target, of: Aspect) -> Option<f64> {
        median(self.values(target, of))
    }

    /// A ratio a round.
    fn ratios(&self, over: Target, under: Target, of: Aspect) -> Vec<f64> {
        let pairs = self.values(over, of).into_iter();
        pairs
            .zip(self.values(under, of))
            .map(|(over, under)| over / under)
            .collect()
    }
}

/// One number of a sample.
type Aspect = fn(Sample) -> Option<f64>;

const PER_SECOND: Aspect = |sample| Some(sample.per_second);
const P95_MS: Aspect = |sample| Some(sample.p95_ms);
const CPU_US: Aspect = |sample| sample.cpu_us;

/// Everything that the command has to say.
pub(super) fn section(
    machine: &str,
    setting: &str,
    measured: &[Measured],
    idle: &[Vec<Idle>],
) -> String {
    let mut text = format!(
        "## The relay: direct, HAProxy, obwarden\n\n{machine}- {setting}; medians, and of ratios, \
         which are of the same round, in parentheses the middle half\n"
    );
    if !measured.is_empty() {
        text += "\n### Throughput a second (higher is better)\n\n";
        text += &comparison(measured, PER_SECOND, &[Direct, Haproxy, Obwarden]);
        if let Some(overall) = overall(measured) {
            _ = write!(
                text,
                "\nAll loads together (geometric mean), obwarden / HAProxy: {}\n",
                spread(overall)
            );
        }
        text += "\n### 95th percentile, in milliseconds (lower is better)\n\n";
        text += &comparison(measured, P95_MS, &[Direct, Haproxy, Obwarden]);
        text += "\n### CPU time of the proxy, in microseconds for each (lower is better)\n\n";
        text += &comparison(measured, CPU_US, &[Haproxy, Obwarden]);
    }
    if !idle.is_empty() {
        text +=
            "\n### Memory of the proxy for each idle connection, in bytes (lower is better)\n\n";
        text += &idle_table(idle);
    }
    text
}

/// A row a load, a column a target, and obwarden's ratio to each other target.
fn comparison(measured: &[Measured], of: Aspect, targets: &[Target]) -> String {
    let others = targets.iter().rev().filter(|target| **target != Obwarden);
    let mut heading = vec!["load".to_owned()];
    heading.extend(targets.iter().map(|target| name(*target).to_owned()));
    heading.extend(
        others
            .clone()
            .map(|other| format!("obwarden / {}", name(*other))),
    );
    let mut rows = vec![heading];
    for load in measured {
        let mut row = vec![format!("{} ({})", load.cell, load.cell.unit())];
        let medians = targets.iter().map(|target| load.median(*target, of));
        row.extend(medians.map(|median| median.map_or_else(String::new, number)));
        let ratios = others
            .clone()
            .map(|other| load.ratios(Obwarden, *other, of));
        row.extend(ratios.map(|ratios| quartiles(ratios).map_or_else(String::new, spread)));
        rows.push(row);
    }
    table(&rows)
}

/// Over the rounds: the mean of all loads' ratios.
fn overall(measured: &[Measured]) -> Option<Quartiles> {
    let ratios: Vec<_> = measured
        .iter()
        .map(|load| load.ratios(Obwarden, Haproxy, PER_SECOND))
        .collect();
    let rounds = ratios.iter().map(Vec::len).min()?;
    let means = (0..rounds).filter_map(|round| {
        let of_round: Vec<f64> = ratios.iter().map(|load| load[round]).collect();
        geometric_mean(&of_round)
    });
    quartiles(means)
}

pub(super) fn idle_table(rounds: &[Vec<Idle>]) -> String {
    let all = || rounds.iter().flatten();
    let mut counts: Vec<usize> = all().map(|idle| idle.connections).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut rows = vec![
        ["connections", "HAProxy", "obwarden"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for count in counts {
        let of = |target| {
            let some = all().filter(|idle| (idle.target, idle.connections) == (target, count));
            median(some.map(|idle| idle.bytes_each)).map_or_else(String::new, number)
        };
        rows.push(vec![count.to_string(), of(Haproxy), of(Obwarden)]);
    }
    table(&rows)
}

/// A line as the rounds go by.
pub(super) fn progress_line(cell: Cell, [direct, haproxy, obwarden]: &[Sample; 3]) -> String {
    let cpu = haproxy.cpu_us.zip(obwarden.cpu_us);
    let cpu = cpu.map_or_else(String::new, |(haproxy, obwarden)| {
        format!(
            ", CPU {haproxy:.1} and {obwarden:.1} us ({:.2})",
            obwarden / haproxy
        )
    });
    format!(
        "  {:<32} {:>9} direct, {:>9} HAProxy, {:>9} obwarden ({:.2}){cpu}",
        cell.to_string(),
        number(direct.per_second),
        number(haproxy.per_second),
        number(obwarden.per_second),
        obwarden.per_second / haproxy.per_second,
    )
}

fn name(target: Target) -> &'static str {
    match target {
        Direct => "direct",
        Haproxy => "HAProxy",
        Obwarden => "obwarden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(per_second: f64, cpu_us: Option<f64>) -> Sample {
        Sample {
            per_second,
            p95_ms: 1.0,
            cpu_us,
        }
    }

    fn measured() -> Measured {
        let mut measured = Measured::new(Cell::MillionRows);
        for slowness in [1.0, 2.0, 4.0] {
            measured.rounds.push([
                sample(8000.0 / slowness, None),
                sample(4000.0 / slowness, Some(10.0)),
                sample(5000.0 / slowness, Some(9.0)),
            ]);
        }
        measured
    }

    #[test]
    fn ratios_are_of_one_round() {
        let table = comparison(&[measured()], PER_SECOND, &Target::ALL);
        let row = "| million rows (results) | 4000 | 2000 | 2500 \
                   | 1.25 (1.25 to 1.25) | 0.62 (0.62 to 0.62) |";
        assert!(table.contains(row), "{table}");
        let table = comparison(&[measured()], CPU_US, &[Haproxy, Obwarden]);
        let row = "| million rows (results) | 10.0 | 9.00 | 0.90 (0.90 to 0.90) |";
        assert!(table.contains(row), "{table}");
    }

    #[test]
    fn idle_memory_is_a_table_of_medians() {
        let idle = |target, bytes_each| Idle {
            target,
            connections: 1000,
            bytes_each,
        };
        let rounds = [100.0, 300.0, 200.0].map(|b| vec![idle(Haproxy, b), idle(Obwarden, 2.0 * b)]);
        let table = idle_table(&rounds);
        assert!(
            table.ends_with("|---|--:|--:|\n| 1000 | 200 | 400 |\n"),
            "{table}"
        );
    }
}
