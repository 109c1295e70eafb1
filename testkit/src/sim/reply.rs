//! From a login or a statement to what its client is to get, as soon as the node's behaviour lets it.

use std::future::pending;
use std::sync::{Arc, PoisonError, Weak};

use super::answers::{Answer, Hangs, Reached, View, Wanted, answer, slept, unknown_thread};
use super::behaviour::{
    Behaviour, KillBehaviour, Linger, Reach, ServerError, Stop, Topology, Turn,
};
use super::connection::Connection;
use super::query::Table;
use super::state::NodeState;
use super::statement::Statement;

/// Why a statement ends before its answer.
pub(super) enum Interruption {
    QueryKilled,
    Killed,
    /// The client left, or the node ends the connection: nothing more is to be said.
    Closed,
}

/// What the client is to get.
pub(super) enum Reply {
    Ok,
    Rows(Table, Option<(usize, Stop)>),
    Fail(ServerError),
    /// The error, and then the end.
    LastWords(ServerError),
    Garbage(&'static [u8]),
    Close,
}

impl From<Interruption> for Reply {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::QueryKilled => Self::Fail(ServerError::with_sqlstate(
                1317,
                "70100",
                "Query execution was interrupted",
            )),
            Interruption::Killed => Self::LastWords(ServerError::new(5066, "Session interrupted")),
            Interruption::Closed => Self::Close,
        }
    }
}

/// How a login ends.
pub(super) enum Login {
    Welcome,
    Denied(ServerError),
    /// The connection ended first.
    Abandoned,
}

pub(super) struct Replier {
    pub(super) state: Arc<NodeState>,
    pub(super) connection: Arc<Connection>,
}

impl Replier {
    pub(super) fn new(state: Arc<NodeState>, connection: Arc<Connection>) -> Self {
        Self { state, connection }
    }

    /// Any password will do.
    pub(super) async fn log_in(&self, login: &str) -> Login {
        self.state.record_login(login);
        let mut behaviour = self.state.behaviour.subscribe();
        let answers = |behaviour: &Behaviour| {
            !matches!(
                behaviour,
                Behaviour::HangInLogin | Behaviour::AcceptNoGreeting
            )
        };
        let settled = async {
            behaviour
                .wait_for(answers)
                .await
                .map(|behaviour| behaviour.clone())
        };
        let Ok(Ok(behaviour)) = self.wait(settled).await else {
            return Login::Abandoned;
        };
        if behaviour == Behaviour::LoginDenied {
            let text =
                format!("Access denied for user '{login}'@'xxx.xxx.xxx.xxx' (using password: YES)");
            return Login::Denied(ServerError::with_sqlstate(1045, "42000", text));
        }
        self.connection.log_in(login);
        Login::Welcome
    }

    /// What `text` gets. The caller ends the statement when that is written.
    pub(super) async fn reply_to(&self, text: &str) -> Reply {
        self.state.record_statement(text);
        self.connection.begin(text);
        match self.try_reply_to(&Statement::parse(text)).await {
            Ok(reply) => reply,
            Err(interruption) => interruption.into(),
        }
    }

    async fn try_reply_to(&self, statement: &Statement) -> Result<Reply, Interruption> {
        let stop = match self.turn(statement).await? {
            Turn::Fail(error) => return Ok(Reply::Fail(error)),
            Turn::Close => return Ok(Reply::Close),
            Turn::Garble(garbage) => return Ok(Reply::Garbage(garbage.bytes())),
            Turn::Stop { after_rows, then } => Some((after_rows, then)),
            Turn::Answer | Turn::AnswerAfter(_) | Turn::Hang => None,
        };
        if statement.lists_servers() {
            self.topology_at_hand().await?;
        }
        let answer = self.answer(statement);
        if statement.lists_sessions() && matches!(answer, Answer::Rows(_)) {
            self.state.listed();
        }
        match answer {
            Answer::Ok => Ok(Reply::Ok),
            Answer::Rows(table) => Ok(Reply::Rows(table, stop)),
            Answer::Fail(error) => Ok(Reply::Fail(error)),
            Answer::FailAfter(time, error) => {
                self.wait(tokio::time::sleep(time)).await?;
                Ok(Reply::Fail(error))
            }
            Answer::Sleep(time) => {
                self.wait(tokio::time::sleep(time)).await?;
                Ok(Reply::Rows(slept(statement), None))
            }
            Answer::Kill { query_only, id } => self.kill(query_only, id).await,
        }
    }

