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
        "parameters" => parameters(),
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

/// Captured executions, as the target `parameters` takes them.
fn parameters() -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for exchange in exchanges()? {
        for packet in packets(&said(&exchange, "C ")) {
            if packet.first() == Some(&COM_STMT_EXECUTE) {
                let len = u8::try_from(packet.len()).unwrap_or(u8::MAX);
                let seed = |placeholders| [&[placeholders, NO_LONG_DATA, len], packet].concat();
                seeds.extend([0, 1, 2].map(seed));
            }
        }
    }
    Ok(seeds)
}

const COM_STMT_EXECUTE: u8 = 0x17;
/// No statement of the captures has so many parameters.
const NO_LONG_DATA: u8 = u8::MAX;

/// Captured replies, as the target `replies` takes them: with how the connection is, the commands, and a length of
/// pieces before them.
fn replies() -> Result<Vec<Vec<u8>>> {
    let seed = |exchange: String| {
        let deprecate_eof = exchange.contains("deprecate_eof");
        let commands = commands(&said(&exchange, "C "));
        let mut seed = vec![u8::from(deprecate_eof), commands.len() as u8];
        seed.extend(commands);
        seed.push(PIECE_BYTES);
        seed.extend(said(&exchange, "S "));
        seed
    };
    Ok(exchanges()?.into_iter().map(seed).collect())
}

/// An odd length of pieces, so that cuts come everywhere.
const PIECE_BYTES: u8 = 7;
/// As many as the target takes.
const COMMANDS_MAX: usize = 7;

/// What was captured of commands and replies, one by one.
fn exchanges() -> Result<Vec<String>> {
    let captures = repository().join("src/wire/reply/captures");
    let mut exchanges = Vec::new();
    for entry in fs::read_dir(&captures).context("no captured replies")? {
        let text = read(&entry?.path())?;
        exchanges.extend(text.split("\n\n").map(str::to_owned));
    }
    Ok(exchanges)
}

/// All that the client (`C `) or the server (`S `) has sent in an exchange.
fn said(exchange: &str, who: &str) -> Vec<u8> {
    let lines = exchange.lines().filter_map(|line| line.strip_prefix(who));
    lines.flat_map(bytes).collect()
}

/// The first byte of each packet.
fn commands(sent: &[u8]) -> Vec<u8> {
    let first = packets(sent)
        .into_iter()
        .filter_map(|packet| packet.first());
    first.copied().take(COMMANDS_MAX).collect()
}

/// The payloads of packets that begin something.
fn packets(mut sent: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let [a, b, c, sequence, rest @ ..] = sent {
        let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let (payload, behind) = rest.split_at(len.min(rest.len()));
        if *sequence == 0 {
            packets.push(payload);
        }
        sent = behind;
    }
    packets
}

const HEADER_BYTES: usize = 4;

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
