use super::*;
use crate::wire::packet::put_packet;
use crate::wire::parameter::Parameter;

fn packet(command: Command, rest: &[u8]) -> Vec<u8> {
    let mut payload = vec![command.0];
    payload.extend_from_slice(rest);
    let mut packet = Vec::new();
    put_packet(&mut packet, 0, &payload);
    packet
}

fn query(text: &str) -> Vec<u8> {
    packet(Command::QUERY, text.as_bytes())
}

fn idle() -> ReplyTracker {
    ReplyTracker::new(false, 0)
}

/// Routes `input` to its end, or to the first step that is no `Pass`.
fn route(
    router: &mut Router,
    tracker: &mut ReplyTracker,
    mut input: &[u8],
) -> (usize, Option<Step>) {
    let mut passed = 0;
    while !input.is_empty() {
        match router.next(input, tracker) {
            Step::Pass { bytes } => {
                passed += bytes;
                input = &input[bytes..];
            }
            other => return (passed, Some(other)),
        }
    }
    (passed, None)
}

/// A router that keeps one virtual statement prepared, and its id.
fn with_prepared() -> (Router, u32) {
    let mut router = Router::new();
    let id = router.statements.next_id().unwrap();
    router.statements.keep(id, "SHOW SERVER SESSIONS".into(), 1);
    (router, id)
}

#[test]
fn a_servers_statement_passes_however_it_is_cut() {
    let input = query("SELECT * FROM t WHERE a = 'SHOW SERVER SESSIONS'");
    for cut in 1..input.len() {
        let (mut router, mut tracker) = (Router::new(), idle());
        let (passed, stopped) = route(&mut router, &mut tracker, &input[..cut]);
        assert!(
            matches!(stopped, None | Some(Step::More)),
            "cut at {cut}: {stopped:?}"
        );
        let (rest, stopped) = route(&mut router, &mut tracker, &input[passed..]);
        assert_eq!(
            (passed + rest, stopped),
            (input.len(), None),
            "cut at {cut}"
        );
        assert!(!tracker.idle());
    }
}

#[test]
fn a_virtual_statement_is_taken_once_it_is_all_there() {
    let input = query("SHOW SERVER SESSIONS");
    for cut in 1..input.len() {
        let (mut router, mut tracker) = (Router::new(), idle());
        let early = route(&mut router, &mut tracker, &input[..cut]);
        assert_eq!(early, (0, Some(Step::More)), "cut at {cut}");
    }
    let (passed, taken) = route(&mut Router::new(), &mut idle(), &input);
    let request = Request::Query(b"SHOW SERVER SESSIONS".to_vec());
    assert_eq!(
        (passed, taken),
        (
            0,
            Some(Step::Take {
                bytes: input.len(),
                request
            })
        )
    );
}

#[test]
fn a_virtual_statement_waits_for_the_replies_before_it() {
    let mut input = query("SELECT 1");
    let first = input.len();
    input.extend(query("SHOW SERVER SESSIONS"));
    let (mut router, mut tracker) = (Router::new(), idle());
    assert_eq!(
        route(&mut router, &mut tracker, &input),
        (first, Some(Step::Wait))
    );
    tracker.feed(b"\x07\0\0\x01\0\0\0\x02\0\0\0", |_| {});
    assert!(matches!(
        router.next(&input[first..], &mut tracker),
        Step::Take { .. }
    ));
}

#[test]
fn a_long_statement_is_not_held_back_once_its_beginning_is_the_servers() {
    let text = format!(
        "INSERT INTO t VALUES ('{}')",
        "x".repeat(UNDECIDED_BYTES_MAX)
    );
    let input = query(&text);
    let (passed, stopped) = route(&mut Router::new(), &mut idle(), &input[..64]);
    assert_eq!((passed, stopped), (64, None));
}

#[test]
fn a_comment_without_end_is_held_back_up_to_the_limit_and_no_further() {
    let text = format!(
        "/*{}*/ SHOW SERVER SESSIONS",
        "x".repeat(2 * UNDECIDED_BYTES_MAX)
    );
    let input = query(&text);
    let held = route(
        &mut Router::new(),
        &mut idle(),
        &input[..HEADER_BYTES + 1 + UNDECIDED_BYTES_MAX - 1],
    );
    assert_eq!(held, (0, Some(Step::More)));
    assert_eq!(
        route(&mut Router::new(), &mut idle(), &input),
        (input.len(), None)
    );
}

