//! Commands: the first byte of a client's packet, and what shape the reply to each takes.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>

/// A command's code; unknown ones are kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command(pub u8);

impl Command {
    /// `COM_QUIT`: the client leaves; no reply.
    pub const QUIT: Self = Self(0x01);
    /// `COM_INIT_DB`: another default database.
    pub const INIT_DB: Self = Self(0x02);
    /// `COM_QUERY`: a statement, or several.
    pub const QUERY: Self = Self(0x03);
    /// `COM_FIELD_LIST`: the columns of a table.
    pub const FIELD_LIST: Self = Self(0x04);
    /// `COM_STATISTICS`: a text about the server.
    pub const STATISTICS: Self = Self(0x09);
    /// `COM_PROCESS_INFO`: the list of processes.
    pub const PROCESS_INFO: Self = Self(0x0a);
    /// `COM_PROCESS_KILL`: ends a session by its thread id.
    pub const PROCESS_KILL: Self = Self(0x0c);
    /// `COM_DEBUG`: the server writes to its own log.
    pub const DEBUG: Self = Self(0x0d);
    /// `COM_PING`
    pub const PING: Self = Self(0x0e);
    /// `COM_CHANGE_USER`: logs in anew on the same connection, in an exchange of its own
    /// ([`super::authentication`]).
    pub const CHANGE_USER: Self = Self(0x11);
    /// `COM_BINLOG_DUMP`: the binary log, event by event.
    pub const BINLOG_DUMP: Self = Self(0x12);
    /// `COM_TABLE_DUMP`
    pub const TABLE_DUMP: Self = Self(0x13);
    /// `COM_STMT_PREPARE`
    pub const STMT_PREPARE: Self = Self(0x16);
    /// `COM_STMT_EXECUTE`
    pub const STMT_EXECUTE: Self = Self(0x17);
    /// `COM_STMT_SEND_LONG_DATA`: a parameter in pieces; no reply.
    pub const STMT_SEND_LONG_DATA: Self = Self(0x18);
    /// `COM_STMT_CLOSE`: no reply.
    pub const STMT_CLOSE: Self = Self(0x19);
    /// `COM_STMT_RESET`
    pub const STMT_RESET: Self = Self(0x1a);
    /// `COM_SET_OPTION`: several statements in one packet, or not.
    pub const SET_OPTION: Self = Self(0x1b);
    /// `COM_STMT_FETCH`: rows from a cursor.
    pub const STMT_FETCH: Self = Self(0x1c);
    /// `COM_BINLOG_DUMP_GTID`
    pub const BINLOG_DUMP_GTID: Self = Self(0x1e);
    /// `COM_RESET_CONNECTION`: the session begins anew.
    pub const RESET_CONNECTION: Self = Self(0x1f);
    /// MariaDB's bulk execution.
    pub const STMT_BULK_EXECUTE: Self = Self(0xfa);

    /// The shape of the reply to this command.
    pub fn reply(self) -> ReplyShape {
        match self {
            Self::QUIT | Self::STMT_SEND_LONG_DATA | Self::STMT_CLOSE => ReplyShape::None,
            Self::QUERY | Self::PROCESS_INFO => ReplyShape::Results,
            Self::STMT_EXECUTE | Self::STMT_BULK_EXECUTE => ReplyShape::ResultsOrCursor,
            Self::STMT_PREPARE => ReplyShape::Prepared,
            Self::STMT_FETCH | Self::BINLOG_DUMP | Self::BINLOG_DUMP_GTID | Self::TABLE_DUMP => {
                ReplyShape::Rows
            }
            Self::FIELD_LIST => ReplyShape::Definitions,
            _ => ReplyShape::OnePacket,
        }
    }

    /// What a server's list of processes calls a session that runs it.
    pub fn name(self) -> &'static str {
        match self {
            Self(0x00) => "Sleep",
            Self::QUIT => "Quit",
            Self::INIT_DB => "Init DB",
            Self::QUERY => "Query",
            Self::FIELD_LIST => "Field List",
            Self(0x05) => "Create DB",
            Self(0x06) => "Drop DB",
            Self(0x07) => "Refresh",
            Self(0x08) => "Shutdown",
            Self::STATISTICS => "Statistics",
            Self::PROCESS_INFO => "Processlist",
            Self::PROCESS_KILL => "Kill",
            Self::DEBUG => "Debug",
            Self::PING => "Ping",
            Self::CHANGE_USER => "Change user",
            Self::BINLOG_DUMP => "Binlog Dump",
            Self::TABLE_DUMP => "Table Dump",
            Self::STMT_PREPARE => "Prepare",
            Self::STMT_EXECUTE => "Execute",
            Self::STMT_BULK_EXECUTE => "Bulk_execute",
            Self::STMT_SEND_LONG_DATA => "Long Data",
            Self::STMT_CLOSE => "Close stmt",
            Self::STMT_RESET => "Reset stmt",
            Self::SET_OPTION => "Set option",
            Self::STMT_FETCH => "Fetch",
            Self::BINLOG_DUMP_GTID => "Binlog Dump GTID",
            Self::RESET_CONNECTION => "Reset connection",
            _ => "Unknown",
        }
    }

    /// Whether this command names a prepared statement in its first four bytes of payload.
    pub fn names_statement(self) -> bool {
        matches!(
            self,
            Self::STMT_EXECUTE
                | Self::STMT_BULK_EXECUTE
                | Self::STMT_SEND_LONG_DATA
                | Self::STMT_CLOSE
                | Self::STMT_RESET
                | Self::STMT_FETCH
        )
    }

    /// Whether the server's diagnostics (warnings and errors) stay what they were after this command, on
    /// MariaDB and OceanBase alike.
    pub fn keeps_diagnostics(self) -> bool {
        matches!(
            self,
            Self::PING
                | Self::STATISTICS
                | Self::DEBUG
                | Self::SET_OPTION
                | Self::STMT_SEND_LONG_DATA
                | Self::STMT_CLOSE
                | Self::QUIT
        )
    }
}

/// What a reply looks like, and so where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyShape {
    /// No reply at all.
    None,
    /// One packet, whatever it holds (OK, ERR, EOF, or a plain text).
    OnePacket,
    /// One or more results: OK, ERR, LOCAL INFILE request, or a result set.
    Results,
    /// The same, where a result set may be left on the server in a cursor.
    ResultsOrCursor,
    /// The reply to a prepare: a header, parameter and column definitions.
    Prepared,
    /// Rows until EOF or ERR.
    Rows,
    /// Column definitions until EOF or ERR.
    Definitions,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen on MariaDB 10.11 and seekdb 1.4.0: a warning, the command, `SHOW COUNT(*) WARNINGS`.
    #[test]
    fn a_warning_survives_the_commands_that_run_no_statement() {
        for command in [
            Command::PING,
            Command::STATISTICS,
            Command::DEBUG,
            Command::SET_OPTION,
        ] {
            assert!(command.keeps_diagnostics(), "{command:?}");
        }
        for command in [
            Command::QUERY,
            Command::INIT_DB,
            Command::FIELD_LIST,
            Command::PROCESS_INFO,
            Command::STMT_PREPARE,
            Command::RESET_CONNECTION,
        ] {
            assert!(!command.keeps_diagnostics(), "{command:?}");
        }
    }
}
