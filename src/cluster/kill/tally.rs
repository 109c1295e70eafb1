//! What became of many victims, in sum: the counts and messages of a reply. No I/O.

use super::KillError;
use super::many::KilledMany;
use crate::statement::diagnostics::Message;

/// Messages of one reply at most; the last one tells how many there would be more.
const MESSAGES_MAX: usize = 1000;

/// Code of the notes that there was nothing to kill, and of the last message.
const NOTHING_TO_KILL: u16 = 1105;

/// What became of a victim.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is gone.
    Killed,
    /// KILL was accepted, but it is not gone, or nobody knows.
    StillThere(Message),
    /// There was nothing to kill any more.
    NothingLeft(&'static str),
    /// It was not killed, or nobody knows.
    Failed(KillError),
    /// The statement was ended before its turn had come.
    NotTried,
}

impl Fate {
    /// What its record says: the code, and the text.
    pub(super) fn outcome(&self) -> (u16, String) {
        match self {
            Self::Killed => (0, "killed".to_owned()),
            Self::StillThere(message) => (0, message.text.clone()),
            Self::NothingLeft(why) => (0, format!("nothing was killed: {why}")),
            Self::Failed(error) => (error.to_sql().code, error.to_string()),
            Self::NotTried => (
                KillError::Cancelled.to_sql().code,
                KillError::Cancelled.to_string(),
            ),
        }
    }

    /// What is to be said of the victim that is called so, if it was not just killed.
    fn message(&self, victim: &str) -> Option<Message> {
        Some(match self {
            Self::Killed | Self::NotTried => return None,
            Self::StillThere(message) => {
                Message::incomplete(message.code, format!("{victim}: {}", message.text))
            }
            Self::NothingLeft(why) => Message::note(NOTHING_TO_KILL, format!("{victim}: {why}")),
            Self::Failed(error) => {
                let error = error.to_sql();
                Message::incomplete(error.code, format!("{victim}: {}", error.text))
            }
        })
    }
}

/// A victim that has met its fate.
#[derive(Debug)]
pub(super) struct Dealt {
    /// Its id, user and server.
    pub(super) victim: String,
    pub(super) fate: Fate,
    /// What else is to be said: where else it ends, and that there is no record of it.
    pub(super) further: Vec<Message>,
}

/// The reply, after what is to be said of the choosing. Victims come in the order in which they were chosen.
///
/// # Errors
/// When the statement was ended before all had been tried.
pub(super) fn tally(
    mut messages: Vec<Message>,
    dealt: Vec<Dealt>,
    sent: u64,
) -> Result<KilledMany, KillError> {
    let matched = dealt.len() as u64;
    let count = |fits: fn(&Fate) -> bool| {
        let fitting = dealt.iter().filter(|dealt| fits(&dealt.fate));
        fitting.count() as u64
    };
    let killed = count(|fate| matches!(fate, Fate::Killed));
    let failed = count(|fate| matches!(fate, Fate::Failed(_) | Fate::StillThere(_)));
    let not_tried = count(|fate| matches!(fate, Fate::NotTried));
    if not_tried > 0 {
        return Err(match sent {
            0 => KillError::Cancelled,
            _ => KillError::CancelledBetween {
                matched,
                killed,
                not_tried,
            },
        });
    }
    for Dealt {
        victim,
        fate,
        further,
    } in dealt
    {
        messages.extend(fate.message(&victim));
        for message in further {
            // Of many victims of which none is recorded, one message is enough.
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
    }
    Ok(KilledMany {
        matched,
        killed,
        failed,
        messages: bounded(messages),
    })
}

/// No more messages than a reply may have.
fn bounded(mut messages: Vec<Message>) -> Vec<Message> {
    if messages.len() > MESSAGES_MAX {
        let more = messages.split_off(MESSAGES_MAX - 1).len();
        let text =
            format!("and {more} more messages, which are not shown; records tell of each kill");
        messages.push(Message::warning(NOTHING_TO_KILL, text));
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::SessionId;
    use crate::statement::diagnostics::Level;

    fn dealt(id: u32, fate: Fate) -> Dealt {
        Dealt {
            victim: format!("{id} of app on 10.0.0.1:2881 (z1)"),
            fate,
            further: Vec::new(),
        }
    }

    fn denied(id: u32) -> Fate {
        Fate::Failed(KillError::Denied {
            id: SessionId::new(id).unwrap(),
            server: "10.0.0.1:2881 (z1)".to_owned(),
        })
    }

    #[test]
    fn killed_are_those_that_are_gone_and_all_others_are_named() {
        let still = Message::incomplete(1105, "2 is still there");
        let fates = vec![
            dealt(1, Fate::Killed),
            dealt(2, Fate::StillThere(still)),
            dealt(3, Fate::NothingLeft("it has ended by itself")),
            dealt(4, denied(4)),
        ];
        let killed = tally(vec![Message::note(1, "first")], fates, 2).unwrap();
        assert_eq!((killed.matched, killed.killed, killed.failed), (4, 1, 2));
        assert_eq!(killed.info(), "Matched: 4  Killed: 1  Failed: 2");
        let said: Vec<_> = killed
            .messages
            .iter()
            .map(|message| (message.level, message.code))
            .collect();
        assert_eq!(
            said,
            [
                (Level::Note, 1),
                (Level::Incomplete, 1105),
                (Level::Note, 1105),
                (Level::Incomplete, 1095),
            ]
        );
        for (message, id) in killed.messages[1..].iter().zip(2..) {
            let named = format!("{id} of app on 10.0.0.1:2881 (z1): ");
            assert!(message.text.starts_with(&named), "{}", message.text);
        }
    }

    #[test]
    fn messages_are_bounded_and_the_last_one_counts_the_rest() {
        let fates = (1..=1500).map(|id| dealt(id, denied(id))).collect();
        let killed = tally(Vec::new(), fates, 0).unwrap();
        assert_eq!((killed.failed, killed.messages.len()), (1500, MESSAGES_MAX));
        let last = &killed.messages[MESSAGES_MAX - 1].text;
        assert!(last.starts_with("and 501 more messages"), "{last}");
    }

    #[test]
    fn one_message_is_enough_when_no_kill_has_a_record() {
        let missing = || Message::warning(1026, "the audit file cannot be written");
        let fates = [1, 2].map(|id| Dealt {
            further: vec![missing()],
            ..dealt(id, Fate::Killed)
        });
        let killed = tally(Vec::new(), fates.into(), 2).unwrap();
        assert_eq!(killed.messages, [missing()]);
    }

    #[test]
    fn an_interrupted_kill_says_whether_any_was_sent() {
        let fates = |first| vec![dealt(1, first), dealt(2, Fate::NotTried)];
        let cancelled = tally(Vec::new(), fates(Fate::NotTried), 0).unwrap_err();
        assert_eq!(cancelled.to_sql().code, 1317);
        assert!(cancelled.to_string().ends_with("nothing was killed"));
        let between = tally(Vec::new(), fates(Fate::Killed), 1).unwrap_err();
        assert_eq!(between.to_sql().code, 1317);
        let text = between.to_string();
        assert!(
            text.ends_with("of 2 that match 1 were killed before, and to 1 no KILL was sent"),
            "{text}"
        );
    }
}
