//! Packets: a header of four bytes (payload length in three, sequence id in one) and the payload.
//!
//! A payload of 16 MiB - 1 bytes or more is sent in parts; a part shorter than that ends it. Here such
//! parts are one packet.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 4;

/// The longest payload of one part, in bytes: 2^24 - 1. A part of this length is followed by another.
pub const PART_BYTES_MAX: usize = 0xff_ffff;

/// How many bytes of a packet's beginning [`PacketWalker`] shows: enough for an OK packet's flags.
pub const HEAD_BYTES_MAX: usize = 24;

/// The header of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of payload in this part.
    pub payload_bytes: usize,
    /// The sequence id.
    pub sequence: u8,
}

impl Header {
    /// Reads the header at the beginning of `bytes`; `None` while it is not all there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, sequence] = *bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            payload_bytes: u32::from_le_bytes([a, b, c, 0]) as usize,
            sequence,
        })
    }

    /// Whether another part of the same packet follows.
    pub fn continues(self) -> bool {
        self.payload_bytes == PART_BYTES_MAX
    }
}

/// Appends `payload` as a packet, in parts if it is long; returns the sequence id after the last one.
pub fn put_packet(out: &mut Vec<u8>, mut sequence: u8, payload: &[u8]) -> u8 {
    let mut rest = payload;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART_BYTES_MAX));
        out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
        out.push(sequence);
        out.extend_from_slice(part);
        sequence = sequence.wrapping_add(1);
        rest = after;
        if part.len() < PART_BYTES_MAX {
            return sequence;
        }
    }
}

/// A packet that has gone by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed<'a> {
    /// The first bytes of the payload: all of it or the first [`HEAD_BYTES_MAX`], whichever is less.
    pub head: &'a [u8],
    /// Bytes of the whole payload, all parts together.
    pub payload_bytes: usize,
}

/// What a [`PacketWalker`] is to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Report {
    /// Each packet, whatever it is.
    #[default]
    EveryPacket,
    /// Rows may be passed over: packets of one part that begin with a byte below 0xfe.
    AllButRows,
}

/// Walks a stream of packets from header to header, however it is cut, and keeps no payload but the
/// beginning of a packet that is not all there yet.
#[derive(Debug, Default)]
pub struct PacketWalker {
    header: [u8; HEADER_BYTES],
    header_seen: u8,
    head: [u8; HEAD_BYTES_MAX],
    head_seen: u8,
    /// Bytes that the part in hand still lacks.
    part_left: u32,
    /// The part in hand is followed by another of the same packet.
    continues: bool,
    payload_bytes: usize,
    report: Report,
}

impl PacketWalker {
    /// Whether the stream stands between two packets.
    pub fn at_boundary(&self) -> bool {
        self.header_seen == 0 && self.part_left == 0 && !self.continues
    }

    /// Takes the next `bytes` of the stream and reports each packet that ends in them. `on_packet` says what
    /// is to be reported from then on.
    pub fn walk(&mut self, mut bytes: &[u8], mut on_packet: impl FnMut(Passed<'_>) -> Report) {
        while !bytes.is_empty() {
            if self.part_left > 0 {
                bytes = self.pass_payload(bytes);
            } else {
                if self.report == Report::AllButRows && self.at_boundary() {
                    bytes = after_rows(bytes);
                }
                if let Some((passed, after)) = self.pass_whole(bytes) {
                    self.report = on_packet(passed);
                    bytes = after;
                    continue;
                }
                bytes = self.pass_header(bytes);
            }
            if self.packet_ended() {
                self.report = on_packet(Passed {
                    head: &self.head[..usize::from(self.head_seen)],
                    payload_bytes: self.payload_bytes,
                });
                self.head_seen = 0;
                self.payload_bytes = 0;
            }
        }
    }

    /// The common case: a packet of one part that is all there, nothing copied.
    fn pass_whole<'b>(&self, bytes: &'b [u8]) -> Option<(Passed<'b>, &'b [u8])> {
        if !self.at_boundary() {
            return None;
        }
        let header = Header::read(bytes)?;
        if header.continues() {
            return None;
        }
        let (packet, after) = bytes.split_at_checked(HEADER_BYTES + header.payload_bytes)?;
        let payload = &packet[HEADER_BYTES..];
        let passed = Passed {
            head: &payload[..payload.len().min(HEAD_BYTES_MAX)],
            payload_bytes: payload.len(),
        };
        Some((passed, after))
    }

