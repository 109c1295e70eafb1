//! The fan-out's tables of BENCHMARKS.md.

use std::time::Duration;

use super::cells::Cell;
use super::sample::{PATIENCE, PICK, Sample};
use super::shell::PARALLEL_CLIENTS;
use super::targets::targets_table;
use crate::bench::markdown::{number, spread, table};
use crate::bench::statistics::{median, quartiles};

/// A cluster, and what came of it in each round.
pub(super) struct Measured {
    pub(super) cell: Cell,
    pub(super) rounds: Vec<Sample>,
}

/// One number of a sample.
type Aspect = fn(&Sample) -> Option<f64>;

impl Measured {
    pub(super) fn new(cell: Cell) -> Self {
        Self {
            cell,
            rounds: Vec::new(),
        }
    }

    fn median(&self, of: Aspect) -> String {
        median(self.rounds.iter().filter_map(of)).map_or_else(String::new, number)
    }

    fn count(&self, of: fn(&Sample) -> f64) -> String {
        let median = median(self.rounds.iter().map(of));
        median.map_or_else(String::new, |count| format!("{count:.0}"))
    }

    /// A ratio a round.
    fn ratio(&self, of: Aspect) -> String {
        quartiles(self.rounds.iter().filter_map(of)).map_or_else(String::new, spread)
    }
}

/// Everything that the command has to say.
pub(super) fn section(
    machine: &str,
    rounds: usize,
    shell_loop_time_max: Duration,
    measured: &[Measured],
) -> String {
    let nodes = "Nodes are simulated, in one process; each takes so long for a query as its cluster's name says. \
                 Nodes, obwarden and client share the machine.";
    let deadlines = format!(
        "Where all nodes answer, `node_timeout` is {PATIENCE}, so that none is left out because the machine is slow."
    );
    let shell = format!(
        "The same `mysql` client from its start to its end: once, with obwarden, and on each node in a loop, one \
         after another and {PARALLEL_CLIENTS} at once (`xargs -P{PARALLEL_CLIENTS}`). Loops that would take \
         longer than {} s are left out.",
        shell_loop_time_max.as_secs()
    );
    [
        "## The fan-out: every node asked at once".to_owned(),
        format!(
            "{machine}- {rounds} rounds; medians, and of ratios, which are of the same round, in parentheses the \
             middle half"
        ),
        format!("{nodes} {deadlines}"),
        format!("### Targets\n\n{}", targets_table(measured)),
        format!(
            "### `SHOW SERVER SESSIONS`: times in milliseconds\n\n{}",
            lists_table(measured)
        ),
        format!(
            "### `{PICK}`: times in milliseconds\n\n{}",
            picks_table(measured)
        ),
        format!("### What it costs obwarden\n\n{}", costs_table(measured)),
        format!(
            "### A loop of the shell, in milliseconds\n\n{shell}\n\n{}",
            shell_table(measured)
        ),
    ]
    .join("\n\n")
    .replace("\n\n\n", "\n\n")
}

fn lists_table(measured: &[Measured]) -> String {
    let heading = [
        "cluster",
        "rows",
        "first row",
        "last row",
        "slowest node alone",
        "last row / alone",
        "first list after the start",
    ];
    rows(&heading, measured, |of| {
        vec![
            of.count(|sample| sample.rows),
            of.median(|sample| Some(sample.first_row)),
            of.median(|sample| Some(sample.last_row)),
            of.median(|sample| Some(sample.alone)),
            match of.cell.delay_ms {
                0 => String::new(),
                _ => of.ratio(|sample| Some(sample.last_row / sample.alone)),
            },
            of.median(|sample| Some(sample.first_list)),
        ]
    })
}

fn picks_table(measured: &[Measured]) -> String {
    let heading = [
        "cluster",
        "last row",
        "of a whole list",
        "the one / the other",
    ];
    let picked = |of: &&Measured| of.rounds.iter().any(|s| s.picked.is_some());
    rows(&heading, measured.iter().filter(picked), |of| {
        vec![
            of.median(|sample| sample.picked),
            of.median(|sample| Some(sample.last_row)),
            of.ratio(|sample| Some(sample.picked? / sample.last_row)),
        ]
    })
}

fn costs_table(measured: &[Measured]) -> String {
    let heading = [
        "cluster",
        "CPU time a row, us",
        "CPU time a list, ms",
        "peak memory, MiB",
        "connections to a node, the client's own among them",
    ];
    rows(&heading, measured, |of| {
        vec![
            of.median(|sample| Some(sample.cpu_us_a_row)),
            of.median(|sample| Some(sample.cpu_us_a_row * sample.rows / 1e3)),
            of.median(|sample| Some(sample.peak_bytes / f64::from(1 << 20))),
            of.count(|sample| sample.connections),
        ]
    })
}

