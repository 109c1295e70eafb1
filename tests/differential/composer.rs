//! Composes random commands that make sense behind one another, most of them.

use super::client::Profile;
use super::command::{Command, LAST_PREPARED, Named};
use super::rng::Rng;
use super::sequence::{Cuts, Group, Reading, Step};
use super::statements::{
    BULK, DATABASE, DIAGNOSTICS, Kind, LOAD, MARIADB_PREPARED, MARIADB_TEXTS, NOT_UTF8, PREPARED,
    Parameter, Prepared, TEXTS, UNPREPARABLE, VIRTUAL,
};

/// A statement that the session has prepared.
#[derive(Debug, Clone, Copy)]
struct Alive {
    nth: usize,
    statement: &'static Prepared,
}

/// Composes one sequence, group by group: what it has said decides what it may say next.
pub(crate) struct Composer {
    rng: Rng,
    kind: Kind,
    profile: Profile,
    steps: Vec<Step>,
    alive: Vec<Alive>,
    prepares: usize,
    /// The last PREPARE's statement, if it has succeeded and is alive.
    last_prepared: Option<Alive>,
    /// The last statement that leaves diagnostics was the proxy's.
    virtual_was_last: bool,
    /// Which ids come next is not known before the group's end.
    ids_unknown: bool,
}

const COMMANDS_OF_A_GROUP_MAX: usize = 12;

impl Composer {
    pub(crate) fn new(rng: Rng, kind: Kind, profile: Profile) -> Self {
        Self {
            rng,
            kind,
            profile,
            steps: Vec::new(),
            alive: Vec::new(),
            prepares: 0,
            last_prepared: None,
            virtual_was_last: false,
            ids_unknown: false,
        }
    }

    pub(crate) fn group(&mut self) -> Group {
        let commands = 1 + self.rng.below(COMMANDS_OF_A_GROUP_MAX);
        self.ids_unknown = false;
        while self.steps.len() < commands {
            if self.rng.chance(12) {
                self.virtual_statement();
            }
            self.any();
            let is_turn = self
                .steps
                .last()
                .is_some_and(|step| step.command.turn.is_some());
            if is_turn {
                break;
            }
        }
        self.end_group()
    }

    /// The connection's last words. Some of them end it before QUIT does, on some servers.
    pub(crate) fn last_groups(&mut self) -> Vec<Group> {
        const WRONG: &[u8] = b"01234567890123456789";
        self.ids_unknown = false;
        for _ in 0..self.rng.below(4) {
            self.query();
        }
        let attributes = self.profile.attributes();
        // MariaDB takes a second for each change of user that fails.
        let last = match self.rng.below(60) {
            0 => Some(Command::change_user("guest", "", WRONG, attributes)),
            1 => Some(Command::change_user("root", "nowhere", b"", attributes)),
            2 => Some(Command::change_user("nobody", "", WRONG, attributes)),
            3..12 => Some(Command::empty()),
            12..20 => Some(Command::unknown(0x77)),
            _ => None,
        };
        let mut groups = Vec::new();
        if let Some(last) = last {
            self.push(last);
            groups.push(self.end_group());
        }
        self.push(Command::quit());
        groups.push(self.end_group());
        groups
    }

    fn end_group(&mut self) -> Group {
        let cuts = match self.rng.below(10) {
            0..3 => Cuts::Whole,
            3 => Cuts::EveryByte,
            4..6 => Cuts::InsideHeaders,
            _ => Cuts::Random {
                pieces: 1 + self.rng.below(20),
                paused: self.rng.chance(30),
            },
        };
        let reading = match self.rng.below(8) {
            0 => Reading::Slow(1 + self.rng.below(60)),
            1 => Reading::Slow(500 + self.rng.below(5000)),
            2..4 => Reading::Late,
            _ => Reading::Eager,
        };
        Group {
            steps: std::mem::take(&mut self.steps),
            cuts,
            cuts_seed: self.rng.next(),
            reading,
        }
    }

    fn any(&mut self) {
        match self.rng.below(100) {
            0..38 => self.query(),
            38..45 => self.diagnostics(),
            45..57 => self.prepare(),
            57..72 => self.execute(),
            72..78 => self.about_statement(),
            78..81 => self.load(),
            81..83 => self.begin_anew(),
            _ => {
                let command = self.plain();
                self.push(command);
            }
        }
    }

    fn push(&mut self, command: Command) {
        if !keeps_diagnostics(&command) {
            self.virtual_was_last = false;
        }
        self.steps.push(Step {
            command,
            through_proxy_only: false,
            prepares: None,
        });
    }