    fn pass_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let seen = usize::from(self.header_seen);
        let (now, after) = bytes.split_at(bytes.len().min(HEADER_BYTES - seen));
        self.header[seen..seen + now.len()].copy_from_slice(now);
        self.header_seen += now.len() as u8;
        if usize::from(self.header_seen) == HEADER_BYTES
            && let Some(header) = Header::read(&self.header)
        {
            self.part_left = header.payload_bytes as u32;
            self.continues = header.continues();
        }
        after
    }

    fn pass_payload<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, after) = bytes.split_at(bytes.len().min(self.part_left as usize));
        let seen = usize::from(self.head_seen);
        let kept = now.len().min(HEAD_BYTES_MAX - seen);
        self.head[seen..seen + kept].copy_from_slice(&now[..kept]);
        self.head_seen += kept as u8;
        self.part_left -= now.len() as u32;
        self.payload_bytes += now.len();
        after
    }

    /// Whether the part in hand is complete, and with it the packet.
    fn packet_ended(&mut self) -> bool {
        if usize::from(self.header_seen) < HEADER_BYTES || self.part_left > 0 {
            return false;
        }
        self.header_seen = 0;
        !self.continues
    }
}

/// What comes behind the rows that are all there. The most of what a server sends goes by here.
fn after_rows(mut bytes: &[u8]) -> &[u8] {
    while let Some(&[a, b, c, _, first]) = bytes.first_chunk() {
        let payload_bytes = u32::from_le_bytes([a, b, c, 0]) as usize;
        if first >= NO_ROW || payload_bytes == 0 || payload_bytes == PART_BYTES_MAX {
            break;
        }
        match bytes.get(HEADER_BYTES + payload_bytes..) {
            Some(after) => bytes = after,
            None => break,
        }
    }
    bytes
}

/// A packet that begins with this or more is the end of a result, or a row with a value of 16 MiB.
const NO_ROW: u8 = 0xfe;

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(chunks: impl IntoIterator<Item = Vec<u8>>) -> Vec<(Vec<u8>, usize)> {
        let mut walker = PacketWalker::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            walker.walk(&chunk, |packet| {
                seen.push((packet.head.to_vec(), packet.payload_bytes));
                Report::EveryPacket
            });
        }
        assert!(walker.at_boundary());
        seen
    }

    #[test]
    fn packets_are_the_same_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        for payload in [&b"\x0e"[..], b"", &[7; 300], b"abc"] {
            put_packet(&mut stream, 0, payload);
        }
        let whole = passed([stream.clone()]);
        assert_eq!(
            whole.iter().map(|(_, n)| *n).collect::<Vec<_>>(),
            [1, 0, 300, 3]
        );
        assert_eq!(whole[2].0, [7; HEAD_BYTES_MAX]);
        assert_eq!(passed(stream.iter().map(|byte| vec![*byte])), whole);
        for cut in 0..stream.len() {
            assert_eq!(
                passed([stream[..cut].to_vec(), stream[cut..].to_vec()]),
                whole
            );
        }
    }

    #[test]
    fn rows_are_passed_over_however_the_stream_is_cut_and_nothing_else_is() {
        let mut stream = Vec::new();
        let payloads = [
            &b"head"[..],
            &[0; 7],
            b"\xfb",
            b"",
            b"row",
            b"\xfe\x00",
            b"row",
        ];
        for payload in payloads {
            put_packet(&mut stream, 0, payload);
        }
        for cut in 0..=stream.len() {
            let (mut walker, mut ends) = (PacketWalker::default(), 0);
            for chunk in [&stream[..cut], &stream[cut..]] {
                walker.walk(chunk, |packet| {
                    ends += usize::from(matches!(packet.head, [] | [NO_ROW, ..]));
                    Report::AllButRows
                });
            }
            assert!(walker.at_boundary());
            assert_eq!(ends, 2, "cut at {cut}");
        }
    }

    #[test]
    fn parts_of_sixteen_mebibytes_are_one_packet() {
        for len in [
            PART_BYTES_MAX - 1,
            PART_BYTES_MAX,
            PART_BYTES_MAX + 1,
            2 * PART_BYTES_MAX,
        ] {
            let mut stream = Vec::new();
            put_packet(&mut stream, 5, &vec![3; len]);
            put_packet(&mut stream, 0, b"next");
            let seen = passed(stream.chunks(65_536).map(<[u8]>::to_vec));
            assert_eq!(
                seen,
                [(vec![3; HEAD_BYTES_MAX], len), (b"next".to_vec(), 4)]
            );
        }
    }
}