#[test]
fn diagnostics_go_to_whom_answered_last() {
    let (mut router, mut tracker) = (Router::new(), idle());
    let input = query("SHOW WARNINGS");
    assert_eq!(
        route(&mut router, &mut tracker, &input),
        (input.len(), None)
    );
    router.last_answer = Answered::Console;
    let mut tracker = idle();
    assert!(matches!(
        route(&mut router, &mut tracker, &input),
        (0, Some(Step::Take { .. }))
    ));
    let more = query("SHOW WARNINGS; SELECT 1");
    let taken = route(&mut router, &mut idle(), &more);
    let request = Request::Mixed;
    assert_eq!(
        taken,
        (
            0,
            Some(Step::Take {
                bytes: more.len(),
                request
            })
        )
    );
    route(&mut router, &mut tracker, &packet(Command::PING, b""));
    assert_eq!(
        router.last_answer,
        Answered::Console,
        "a ping leaves no diagnostics"
    );
    route(&mut router, &mut tracker, &query("SELECT 1"));
    assert_eq!(router.last_answer, Answered::Backend);
}

#[test]
fn the_contents_of_a_file_are_no_commands_whatever_they_look_like() {
    let (mut router, mut tracker) = (Router::new(), idle());
    route(
        &mut router,
        &mut tracker,
        &query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t"),
    );
    tracker.feed(b"\x02\0\0\x01\xfbf", |_| {});
    let mut file = Vec::new();
    put_packet(&mut file, 2, b"\x03SHOW SERVER SESSIONS");
    put_packet(&mut file, 3, b"");
    assert_eq!(route(&mut router, &mut tracker, &file), (file.len(), None));
    assert_eq!(tracker.turn(), Turn::Server);
    assert!(!tracker.idle(), "the server's verdict is still to come");
}

#[test]
fn a_statement_that_waits_becomes_file_data_when_the_server_asks_for_a_file() {
    let (mut router, mut tracker) = (Router::new(), idle());
    route(
        &mut router,
        &mut tracker,
        &query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t"),
    );
    let input = query("SHOW SERVER SESSIONS");
    assert_eq!(router.next(&input, &mut tracker), Step::Wait);
    tracker.feed(b"\x02\0\0\x01\xfbf", |_| {});
    assert_eq!(
        router.next(&input, &mut tracker),
        Step::Pass { bytes: input.len() }
    );
}

#[test]
fn a_prepared_virtual_statement_is_the_sessions_in_every_command() {
    let (mut router, id) = with_prepared();
    let id_bytes = id.to_le_bytes();
    let mut taken = |command, rest: &[u8]| {
        let mut body = id_bytes.to_vec();
        body.extend_from_slice(rest);
        let input = packet(command, &body);
        let mut tracker = idle();
        let step = router.next(&input, &mut tracker);
        assert!(tracker.idle(), "nothing went to the server");
        step
    };
    let bytes = HEADER_BYTES + 10;
    let step = taken(Command::STMT_EXECUTE, &[0, 1, 0, 0, 0]);
    let payload = [&[0x17], &id_bytes[..], &[0, 1, 0, 0, 0]].concat();
    assert_eq!(
        step,
        Step::Take {
            bytes,
            request: Request::Execute { id, payload }
        }
    );
    let rows = Some(7);
    let step = taken(Command::STMT_FETCH, &[7, 0, 0, 0]);
    assert_eq!(
        step,
        Step::Take {
            bytes: bytes - 1,
            request: Request::Fetch { id, rows }
        }
    );
    let step = taken(Command::STMT_FETCH, &[7, 0, 0]);
    assert_eq!(
        step,
        Step::Take {
            bytes: bytes - 2,
            request: Request::Fetch { id, rows: None }
        }
    );
    assert_eq!(
        taken(Command::STMT_BULK_EXECUTE, &[0, 0]),
        Step::Take {
            bytes: HEADER_BYTES + 7,
            request: Request::BulkExecute
        }
    );
    assert_eq!(
        taken(Command::STMT_RESET, &[]),
        Step::Take {
            bytes: HEADER_BYTES + 5,
            request: Request::Reset { id }
        }
    );
    assert_eq!(
        taken(Command::STMT_SEND_LONG_DATA, &[0, 0, b'x']),
        Step::Skip {
            bytes: HEADER_BYTES + 8
        }
    );
    assert_eq!(
        taken(Command::STMT_CLOSE, &[]),
        Step::Skip {
            bytes: HEADER_BYTES + 5
        }
    );
    assert!(
        matches!(taken(Command::STMT_CLOSE, &[]), Step::Pass { .. }),
        "it is closed now"
    );
}