    fn query(&mut self) {
        let command = match self.rng.below(20) {
            0 => Command::query(*self.rng.pick(NOT_UTF8)),
            1 => {
                let columns = *self.rng.pick(&[250, 251, 300]);
                let columns: Vec<String> = (0..columns).map(|n| n.to_string()).collect();
                Command::query(format!("SELECT {}", columns.join(", ")))
            }
            2 => {
                let bytes = *self
                    .rng
                    .pick(&[8189, 8190, 8191, 8192, 8193, 20_000, 70_000]);
                let filler = "x".repeat(bytes);
                Command::query(if self.rng.chance(50) {
                    format!("SELECT LENGTH('{filler}')")
                } else {
                    format!("/* {filler} */ SELECT 1")
                })
            }
            3 => {
                let bytes = self.rng.below(100_000);
                Command::query(format!("SELECT REPEAT('r', {bytes})"))
            }
            4..6 if self.kind == Kind::Mariadb => Command::query(self.rng.pick(MARIADB_TEXTS)),
            _ => Command::query(self.rng.pick(TEXTS)),
        };
        self.push(command);
    }

    fn diagnostics(&mut self) {
        // Behind one of its own it is the proxy's to answer, which the direct run knows nothing of.
        if !self.virtual_was_last {
            let command = Command::query(self.rng.pick(DIAGNOSTICS));
            self.push(command);
        }
    }

    fn virtual_statement(&mut self) {
        let command = Command::query(self.rng.pick(VIRTUAL));
        self.steps.push(Step {
            command,
            through_proxy_only: true,
            prepares: None,
        });
        self.virtual_was_last = true;
    }

    fn prepare(&mut self) {
        if self.ids_unknown {
            return;
        }
        let failing = self.rng.chance(12);
        if failing {
            let command = Command::prepare(self.rng.pick(UNPREPARABLE));
            self.push(command);
            self.last_prepared = None;
        } else {
            let statement = match self.rng.below(10) {
                0 if self.kind == Kind::Mariadb => &BULK,
                1..3 if self.kind == Kind::Mariadb => self.rng.pick(MARIADB_PREPARED),
                _ => self.rng.pick(PREPARED),
            };
            self.push(Command::prepare(statement.sql));
            let alive = Alive {
                nth: self.prepares,
                statement,
            };
            self.alive.push(alive);
            self.last_prepared = Some(alive);
        }
        if let Some(step) = self.steps.last_mut() {
            step.prepares = Some(!failing);
        }
        self.prepares += 1;
    }

    fn execute(&mut self) {
        let mut named = None;
        if self.kind == Kind::Mariadb && self.rng.chance(20) {
            named = self
                .last_prepared
                .map(|alive| (Named::Id(LAST_PREPARED), alive));
        }
        if named.is_none() && !self.alive.is_empty() {
            let alive = *self.rng.pick(&self.alive);
            named = Some((Named::Nth(alive.nth), alive));
        }
        let Some((name, alive)) = named else {
            return self.prepare();
        };
        if alive.statement.sql == BULK.sql
            && self.profile.is_mariadb_client()
            && self.rng.chance(70)
        {
            let numbers: Vec<i32> = (0..1 + self.rng.below(5) as i32).collect();
            return self.push(Command::bulk_execute(name, &numbers));
        }
        let long = alive
            .statement
            .parameters
            .iter()
            .position(|&parameter| parameter == Parameter::Text);
        let long = long.filter(|_| self.rng.chance(40));
        if let Some(at) = long {
            for _ in 0..1 + self.rng.below(3) {
                let data = vec![b'd'; self.rng.below(4)];
                self.push(Command::long_data(name, at as u16, &data));
            }
        }
        let parameters = self.parameters(alive.statement.parameters, long);
        // seekdb answers a cursor for anything else now this way and now that.
        let is_select = alive.statement.sql.starts_with("SELECT");
        let cursor = self.rng.chance(35) && (is_select || self.kind == Kind::Mariadb);
        self.push(Command::execute(name, cursor, &parameters));
        if cursor {
            for _ in 0..self.rng.below(3) {
                let rows = 1 + self.rng.below(4) as u32;
                self.push(Command::fetch(name, rows));
            }
        }
    }

