//! What the targets begin with: statements one by one, and what real clients and servers have sent.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{fuzz_dir, repository};

/// An offer of capabilities with which each field of a login is read.
const ALL_CAPABILITIES: [u8; 4] = [0xff; 4];

/// Whether a target reads SQL, so that words help it.
pub(super) fn has_words(target: &str) -> bool {
    matches!(target, "keywords" | "mask" | "statement")
}

/// Puts the seeds of a target into its corpus, beside what earlier runs have found.
pub(super) fn plant(target: &str, corpus: &Path) -> Result<()> {
    fs::create_dir_all(corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    for (number, seed) in seeds(target)?.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    match target {
        "login" => logins(),
        "replies" => replies(),
        _ => {
            let statements = read(&fuzz_dir().join("seeds/statements.txt"))?;
            Ok(statements
                .lines()
                .map(|line| line.as_bytes().to_vec())
                .collect())
        }
    }
}

/// Captured logins, as the target `login` takes them.
fn logins() -> Result<Vec<Vec<u8>>> {
    let captures = repository().join("src/wire/login/captures");
    let mut logins = Vec::new();
    for entry in fs::read_dir(&captures).context("no captured logins")? {
        let packet = bytes(read(&entry?.path())?.trim());
        let payload = packet.get(HEADER_BYTES..).unwrap_or_default();
        logins.push([&ALL_CAPABILITIES, &[0][..], payload].concat());
    }
    Ok(logins)
}

/// Captured replies, as the target `replies` takes them: with how the connection is, the commands, and a length of
/// pieces before them.
fn replies() -> Result<Vec<Vec<u8>>> {
    let captures = repository().join("src/wire/reply/captures");
    let mut replies = Vec::new();
    for entry in fs::read_dir(&captures).context("no captured replies")? {
        let text = read(&entry?.path())?;
        for exchange in text.split("\n\n") {
            let said = |who: &str| {
                let lines = exchange.lines().filter_map(|line| line.strip_prefix(who));
                lines.flat_map(bytes).collect::<Vec<_>>()
            };
            let deprecate_eof = exchange.contains("deprecate_eof");
            let commands = commands(&said("C "));
            let mut seed = vec![u8::from(deprecate_eof), commands.len() as u8];
            seed.extend(commands);
            seed.push(PIECE_BYTES);
            seed.extend(said("S "));
            replies.push(seed);
        }
    }
    Ok(replies)
}

const HEADER_BYTES: usize = 4;
/// An odd length of pieces, so that cuts come everywhere.
const PIECE_BYTES: u8 = 7;
/// As many as the target takes.
const COMMANDS_MAX: usize = 7;

/// The first byte of each packet that begins a command.
fn commands(mut sent: &[u8]) -> Vec<u8> {
    let mut commands = Vec::new();
    while let [a, b, c, sequence, rest @ ..] = sent {
        let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        if *sequence == 0 && commands.len() < COMMANDS_MAX {
            commands.extend(rest.first());
        }
        sent = rest.get(len..).unwrap_or_default();
    }
    commands
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.filter_map(byte).collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_seeds() {
        for target in super::super::TARGETS {
            let seeds = seeds(target).unwrap();
            assert!(seeds.len() >= 2, "{target}: {}", seeds.len());
            assert!(seeds.iter().all(|seed| !seed.is_empty()), "{target}");
        }
    }

    #[test]
    fn a_captured_exchange_begins_with_its_command() {
        let replies = replies().unwrap();
        assert!(
            replies
                .iter()
                .any(|seed| seed.starts_with(&[0, 1, 0x0e, PIECE_BYTES, 7, 0, 0])),
            "a ping and its OK"
        );
        assert!(
            replies.iter().any(|seed| seed[0] == 1),
            "without EOF packets"
        );
    }
}
