//! What a simulated node does, as plain values, and what follows from it for one statement.

use std::time::Duration;

/// What a node does with connections, logins and queries. It may be changed while the node runs; a
/// node that hangs goes on where it stopped as soon as its behaviour no longer says that it hangs.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Behaviour {
    /// Answers at once.
    #[default]
    Healthy,
    /// The process is gone: the listener and every connection are closed, connecting is refused.
    Refuse,
    /// The process is frozen: connecting works, but not one byte comes, on old connections either.
    AcceptNoGreeting,
    /// Sends its greeting and never answers the login. Connections that are logged in work.
    HangInLogin,
    /// Logins work; a session list is never answered, on old connections either.
    HangInQuery,
    /// Answers every query after this time.
    Slow(Duration),
    /// Answers a session list with this error.
    FailQuery(ServerError),
    /// Denies every login with 1045. Connections that are logged in work.
    LoginDenied,
    /// Sends so many rows of a session list, and then closes the connection.
    BreakOffMidResult {
        /// Rows sent before that; a shorter list is cut before its end is told.
        after_rows: usize,
    },
    /// Sends so many rows of a session list, and then nothing more.
    HangMidResult {
        /// Rows sent before that.
        after_rows: usize,
    },
    /// Greets with bytes that are no greeting, and leaves the connection open.
    Garbage(Garbage),
    /// Sends bytes that are no reply to a session list, and leaves the connection open.
    GarbageInResult {
        /// Rows sent before that; `None`: garbage instead of the whole reply.
        after_rows: Option<usize>,
        /// The bytes.
        garbage: Garbage,
    },
}

/// Bytes that MySQL's protocol does not allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Garbage {
    /// A short packet with an impossible sequence id and type: recognisable at once.
    #[default]
    ShortPacket,
    /// Another protocol's answer. Read as a packet it promises 5 MiB that never come.
    Http,
}

impl Garbage {
    /// What is sent.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::ShortPacket => b"\x05\x00\x00\x77\xee\xde\xad\xbe\xef",
            Self::Http => {
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            }
        }
    }
}

/// What a node does when it has received a KILL. Whatever it is, the statement is recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum KillBehaviour {
    /// Does it, and says OK; 1094 for an id that is not there.
    #[default]
    Obey,
    /// Answers this error and kills nothing.
    Fail(ServerError),
    /// Kills nothing and never answers.
    NeverAnswer,
    /// Closes the connection that KILL came on, without an answer.
    CutConnection {
        /// Whether the victim was killed all the same.
        obeyed: bool,
    },
    /// Answers OK, but the session stays.
    Linger(Linger),
}

/// How long a session outlives its KILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// It is gone after this time (still rolling back, say).
    For(Duration),
    /// It never goes.
    Forever,
}

/// How a node is reached by the other nodes, when one of them is asked for its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// It answers them.
    #[default]
    Answers,
    /// It is not there: its sessions are left out, without a word.
    Gone,
    /// It does not answer: the query fails with 4012 after `ob_query_timeout`.
    Hangs,
}

/// What becomes of a query on `oceanbase.__all_server`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Topology {
    /// It gives the cluster's rows.
    #[default]
    Listed,
    /// There is no such table (1146).
    Missing,
    /// There is no row in it.
    Empty,
    /// It never gets an answer.
    Hangs,
    /// It gets this error.
    Fails(ServerError),
}

/// An error as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// MySQL's or OceanBase's code.
    pub code: u16,
    /// Five characters.
    pub sqlstate: String,
    /// The text.
    pub text: String,
}

impl ServerError {
    /// An error with SQLSTATE HY000.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self::with_sqlstate(code, "HY000", text)
    }

    /// An error with a SQLSTATE of its own.
    pub fn with_sqlstate(code: u16, sqlstate: &str, text: impl Into<String>) -> Self {
        Self {
            code,
            sqlstate: sqlstate.to_owned(),
            text: text.into(),
        }
    }

    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html>
    pub(super) fn payload(&self) -> Vec<u8> {
        let [low, high] = self.code.to_le_bytes();
        let mut payload = vec![0xff, low, high, b'#'];
        payload.extend(format!("{:5.5}", self.sqlstate).bytes());
        payload.extend(self.text.bytes());
        payload
    }
}

/// What to do with one query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    Answer,
    AnswerAfter(Duration),
    /// Nothing, until the behaviour changes.
    Hang,
    Fail(ServerError),
    Close,
    Garble(Garbage),
    /// Answer, but for what happens after so many rows.
    Stop {
        after_rows: usize,
        then: Stop,
    },
}

/// How a result ends that does not end as it should.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stop {
    Close,
    Hang,
    Garble(Garbage),
}

impl Behaviour {
    /// What a query on a connection that is logged in meets.
    pub(super) fn turn(&self, lists_sessions: bool) -> Turn {
        match self {
            Self::Refuse => Turn::Close,
            Self::AcceptNoGreeting => Turn::Hang,
            Self::Slow(delay) => Turn::AnswerAfter(*delay),
            _ if !lists_sessions => Turn::Answer,
            Self::Healthy | Self::HangInLogin | Self::LoginDenied | Self::Garbage(_) => {
                Turn::Answer
            }
            Self::HangInQuery => Turn::Hang,
            Self::FailQuery(error) => Turn::Fail(error.clone()),
            Self::BreakOffMidResult { after_rows } => Turn::Stop {
                after_rows: *after_rows,
                then: Stop::Close,
            },
            Self::HangMidResult { after_rows } => Turn::Stop {
                after_rows: *after_rows,
                then: Stop::Hang,
            },
            Self::GarbageInResult {
                after_rows: Some(rows),
                garbage,
            } => Turn::Stop {
                after_rows: *rows,
                then: Stop::Garble(*garbage),
            },
            Self::GarbageInResult {
                after_rows: None,
                garbage,
            } => Turn::Garble(*garbage),
        }
    }

    /// How the cluster reaches a node that behaves so: by other ports and processes than its clients do.
    pub(super) fn reach(&self) -> Reach {
        match self {
            // What speaks another protocol there is no node.
            Self::Refuse | Self::Garbage(_) => Reach::Gone,
            Self::AcceptNoGreeting => Reach::Hangs,
            _ => Reach::Answers,
        }
    }

    pub(super) fn hangs_mid_result(&self) -> bool {
        matches!(self, Self::HangMidResult { .. } | Self::AcceptNoGreeting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_session_lists_meet_what_is_scripted_for_them() {
        let behaviour = Behaviour::FailQuery(ServerError::new(4012, "Timeout"));
        assert_eq!(behaviour.turn(false), Turn::Answer);
        assert_eq!(
            behaviour.turn(true),
            Turn::Fail(ServerError::new(4012, "Timeout"))
        );
        assert_eq!(Behaviour::HangInQuery.turn(false), Turn::Answer);
        assert_eq!(Behaviour::HangInQuery.turn(true), Turn::Hang);
    }

    #[test]
    fn a_frozen_or_slow_node_is_so_for_every_query() {
        assert_eq!(Behaviour::AcceptNoGreeting.turn(false), Turn::Hang);
        let second = Duration::from_secs(1);
        assert_eq!(
            Behaviour::Slow(second).turn(false),
            Turn::AnswerAfter(second)
        );
    }

    #[test]
    fn an_error_packet_has_code_state_and_text() {
        let error = ServerError::with_sqlstate(4012, "70100", "late");
        assert_eq!(error.payload(), b"\xff\xac\x0f#70100late");
    }
}
