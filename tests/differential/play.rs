//! Plays a sequence on one connection, and holds two such plays against each other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use testkit::cluster::Cluster;
use tokio::sync::watch;

use super::House;
use super::client::{Client, Profile, write_all};
use super::command::{Command, Named, Shape};
use super::reply::{Cut, Reply};
use super::rng::Rng;
use super::sequence::{Cuts, Group, Reading, Sequence, Step};
use super::statements::Kind;

/// How long a group's replies may take.
const GROUP_TIMEOUT: Duration = Duration::from_secs(30);

/// More than this is not written blindly before anything is read: both ends could wait for each other.
const WRITTEN_BLINDLY_BYTES_MAX: usize = 32 * 1024;
/// More than this is not written byte by byte.
const BYTE_BY_BYTE_MAX: usize = 3000;

/// Where a sequence is played.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Direct(SocketAddr),
    Proxy(SocketAddr),
}

/// What a connection has received from its login to its end.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) greeting: Vec<u8>,
    pub(crate) login_reply: Vec<u8>,
    /// The replies to the commands that a server gets directly, too; as far as there are any.
    pub(crate) replies: Vec<(Command, Reply)>,
    /// What came behind the last whole reply, until the server closed the connection.
    pub(crate) rest: Vec<u8>,
}

/// The ids that PREPAREs have been given, or will be.
#[derive(Debug, Default)]
struct Ids {
    by_nth: Vec<u32>,
    attempts: u32,
    failed: u32,
    /// How many of them have been compared with what came.
    checked: usize,
}

impl Ids {
    fn predict(&mut self, kind: Kind, step: &Step) {
        if let Some(succeeds) = step.prepares {
            let id = kind.next_id(self.attempts, self.failed);
            self.by_nth.push(id);
            self.attempts += 1;
            self.failed += u32::from(!succeeds);
        }
        if step.command.begins_anew() && kind.counts_anew() {
            (self.attempts, self.failed) = (0, 0);
        }
    }

    /// A wrong guess would hand one statement's parameters to another.
    fn check(&mut self, steps: &[&Step], replies: &[Reply]) -> Result<(), String> {
        let prepares = steps
            .iter()
            .zip(replies)
            .filter(|(step, _)| step.prepares.is_some());
        for (step, reply) in prepares {
            let guess = self.by_nth[self.checked];
            self.checked += 1;
            let given = (step.prepares == Some(true)).then_some(guess);
            if reply.statement_id() != given {
                return Err(format!("{} was expected to give {given:?}", step.command));
            }
        }
        Ok(())
    }

    fn of(&self, command: &Command) -> Option<u32> {
        command.names.map(|name| match name {
            Named::Nth(nth) => self.by_nth[nth],
            Named::Id(id) => id,
        })
    }
}

/// Plays `sequence` on a connection of its own.
///
/// # Errors
/// When a reply does not come, or the connection fails.
pub(crate) async fn play(sequence: &Sequence, kind: Kind, stage: Stage) -> Result<Played, String> {
    let (addr, user) = match stage {
        Stage::Direct(addr) => (addr, "root"),
        Stage::Proxy(addr) => (addr, sequence.user),
    };
    let mut client = Client::log_in(addr, user, &sequence.profile)
        .await
        .map_err(|error| format!("{stage:?}: {error}"))?;
    let mut played = Played {
        greeting: client.greeting.comparable(),
        login_reply: client.login_reply.to_vec(),
        replies: Vec::new(),
        rest: Vec::new(),
    };
    let mut ids = Ids::default();
    for group in &sequence.groups {
        let is_here = |step: &&Step| !step.through_proxy_only || matches!(stage, Stage::Proxy(_));
        let steps: Vec<&Step> = group.steps.iter().filter(is_here).collect();
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for step in &steps {
            ids.predict(kind, step);
            starts.push(bytes.len());
            step.command.put(&mut bytes, ids.of(&step.command));
        }
        let pieces = pieces(group, &bytes, &starts);
        let commands = steps.iter().map(|step| &step.command);
        let replies = tokio::time::timeout(
            GROUP_TIMEOUT,
            exchange(&mut client, group, &pieces, commands),
        );
        let (replies, closed) = replies
            .await
            .map_err(|_| format!("{stage:?}: no whole reply within {GROUP_TIMEOUT:?}"))?
            .map_err(|error| format!("{stage:?}: {error}"))?;
        ids.check(&steps, &replies)?;
        for (step, reply) in steps.iter().zip(replies) {
            if !step.through_proxy_only {
                played.replies.push((step.command.clone(), reply));
            }
        }
        if closed {
            break;
        }
    }
    played.rest = tokio::time::timeout(GROUP_TIMEOUT, client.reader.rest(&client.stream))
        .await
        .map_err(|_| format!("{stage:?}: the connection is not closed after the last command"))?
        .map_err(|error| format!("{stage:?}: {error}"))?;
    Ok(played)
}

