//! What a client's battery says: a line a step.
//!
//! ```text
//! errors/no such table!: error 1146 42S02 Table 'battery.nothing' doesn't exist | alive
//! results/insert id: ok 3 | alive
//! done: 2
//! ```
//!
//! A step whose name ends with `!` is to be an error, any other is to be ok. The
//! last line counts the steps, so that a battery that broke off cannot pass.

use std::collections::BTreeSet;

/// The proxy's own statements, which have no direct counterpart.
const VIRTUAL_TOPICS: [&str; 7] = [
    "sessions", "servers", "warden", "select", "tables", "kill", "console",
];
/// Of a line in a report; some outcomes are whole tables.
const REPORTED_CHARS_MAX: usize = 2_000;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) outcome: String,
}

impl Step {
    fn topic(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    fn is_as_named(&self) -> bool {
        if self.name.ends_with('!') {
            self.outcome.starts_with("error ")
        } else {
            self.outcome.starts_with("ok")
        }
    }
}

#[derive(Debug)]
pub(crate) struct Transcript(Vec<Step>);

impl Transcript {
    /// Reads all that a battery printed; anything else in it than steps is a mistake.
    pub(crate) fn read(printed: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut lines = printed.lines();
        for line in &mut lines {
            let (name, outcome) = line.split_once(": ").unwrap_or((line, ""));
            if name == "done" {
                let count = steps.len().to_string();
                return match (outcome == count, lines.next()) {
                    (true, None) => Self::unique(steps),
                    (false, _) => Err(format!("{count} steps, and then {line}")),
                    (_, Some(more)) => Err(format!("behind its end: {more}")),
                };
            }
            if !name.contains('/') || outcome.is_empty() {
                return Err(format!("no step: {line}\nin:\n{printed}"));
            }
            steps.push(Step {
                name: name.to_owned(),
                outcome: outcome.to_owned(),
            });
        }
        Err(format!("it broke off:\n{printed}"))
    }

    fn unique(steps: Vec<Step>) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        match steps.iter().find(|step| !names.insert(&step.name)) {
            Some(step) => Err(format!("two steps of one name: {}", step.name)),
            None => Ok(Self(steps)),
        }
    }

    /// The topics of `all` that no step is about.
    pub(crate) fn missing<'t>(&self, all: &[&'t str]) -> Vec<&'t str> {
        let has = |topic: &str| self.0.iter().any(|step| step.topic() == topic);
        all.iter().copied().filter(|topic| !has(topic)).collect()
    }

    /// The steps whose outcome is not what their name says, without those that are `excused`.
    pub(crate) fn not_as_named(&self, excused: &[&str]) -> String {
        let is_wrong = |step: &&Step| !step.is_as_named() && !excused.contains(&step.name.as_str());
        let wrong = self.0.iter().filter(is_wrong);
        wrong.map(|step| report("", step)).collect()
    }

    /// Takes out what is about the proxy's own statements.
    pub(crate) fn take_virtual(&mut self) -> Vec<Step> {
        let is_virtual = |step: &mut Step| VIRTUAL_TOPICS.contains(&step.topic());
        self.0.extract_if(.., is_virtual).collect()
    }

    /// Where two transcripts differ, as a text to read; empty when they do not.
    pub(crate) fn differences(direct: &Self, through: &Self) -> String {
        let mut text = String::new();
        for step in &direct.0 {
            match through.0.iter().find(|other| other.name == step.name) {
                None => text += &report("only direct:  ", step),
                Some(other) if other != step => {
                    text += &report("direct:       ", step);
                    text += &report("through:      ", other);
                    text += &first_difference(&step.outcome, &other.outcome);
                }
                Some(_) => {}
            }
        }
        for step in &through.0 {
            if !direct.0.iter().any(|other| other.name == step.name) {
                text += &report("only through: ", step);
            }
        }
        text
    }
}

fn report(label: &str, Step { name, outcome }: &Step) -> String {
    let shown: String = outcome.chars().take(REPORTED_CHARS_MAX).collect();
    format!("{label}{name}: {shown}\n")
}

/// Where long outcomes part.
fn first_difference(a: &str, b: &str) -> String {
    let at = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(at).take(60).collect::<String>();
    format!("  from character {at}: {:?} and {:?}\n", from(a), from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(printed: &str) -> Transcript {
        Transcript::read(printed).unwrap()
    }

    #[test]
    fn a_battery_that_breaks_off_is_no_transcript() {
        for printed in [
            "",
            "a/b: ok\n",
            "a/b: ok\ndone: 2\n",
            "a/b: ok\nTraceback\ndone: 1\n",
            "a/b: ok\ndone: 1\nsegmentation fault\n",
            "a/b: ok\na/b: ok\ndone: 2\n",
        ] {
            assert!(Transcript::read(printed).is_err(), "{printed}");
        }
        assert_eq!(read("a/b: ok\ndone: 1\n").0.len(), 1);
    }

    #[test]
    fn a_name_says_which_outcome_is_right() {
        let right = read("a/b: ok 1\na/c!: error 1 x\ndone: 2");
        assert_eq!(right.not_as_named(&[]), "");
        let wrong = read("a/b: error 1 x\na/c!: ok\ndone: 2");
        assert_eq!(wrong.not_as_named(&[]).lines().count(), 2);
    }

    #[test]
    fn a_step_is_excused_by_its_whole_name() {
        let wrong = read("a/b: error 1 x\na/bc: error 1 x\ndone: 2");
        assert_eq!(wrong.not_as_named(&["a/b"]).lines().count(), 1);
    }

    #[test]
    fn every_difference_is_told() {
        let direct = read("a/b: ok 1\na/c: ok 2\na/d: ok\ndone: 3");
        assert_eq!(Transcript::differences(&direct, &direct), "");
        let through = read("a/b: ok 1\na/c: ok 3\na/e: ok\ndone: 3");
        let told = Transcript::differences(&direct, &through);
        for part in [
            "direct:       a/c: ok 2",
            "through:      a/c: ok 3",
            "only direct:  a/d",
            "only through: a/e",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }

    #[test]
    fn the_proxys_own_statements_are_set_apart() {
        let mut through = read("a/b: ok\nsessions/text: ok\nkill/it: ok\ndone: 3");
        assert_eq!(through.take_virtual().len(), 2);
        assert_eq!(through.missing(&["a", "kill"]), ["kill"]);
    }
}