    /// Null bitmap, types and values; the value of parameter `long` has been sent before.
    fn parameters(&mut self, parameters: &[Parameter], long: Option<usize>) -> Vec<u8> {
        if parameters.is_empty() {
            return Vec::new();
        }
        let (mut nulls, mut types, mut values) = (0u8, Vec::new(), Vec::new());
        for (at, parameter) in parameters.iter().enumerate() {
            let is_null = long != Some(at) && self.rng.chance(15);
            nulls |= u8::from(is_null) << at;
            types.extend_from_slice(match parameter {
                Parameter::Int => &[0x03, 0],
                Parameter::Text => &[0xfd, 0],
            });
            match parameter {
                _ if is_null || long == Some(at) => {}
                Parameter::Int => {
                    let number = self.rng.below(6) as i32;
                    values.extend_from_slice(&number.to_le_bytes());
                }
                Parameter::Text => {
                    let text =
                        *self
                            .rng
                            .pick(&[&b""[..], b"no", b"much too long", b"\xf0\x9f\x98\x80"]);
                    values.push(text.len() as u8);
                    values.extend_from_slice(text);
                }
            }
        }
        [vec![nulls, 1], types, values].concat()
    }

    /// RESET, CLOSE and FETCH of a statement, alive or not, and whatever else names none.
    fn about_statement(&mut self) {
        const NOBODYS: Named = Named::Id(4242);
        let at = (!self.alive.is_empty() && self.rng.chance(75))
            .then(|| self.rng.below(self.alive.len()));
        let name = at.map_or(NOBODYS, |at| Named::Nth(self.alive[at].nth));
        let command = match self.rng.below(5) {
            0 => Command::reset(name),
            1 => Command::fetch(name, 2),
            2 if at.is_none() => Command::execute(name, false, b""),
            3 if at.is_none() => Command::long_data(name, 0, b"for nobody"),
            _ => {
                if let Some(at) = at {
                    let gone = self.alive.swap_remove(at);
                    self.last_prepared.take_if(|last| last.nth == gone.nth);
                }
                Command::close(name)
            }
        };
        self.push(command);
    }

    fn load(&mut self) {
        let rows = |from: usize, to: usize| -> Vec<u8> {
            (from..to)
                .flat_map(|n| format!("{n}\tr\n").into_bytes())
                .collect()
        };
        let file = match self.rng.below(4) {
            0 => vec![],
            1 => vec![rows(0, 3)],
            2 => vec![rows(0, 2), rows(2, 5), b"8\t\\N\n9".to_vec()],
            _ => vec![rows(0, 4000), rows(4000, 8000)],
        };
        let command = match self.rng.below(5) {
            0 => Command::query("LOAD DATA LOCAL INFILE 'rows' INTO TABLE nowhere"),
            1 => Command::query(format!("{LOAD}; SELECT 1")),
            _ => Command::query(LOAD),
        };
        let file = file.into_iter().chain([vec![]]).collect();
        self.push(command.with_turn(file));
    }

    fn begin_anew(&mut self) {
        let command = if self.rng.chance(50) {
            Command::reset_connection()
        } else {
            Command::change_user("root", DATABASE, b"", self.profile.attributes())
        };
        self.push(command);
        self.alive.clear();
        self.last_prepared = None;
        self.ids_unknown = true;
    }

    /// A command that needs nothing but itself.
    fn plain(&mut self) -> Command {
        match self.rng.below(14) {
            0 => Command::init_db(DATABASE.as_bytes()),
            1 => Command::init_db(b"nowhere"),
            2 => Command::field_list("t", "%"),
            3 => Command::field_list("t", "b"),
            4 => Command::field_list("nowhere", "%"),
            5 => Command::statistics(),
            6 => Command::process_info(),
            7 => Command::process_kill(0x7fff_fff0),
            8 => Command::debug(),
            9 => Command::set_option(self.rng.below(2) as u16),
            10 => Command::set_option(9),
            11 => Command::unknown(0x05),
            12 if self.kind == Kind::Mariadb && self.rng.chance(20) => Command::empty(),
            12 if self.kind == Kind::Mariadb => {
                Command::unknown(*self.rng.pick(&[0x0b, 0x0f, 0x77]))
            }
            _ => Command::ping(),
        }
    }
}

/// As the protocol's documentation has it: commands that run no statement.
fn keeps_diagnostics(command: &Command) -> bool {
    matches!(
        command.kind,
        "PING"
            | "STATISTICS"
            | "DEBUG"
            | "SET_OPTION"
            | "STMT_SEND_LONG_DATA"
            | "STMT_CLOSE"
            | "QUIT"
    )
}
