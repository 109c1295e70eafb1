//! Rows of held sessions, as packets that are made once: they do not change, and a node with many of them
//! must answer faster than whoever is measured with it can ask.

use std::sync::{Arc, Mutex};

use obwarden::wire::cursor::put_lenenc_bytes;
use obwarden::wire::packet::put_packet;

use super::rows::Cell;
use super::statement::Item;
use crate::lock::locked;

/// What a NULL is in a row of the text protocol.
const NULL: u8 = 0xfb;

/// Which columns of held sessions a result has: what was asked for, of a table with these.
type Asked = (Vec<Item>, Vec<&'static str>);

/// The packets made last. It is thrown away when other sessions are held.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Option<(Asked, Arc<[u8]>)>>);

/// The rows of a result that are held sessions. They come after all others.
pub(super) struct HeldRows {
    pub(super) rows: Box<dyn Iterator<Item = Vec<Cell>> + Send>,
    pub(super) asked: Asked,
    pub(super) made: Arc<Made>,
}

impl HeldRows {
    /// One packet of the text protocol for each row. Their sequence ids are the writer's to set.
    pub(super) fn packets(self) -> Arc<[u8]> {
        let mut made = locked(&self.made.0);
        match &*made {
            Some((asked, packets)) if *asked == self.asked => Arc::clone(packets),
            _ => {
                let packets = encoded(self.rows);
                *made = Some((self.asked, Arc::clone(&packets)));
                packets
            }
        }
    }
}

fn encoded(rows: impl Iterator<Item = Vec<Cell>>) -> Arc<[u8]> {
    let (mut packets, mut payload) = (Vec::new(), Vec::new());
    for row in rows {
        payload.clear();
        for cell in row {
            match cell {
                Cell::Null => payload.push(NULL),
                Cell::Number(number) => {
                    put_lenenc_bytes(&mut payload, number.to_string().as_bytes());
                }
                Cell::Text(text) => put_lenenc_bytes(&mut payload, text.as_bytes()),
            }
        }
        put_packet(&mut packets, 0, &payload);
    }
    packets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &str, number: u64, made: &Arc<Made>) -> HeldRows {
        let item = Item {
            name: name.to_owned(),
            value: super::super::statement::Value::All,
        };
        HeldRows {
            rows: Box::new(std::iter::once(vec![Cell::Number(number), Cell::Null])),
            asked: (vec![item], vec!["id", "info"]),
            made: Arc::clone(made),
        }
    }

    #[test]
    fn rows_are_made_once_for_the_same_question_and_anew_for_another() {
        let made = Arc::default();
        let first = held("*", 17, &made).packets();
        assert_eq!(&*first, b"\x04\0\0\0\x0217\xfb");
        assert_eq!(held("*", 18, &made).packets(), first);
        assert_ne!(held("id", 18, &made).packets(), first);
    }
}
