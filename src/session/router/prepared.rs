//! The commands that name a prepared statement: the proxy's own are the session's, all others the backend's.

use super::{HEADER_BYTES, Packet, Request, Router, Step, Way, u32_at};
use crate::wire::command::Command;
use crate::wire::reply::ReplyTracker;

impl Router {
    /// A command that begins with a prepared statement's id.
    pub(super) fn with_statement_id(
        &mut self,
        input: &[u8],
        command: Command,
        packet: Packet<'_>,
        tracker: &mut ReplyTracker,
    ) -> Step {
        let Some(id) = packet.u32_at(1) else {
            return self.pass_or_more(input, packet, command, tracker);
        };
        let Some(id) = self.statements.resolve(id) else {
            return self.pass(input, packet.header, command, tracker);
        };
        match command {
            Command::STMT_CLOSE => {
                self.statements.close(id);
                self.begin_part(input, packet.header, Way::Nowhere)
            }
            Command::STMT_SEND_LONG_DATA => self.long_data(input, packet, id),
            Command::STMT_FETCH => self.take(packet, tracker, |payload| Request::Fetch {
                id,
                rows: u32_at(payload, 5),
            }),
            Command::STMT_RESET => self.take(packet, tracker, |_| Request::Reset { id }),
            Command::STMT_BULK_EXECUTE => self.take(packet, tracker, |_| Request::BulkExecute),
            _ => self.take(packet, tracker, |payload| Request::Execute {
                id,
                payload: payload.to_vec(),
            }),
        }
    }

    /// A piece of a parameter's value: behind its statement and its position it goes to the statement as it comes.
    fn long_data(&mut self, input: &[u8], packet: Packet<'_>, id: u32) -> Step {
        const DATA_AT: usize = HEADER_BYTES + 7;
        let header = packet.header;
        if header.payload_bytes < DATA_AT - HEADER_BYTES {
            // Too short to say anything: servers let it by, too.
            return self.begin_part(input, header, Way::Nowhere);
        }
        let Some(&[low, high]) = input.get(DATA_AT - 2..DATA_AT) else {
            return Step::More;
        };
        let to = Way::LongData {
            id,
            parameter: u16::from_le_bytes([low, high]),
        };
        self.begin_part_behind(DATA_AT, input, header, to)
    }
}