    /// What the node's behaviour says, once it says something else than to wait.
    async fn turn(&self, statement: &Statement) -> Result<Turn, Interruption> {
        let mut behaviour = self.state.behaviour.subscribe();
        loop {
            let turn = behaviour
                .borrow_and_update()
                .turn(statement.lists_sessions());
            match turn {
                Turn::Hang => drop(self.wait(behaviour.changed()).await?),
                Turn::AnswerAfter(delay) => {
                    self.wait(tokio::time::sleep(delay)).await?;
                    return Ok(Turn::Answer);
                }
                turn => return Ok(turn),
            }
        }
    }

    async fn topology_at_hand(&self) -> Result<(), Interruption> {
        let mut changed = self.state.cluster_changed.subscribe();
        loop {
            changed.mark_unchanged();
            let hangs = {
                let cluster = self
                    .state
                    .cluster
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                cluster.topology == Topology::Hangs
            };
            if !hangs {
                return Ok(());
            }
            drop(self.wait(changed.changed()).await?);
        }
    }

    pub(super) fn answer(&self, statement: &Statement) -> Answer {
        let cluster = self
            .state
            .cluster
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let view = View {
            build: self.state.build(),
            place: self.state.place(),
            zone: &self.state.zone,
            connection_id: self.connection.id,
            user: &self.connection.user(),
            cluster: &cluster,
            sessions: &|| self.state.sessions(),
            others: &|wanted| reached(&cluster.nodes, wanted),
        };
        answer(statement, &view)
    }

    async fn kill(&self, query_only: bool, id: u32) -> Result<Reply, Interruption> {
        let state = &self.state;
        let present = state.has_session(id);
        match state.kill_behaviour() {
            KillBehaviour::Fail(error) => Ok(Reply::Fail(error)),
            KillBehaviour::NeverAnswer => self.wait(pending()).await,
            KillBehaviour::CutConnection { obeyed } => {
                if obeyed {
                    state.kill(query_only, id);
                }
                Ok(Reply::Close)
            }
            _ if !present => Ok(Reply::Fail(unknown_thread(id))),
            // Killing oneself closes the connection with no reply at all.
            _ if id == self.connection.id && !query_only => Ok(Reply::Close),
            KillBehaviour::Obey => {
                state.kill(query_only, id);
                Ok(Reply::Ok)
            }
            KillBehaviour::Linger(linger) => {
                if let Linger::For(time) = linger {
                    state.kill_later(time, query_only, id);
                }
                Ok(Reply::Ok)
            }
        }
    }

    /// Waits for `event`, unless the statement or the connection ends first.
    async fn wait<T>(&self, event: impl Future<Output = T>) -> Result<T, Interruption> {
        unless_interrupted(&self.connection, event).await
    }
}

/// The sessions of those nodes that are wanted, as the cluster reaches them.
fn reached(nodes: &[Weak<NodeState>], wanted: &Wanted<'_>) -> Reached {
    let mut reached = Vec::new();
    for node in nodes.iter().filter_map(Weak::upgrade) {
        let place = node.place();
        if wanted(place) {
            match node.reach() {
                Reach::Answers => reached.push((place, node.sessions())),
                Reach::Gone => {}
                Reach::Hangs => return Err(Hangs),
            }
        }
    }
    Ok(reached)
}

/// Waits for `event`, unless the statement or the connection ends first.
pub(super) async fn unless_interrupted<T>(
    connection: &Connection,
    event: impl Future<Output = T>,
) -> Result<T, Interruption> {
    tokio::select! {
        biased;
        () = connection.killed.cancelled() => Err(Interruption::Killed),
        () = connection.query_killed.notified() => Err(Interruption::QueryKilled),
        () = connection.peer_left.cancelled() => Err(Interruption::Closed),
        value = event => Ok(value),
    }
}