/// Asks for `commands` on a connection, in writes that end at `cuts`, and reads the replies meanwhile.
pub(crate) async fn ask(client: &mut Client, commands: &[Command], cuts: &[usize]) -> Vec<Reply> {
    let mut bytes = Vec::new();
    for command in commands {
        let id = command.names.map(|name| match name {
            Named::Id(id) => id,
            Named::Nth(_) => unreachable!("only a sequence counts its statements"),
        });
        command.put(&mut bytes, id);
    }
    let stream = &client.stream;
    let write = async {
        let mut at = 0;
        for cut in cuts.iter().copied().chain([bytes.len()]) {
            let cut = cut.min(bytes.len());
            write_all(stream, &bytes[at..cut]).await.unwrap();
            at = cut;
            tokio::task::yield_now().await;
        }
    };
    let reader = &mut client.reader;
    let read = async {
        let mut replies = Vec::new();
        for command in commands {
            let reply = Reply::read(command, reader, stream).await;
            replies.push(reply.unwrap_or_else(|cut| panic!("{command}: {cut:?}")));
        }
        replies
    };
    let both = async { tokio::join!(write, read) };
    let ((), replies) = tokio::time::timeout(GROUP_TIMEOUT, both)
        .await
        .unwrap_or_else(|_| panic!("no whole reply within {GROUP_TIMEOUT:?}, cuts {cuts:?}"));
    replies
}

/// Asks for `commands` one by one, directly and through the proxy: all that comes must be the same.
/// Gives the direct replies.
pub(crate) async fn same<C: Deref<Target = Cluster>>(
    house: &House<C>,
    profile: &Profile,
    commands: &[Command],
) -> Vec<Reply> {
    let mut seen = Vec::new();
    for addr in [house.node().addr(), house.warden.addr()] {
        let mut client = Client::log_in(addr, "root", profile).await.unwrap();
        let mut replies = Vec::new();
        for command in commands {
            replies.extend(ask(&mut client, std::slice::from_ref(command), &[]).await);
        }
        seen.push(replies);
    }
    let [direct, proxied] = [&seen[0], &seen[1]];
    for ((command, direct), proxied) in commands.iter().zip(direct).zip(proxied) {
        let equal = command.equal;
        assert!(
            direct.comparable(equal) == proxied.comparable(equal),
            "{:?}: the replies to {command} differ",
            house.kind
        );
    }
    seen.swap_remove(0)
}

/// Writes a group while its replies are read; says whether the server has closed the connection.
async fn exchange(
    client: &mut Client,
    group: &Group,
    pieces: &[&[u8]],
    commands: impl Iterator<Item = &Command>,
) -> io::Result<(Vec<Reply>, bool)> {
    let stream = &client.stream;
    let (written, mut is_written) = watch::channel(false);
    let paused = matches!(group.cuts, Cuts::Random { paused: true, .. });
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    client.reader.read_bytes_max = match group.reading {
        Reading::Slow(bytes) => Some(bytes),
        Reading::Eager | Reading::Late => None,
    };
    let write = async {
        for piece in pieces {
            // The server may have closed; what it said before that is still to be read.
            if write_all(stream, piece).await.is_err() {
                break;
            }
            if paused {
                tokio::time::sleep(Duration::from_millis(1)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        written.send_replace(true);
    };
    let reader = &mut client.reader;
    let read = async {
        if matches!(group.reading, Reading::Late) && bytes <= WRITTEN_BLINDLY_BYTES_MAX {
            let _ = is_written.wait_for(|written| *written).await;
        }
        let mut replies = Vec::new();
        for command in commands {
            match Reply::read(command, reader, stream).await {
                Ok(reply) => replies.push(reply),
                Err(Cut::Closed(reply)) => {
                    replies.push(reply);
                    return Ok((replies, true));
                }
                Err(Cut::Failed(error)) => return Err(error),
            }
        }
        Ok((replies, false))
    };
    let ((), replies) = tokio::join!(write, read);
    replies
}

/// Cuts a group's bytes into what one write takes. Commands begin at `starts`.
fn pieces<'b>(group: &Group, bytes: &'b [u8], starts: &[usize]) -> Vec<&'b [u8]> {
    let mut rng = Rng::new(group.cuts_seed);
    let mut random =
        |count: usize| -> Vec<usize> { (0..count).map(|_| rng.below(bytes.len())).collect() };
    let mut cuts = match group.cuts {
        _ if bytes.is_empty() => Vec::new(),
        Cuts::Whole => Vec::new(),
        Cuts::EveryByte if bytes.len() <= BYTE_BY_BYTE_MAX => (0..bytes.len()).collect(),
        Cuts::EveryByte => random(50),
        Cuts::Random { pieces, .. } => random(pieces),
        Cuts::InsideHeaders => starts
            .iter()
            .map(|start| start + 1 + rng.below(4))
            .collect(),
    };
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut at = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        let cut = cut.min(bytes.len());
        if cut > at {
            pieces.push(&bytes[at..cut]);
            at = cut;
        }
    }
    pieces
}