#[test]
fn long_data_for_a_virtual_statement_stays_with_it_wherever_it_is_cut() {
    let text = b"a long text of some length";
    let (_, id) = with_prepared();
    let mut body = id.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(text);
    let mut input = packet(Command::STMT_SEND_LONG_DATA, &body);
    let kept = input.len();
    input.extend(packet(Command::PING, b""));
    let execute = [&[0x17], &[0; 4][..], &[0, 1, 0, 0, 0, 0, 1, 0xfc, 0]].concat();
    for cut in 1..kept {
        let (mut router, mut tracker) = (with_prepared().0, idle());
        let mut begun = 0;
        if let Step::Skip { bytes } = router.next(&input[..cut], &mut tracker) {
            begun = bytes;
        }
        let step = router.next(&input[begun..], &mut tracker);
        let bytes = kept - begun;
        assert_eq!(step, Step::Skip { bytes }, "cut at {cut}");
        let step = router.next(&input[kept..], &mut tracker);
        assert_eq!(step, Step::Pass { bytes: 5 });
        let executed = router.statements.execute(id, &execute).unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert_eq!(executed.parameters, [Parameter::Text(text)], "cut at {cut}");
    }
}

#[test]
fn long_data_too_short_to_name_a_parameter_is_let_by() {
    let (mut router, id) = with_prepared();
    let input = packet(Command::STMT_SEND_LONG_DATA, &id.to_le_bytes());
    let bytes = input.len();
    assert_eq!(router.next(&input, &mut idle()), Step::Skip { bytes });
    assert_eq!(router.at, At::Boundary);
}

#[test]
fn the_proxys_schema_is_no_database_and_every_other_name_is_the_servers() {
    let input = packet(Command::INIT_DB, b"OBwarden");
    let bytes = input.len();
    for cut in 1..bytes {
        let early = Router::new().next(&input[..cut], &mut idle());
        assert_eq!(early, Step::More, "cut at {cut}");
    }
    let step = Router::new().next(&input, &mut idle());
    let request = Request::UseSchema;
    assert_eq!(step, Step::Take { bytes, request });
    for name in [&b"obwardem"[..], b"obwarden2", b"test", b""] {
        let input = packet(Command::INIT_DB, name);
        let bytes = input.len();
        assert_eq!(
            Router::new().next(&input, &mut idle()),
            Step::Pass { bytes }
        );
    }
}

const OK_PACKET: &[u8] = b"\x07\0\0\x01\0\0\0\x02\0\0\0";
const ERROR_PACKET: &[u8] = b"\x09\0\0\x01\xff\x28\x04#42000";

/// Hands the server's bytes over, as the relay does.
fn reply(router: &mut Router, tracker: &mut ReplyTracker, bytes: &[u8]) {
    tracker.feed(bytes, |outcome| router.note_reply(outcome));
}

#[test]
fn a_limit_of_rows_counts_when_the_server_has_taken_it() {
    let (mut router, mut tracker) = (Router::new(), idle());
    for (text, answer, limit) in [
        ("SET SQL_SELECT_LIMIT=5", OK_PACKET, Some(5)),
        ("SET SQL_SELECT_LIMIT=6", ERROR_PACKET, Some(5)),
        ("SELECT 1", ERROR_PACKET, Some(5)),
        ("SET autocommit=0, SQL_SELECT_LIMIT=7", OK_PACKET, Some(7)),
        ("SET SQL_SELECT_LIMIT=DEFAULT", OK_PACKET, None),
    ] {
        let input = query(text);
        let passed = route(&mut router, &mut tracker, &input);
        assert_eq!(passed, (input.len(), None), "{text}");
        reply(&mut router, &mut tracker, answer);
        assert_eq!(router.select_limit, limit, "{text}");
    }
}

