//! `cargo xtask bench fanout`: what a list of every node's sessions costs, from three nodes to a thousand.
//!
//! The nodes are simulated, in a process of their own. In each round each cluster is listed by an obwarden that
//! was started for it, and right after that one of its nodes is asked alone; a ratio is that of such neighbours.

mod cells;
mod report;
mod sample;
mod shell;
mod targets;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::machine::{self, raise_descriptor_limit};
use super::markdown::write_section;
use super::release::{OBWARDEN, SIM_CLUSTER};
use crate::install;
use crate::progress;
use cells::Cell;
use report::Measured;
use sample::{Loops, measure};
use shell::Loop;

#[derive(Args)]
pub(crate) struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only clusters with this in their names; BENCHMARKS.md is left as it is then
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

const PACKAGES: [(&str, &str); 1] = [(
    "mariadb-client",
    "mysql, to do the same with a loop of the shell",
)];

/// What is named in the report, and how it tells its version.
const PROGRAMS: [(&str, &str); 1] = [("mysql", "--version")];

/// A shell loop that would take longer is left out.
const SHELL_LOOP_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(options: &Options) -> Result<()> {
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    let cells = Cell::all()
        .into_iter()
        .filter(|cell| wanted(&cell.to_string()));
    let mut measured: Vec<Measured> = cells.map(Measured::new).collect();
    if options.rounds == 0 || measured.is_empty() {
        bail!("nothing to measure");
    }
    install::debian_packages(&PACKAGES)?;
    raise_descriptor_limit()?;
    progress::show("building obwarden in release mode", OBWARDEN.build()).await?;
    progress::show("building the simulated nodes", SIM_CLUSTER.build()).await?;

    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        for Measured { cell, rounds } in &mut measured {
            let sample = measure(*cell, loops(*cell, round))
                .await
                .with_context(|| cell.to_string())?;
            println!("{}", report::progress_line(*cell, &sample));
            rounds.push(sample);
        }
    }
    finish(options, &measured)
}

/// Shell loops take the most of the time by far: most are run once, and the longest not at all.
fn loops(cell: Cell, round: usize) -> Loops {
    let is_short = |how: Loop| cell.shell_loop_estimate(how.clients()) <= SHELL_LOOP_TIME_MAX;
    let may = cell.hung == 0 && (round == 0 || cell.is_shell_compared());
    Loops {
        parallel: may && is_short(Loop::Parallel),
        sequential: round == 0 && may && is_short(Loop::Sequential),
    }
}

fn finish(options: &Options, measured: &[Measured]) -> Result<()> {
    let section = report::section(
        &machine::describe(&PROGRAMS)?,
        options.rounds,
        SHELL_LOOP_TIME_MAX,
        measured,
    );
    println!("\n{section}");
    if !options.only.is_empty() {
        return Ok(());
    }
    write_section("fanout", &section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_loops_that_a_target_needs_run_in_each_round_and_long_ones_never() {
        let both = Loops {
            parallel: true,
            sequential: true,
        };
        let neither = Loops {
            parallel: false,
            sequential: false,
        };
        let parallel = Loops {
            parallel: true,
            ..neither
        };
        let small = Cell::all()[0];
        assert_eq!((loops(small, 0), loops(small, 1)), (both, neither));
        assert_eq!(loops(cells::SLOW, 0), parallel);
        assert_eq!(loops(cells::SLOW, 1), parallel);
        assert_eq!(loops(cells::ONE_HUNG, 0), neither);
    }
}