fn shell_table(measured: &[Measured]) -> String {
    let heading = [
        "cluster",
        "obwarden",
        "16 at once",
        "one after another",
        "16 at once / obwarden",
        "one after another / obwarden",
    ];
    let compared = |of: &&Measured| of.rounds.iter().any(|s| s.shell_obwarden.is_some());
    rows(&heading, measured.iter().filter(compared), |of| {
        vec![
            of.median(|sample| sample.shell_obwarden),
            of.median(|sample| sample.shell_parallel),
            of.median(|sample| sample.shell_sequential),
            of.ratio(|sample| Some(sample.shell_parallel? / sample.shell_obwarden?)),
            of.ratio(|sample| Some(sample.shell_sequential? / sample.shell_obwarden?)),
        ]
    })
}

/// A row a cluster.
fn rows<'m>(
    heading: &[&str],
    measured: impl IntoIterator<Item = &'m Measured>,
    cells: impl Fn(&Measured) -> Vec<String>,
) -> String {
    let mut rows = vec![heading.iter().map(|name| (*name).to_owned()).collect()];
    for of in measured {
        let mut row = vec![of.cell.to_string()];
        row.extend(cells(of));
        rows.push(row);
    }
    table(&rows)
}

/// A line as the rounds go by.
pub(super) fn progress_line(cell: Cell, sample: &Sample) -> String {
    let shell = [
        ("picked", sample.picked),
        ("mysql", sample.shell_obwarden),
        ("16 at once", sample.shell_parallel),
        ("one after another", sample.shell_sequential),
    ];
    let shell: String = shell
        .iter()
        .filter_map(|(name, ms)| Some(format!(", {name} {} ms", number((*ms)?))))
        .collect();
    format!(
        "  {:<38} first row {:>5}, last {:>5}, alone {:>5} ms; {:>5} us and {:>4} MiB for {} rows{shell}",
        cell.to_string(),
        number(sample.first_row),
        number(sample.last_row),
        number(sample.alone),
        number(sample.cpu_us_a_row),
        number(sample.peak_bytes / f64::from(1 << 20)),
        sample.rows,
    )
}

#[cfg(test)]
mod tests {
    use super::super::cells::SLOW;
    use super::*;

    fn measured() -> Measured {
        let sample = |slowness: f64| Sample {
            first_row: 100.0 * slowness,
            last_row: 120.0 * slowness,
            alone: 100.0 * slowness,
            picked: Some(150.0 * slowness),
            rows: 15_000.0,
            cpu_us_a_row: 2.0,
            connections: 2.0,
            peak_bytes: 32.0 * 1024.0 * 1024.0,
            first_list: 400.0,
            shell_obwarden: Some(130.0 * slowness),
            shell_parallel: (slowness < 3.0).then_some(2600.0 * slowness),
            shell_sequential: None,
        };
        Measured {
            cell: SLOW,
            rounds: [1.0, 2.0, 4.0].map(sample).to_vec(),
        }
    }

    #[test]
    fn ratios_are_of_one_round_and_what_was_left_out_is_empty() {
        let name = "| 300 nodes x 50 sessions, 100 ms |";
        let lists = lists_table(&[measured()]);
        let row = "15000 | 200 | 240 | 200 | 1.20 (1.20 to 1.20) | 400 |\n";
        assert!(lists.ends_with(&format!("{name} {row}")), "{lists}");
        let picks = picks_table(&[measured()]);
        let row = "300 | 240 | 1.25 (1.25 to 1.25) |\n";
        assert!(picks.ends_with(&format!("{name} {row}")), "{picks}");
        let costs = costs_table(&[measured()]);
        assert!(
            costs.ends_with(&format!("{name} 2.00 | 30.0 | 32.0 | 2 |\n")),
            "{costs}"
        );
        let shell = shell_table(&[measured()]);
        let row = "260 | 3900 |  | 20.00 (20.00 to 20.00) |  |\n";
        assert!(shell.ends_with(&format!("{name} {row}")), "{shell}");
    }

    #[test]
    fn a_section_has_its_targets_first() {
        let section = section("- a machine\n", 3, Duration::from_secs(10), &[measured()]);
        let (before, after) = section.split_once("### Targets").unwrap();
        assert!(before.contains("- a machine\n- 3 rounds"), "{before}");
        assert!(after.contains("longer than 10 s are left out"), "{after}");
    }
}