/// Where and how `proxied` differs from `direct`, if it does.
pub(crate) fn difference(direct: &Played, proxied: &Played) -> Option<String> {
    let mut out = String::new();
    let mut differ = |what: &str, direct: &[u8], proxied: &[u8]| {
        if direct == proxied {
            return false;
        }
        let same = direct
            .iter()
            .zip(proxied)
            .take_while(|(a, b)| a == b)
            .count();
        let _ = write!(
            out,
            "{what}, from byte {same} of {} and {} on:\n    direct  {}\n    proxied {}",
            direct.len(),
            proxied.len(),
            excerpt(direct, same),
            excerpt(proxied, same),
        );
        true
    };
    let _ = differ("the greeting", &direct.greeting, &proxied.greeting)
        || differ(
            "the login's reply",
            &direct.login_reply,
            &proxied.login_reply,
        )
        || direct.replies.iter().zip(&proxied.replies).enumerate().any(
            |(number, ((command, direct), (_, proxied)))| {
                differ(
                    &format!("the reply to direct command {number}, {command}"),
                    &direct.comparable(command.equal),
                    &proxied.comparable(command.equal),
                )
            },
        )
        || differ(
            "the number of replies",
            &[direct.replies.len() as u8],
            &[proxied.replies.len() as u8],
        )
        || differ("what comes before the end", &direct.rest, &proxied.rest);
    (!out.is_empty()).then_some(out)
}

fn excerpt(bytes: &[u8], at: usize) -> String {
    const BEFORE_BYTES: usize = 24;
    const AFTER_BYTES: usize = 72;
    let shown = &bytes[at.saturating_sub(BEFORE_BYTES)..bytes.len().min(at + AFTER_BYTES)];
    shown.escape_ascii().to_string()
}

/// How often each kind of command was answered, without and with an error.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, (u32, u32)>);

impl Tally {
    pub(crate) fn count(&mut self, played: &Played) {
        for (command, reply) in &played.replies {
            let (fine, failed) = self.0.entry(command.kind).or_default();
            let without = reply.packets.is_empty() && command.shape != Shape::Nothing;
            if reply.error_code().is_some() || without {
                *failed += 1;
            } else {
                *fine += 1;
            }
        }
    }

    /// Checks that every kind was there, `more` besides the usual ones, and that most commands did what
    /// they are for. A few sequences on demand need not be that rich.
    pub(crate) fn assert_varied(&self, more: &[&str]) {
        const COMMANDS_MIN: u32 = 1000;
        let (fine, failed) = self
            .0
            .values()
            .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        if fine + failed < COMMANDS_MIN {
            return;
        }
        let usual = "CHANGE_USER DEBUG FIELD_LIST INIT_DB PING PROCESS_INFO QUERY QUIT RESET_CONNECTION \
             SET_OPTION STATISTICS STMT_CLOSE STMT_EXECUTE STMT_FETCH STMT_PREPARE STMT_RESET \
             STMT_SEND_LONG_DATA";
        for kind in usual.split_whitespace().chain(more.iter().copied()) {
            assert!(
                self.0.get(kind).is_some_and(|count| count.0 > 0),
                "{kind}: {self:?}"
            );
        }
        for kind in ["PROCESS_KILL", "unknown", "empty packet"] {
            assert!(self.0.contains_key(kind), "{kind}: {self:?}");
        }
        assert!(fine > 2 * failed, "{self:?}");
    }
}