#[test]
fn a_limit_of_rows_waits_so_that_its_own_reply_is_known() {
    let (mut router, mut tracker) = (Router::new(), idle());
    let mut input = query("SELECT 1");
    let first = input.len();
    input.extend(query("SET SQL_SELECT_LIMIT=5"));
    let passed = route(&mut router, &mut tracker, &input);
    assert_eq!(passed, (first, Some(Step::Wait)));
    reply(&mut router, &mut tracker, OK_PACKET);
    assert_eq!(router.select_limit, None);
    let rest = &input[first..];
    let passed = route(&mut router, &mut tracker, rest);
    assert_eq!(passed, (rest.len(), None));
    reply(&mut router, &mut tracker, OK_PACKET);
    assert_eq!(router.select_limit, Some(5));
}

fn by_id(kind: KillKind) -> KillById {
    KillById {
        kind,
        id: SessionId::new(77).unwrap(),
        alone: true,
    }
}

#[test]
fn a_kill_is_the_sessions_to_direct_as_a_statement_and_as_a_command() {
    for (input, kind) in [
        (query("KILL QUERY 77"), KillKind::Query),
        (
            packet(Command::PROCESS_KILL, &77u32.to_le_bytes()),
            KillKind::Session,
        ),
    ] {
        for cut in 1..input.len() {
            let early = Router::new().next(&input[..cut], &mut idle());
            assert_eq!(early, Step::More, "cut at {cut}");
        }
        let step = Router::new().next(&input, &mut idle());
        let request = Request::Kill {
            kill: by_id(kind),
            packet: input.clone(),
        };
        let bytes = input.len();
        assert_eq!(step, Step::Take { bytes, request });
    }
}

#[test]
fn a_kill_that_is_prepared_or_too_long_to_look_at_passes() {
    let long = format!("KILL 77; /*{}*/", "x".repeat(UNDECIDED_BYTES_MAX));
    for input in [
        packet(Command::STMT_PREPARE, b"KILL 77"),
        query(&long),
        packet(Command::PROCESS_KILL, &0u32.to_le_bytes()),
    ] {
        let bytes = input.len();
        let step = Router::new().next(&input, &mut idle());
        assert_eq!(step, Step::Pass { bytes });
    }
}

#[test]
fn a_virtual_statement_beyond_the_limit_is_refused_at_its_beginning() {
    let mut input = query("KILL SERVER SESSION 10.0.0.1 5");
    input[..3].copy_from_slice(&(UNDECIDED_BYTES_MAX as u32 + 1).to_le_bytes()[..3]);
    input.resize(HEADER_BYTES + 1 + UNDECIDED_BYTES_MAX, b' ');
    let step = Router::new().next(&input, &mut idle());
    assert_eq!(
        step,
        Step::Take {
            bytes: HEADER_BYTES,
            request: Request::TooLong
        }
    );
}

#[test]
fn packets_of_sixteen_mebibytes_pass_in_all_their_parts() {
    let (mut router, mut tracker) = (Router::new(), idle());
    let mut input = query(&format!("INSERT INTO t VALUES ('{}')", "x".repeat(1 << 24)));
    input.extend(packet(Command::PING, b""));
    let mut passed = 0;
    for chunk in input.chunks(65_536) {
        let (bytes, stopped) = route(&mut router, &mut tracker, chunk);
        assert_eq!(stopped, None);
        passed += bytes;
    }
    assert_eq!(passed, input.len());
    assert_eq!(router.at, At::Boundary);
}

#[test]
fn an_empty_packet_and_one_cut_short_are_the_servers_to_refuse() {
    for input in [&b"\0\0\0\0"[..], b"\x03\0\0\0\x17\x01\0", b"\x01\0\0\0\x0c"] {
        let step = Router::new().next(input, &mut idle());
        assert_eq!(step, Step::Pass { bytes: input.len() });
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_pass_more_than_there_is(
        chunks in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 1..40), 1..20)
    ) {
        let (mut router, mut tracker) = (Router::new(), idle());
        for chunk in chunks {
            let (passed, _) = route(&mut router, &mut tracker, &chunk);
            proptest::prop_assert!(passed <= chunk.len());
        }
    }
}
