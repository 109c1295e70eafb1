use super::*;

const TEXT: &str = "SHOW SERVER SESSIONS";

/// A COM_STMT_EXECUTE with these flags and, behind the iterations, `rest`. Whose it is, the router has found out.
fn payload(flags: u8, rest: &[u8]) -> Vec<u8> {
    [&[0x17, 0, 0, 0, 0, flags, 1, 0, 0, 0], rest].concat()
}

fn keep(statements: &mut ConsoleStatements, parameters: u16) -> u32 {
    let id = statements.next_id().unwrap();
    statements.keep(id, TEXT.to_owned(), parameters);
    id
}

fn code<T: std::fmt::Debug>(result: Result<T, SqlError>) -> u16 {
    result.unwrap_err().code
}

#[test]
fn minus_one_means_the_statement_prepared_last_and_only_if_it_is_the_consoles() {
    let mut statements = ConsoleStatements::default();
    assert_eq!(statements.resolve(LAST_PREPARED), None);
    let id = keep(&mut statements, 0);
    assert_eq!(statements.resolve(LAST_PREPARED), Some(id));
    statements.prepared_on_backend();
    assert_eq!(statements.resolve(LAST_PREPARED), None);
    assert_eq!(statements.resolve(id), Some(id));
}

/// A client that sends PREPARE and EXECUTE of the last statement in one write means no older one.
#[test]
fn minus_one_is_not_the_backends_when_the_console_could_not_prepare_or_has_closed_the_last_one() {
    let mut statements = ConsoleStatements::default();
    statements.prepared_on_backend();
    statements.prepare_on_console();
    let meant = statements.resolve(LAST_PREPARED).unwrap();
    assert_eq!(code(statements.execute(meant, &payload(0, b""))), 1243);
    let id = keep(&mut statements, 0);
    statements.close(id);
    assert_eq!(statements.resolve(LAST_PREPARED), Some(id));
    assert_eq!(code(statements.execute(id, &payload(0, b""))), 1243);
}

#[test]
fn a_closed_statement_is_the_backends_to_refuse() {
    let mut statements = ConsoleStatements::default();
    let id = keep(&mut statements, 0);
    statements.close(id);
    assert_eq!(statements.resolve(id), None);
    assert_ne!(statements.next_id(), Some(id));
}

#[test]
fn a_session_cannot_keep_statements_without_end() {
    let mut statements = ConsoleStatements::default();
    while let Some(id) = statements.next_id() {
        statements.keep(id, String::new(), 0);
    }
    assert_eq!(statements.statements.len(), STATEMENTS_MAX);
}

#[test]
fn an_execution_has_the_statements_text_and_the_parameters_of_its_own_types() {
    let mut statements = ConsoleStatements::default();
    let (one, two) = (keep(&mut statements, 1), keep(&mut statements, 1));
    let first = statements.execute(one, &payload(1, b"\0\x01\x01\0\x07"));
    let execution = |digits: &str, wants_cursor| Execution {
        text: TEXT.to_owned(),
        parameters: vec![Parameter::Number(digits.to_owned())],
        wants_cursor,
    };
    assert_eq!(first, Ok(execution("7", true)));
    let again = payload(0, b"\0\0\x08");
    assert_eq!(statements.execute(one, &again), Ok(execution("8", false)));
    assert_eq!(code(statements.execute(two, &again)), 1210, "no types yet");
}

#[test]
fn long_data_is_put_together_and_used_once() {
    let mut statements = ConsoleStatements::default();
    let id = keep(&mut statements, 1);
    statements.add_long_data(id, 0, b"lo");
    statements.add_long_data(id, 0, b"");
    statements.add_long_data(id, 0, b"ng");
    let executed = statements.execute(id, &payload(0, b"\0\x01\xfc\0"));
    let long = Parameter::Text("long".to_owned());
    assert_eq!(executed.unwrap().parameters, [long]);
    let without = statements.execute(id, &payload(0, b"\0\0"));
    assert_eq!(code(without), 1210, "it is gone");
}

#[test]
fn long_data_for_no_parameter_is_an_error_until_the_statement_is_reset() {
    let mut statements = ConsoleStatements::default();
    let id = keep(&mut statements, 1);
    let whole = payload(0, b"\0\x01\xfc\0\x01x");
    statements.add_long_data(id, 1, b"x");
    for _ in 0..2 {
        assert_eq!(code(statements.execute(id, &whole)), 1210);
    }
    statements.reset(id).unwrap();
    assert!(statements.execute(id, &whole).is_ok());
    assert_eq!(code(statements.reset(id + 1)), 1243);
}

#[test]
fn long_data_has_a_limit_for_the_whole_session_and_nothing_is_kept_beyond_it() {
    let mut statements = ConsoleStatements::default();
    let (one, two) = (keep(&mut statements, 1), keep(&mut statements, 1));
    let half = vec![b'x'; LONG_DATA_BYTES_MAX / 2];
    statements.add_long_data(one, 0, &half);
    statements.add_long_data(two, 0, &half);
    let with_long = payload(0, b"\0\x01\xfc\0");
    assert_eq!(code(statements.execute(two, &with_long)), 1105);
    assert!(statements.execute(one, &with_long).is_ok());
    statements.reset(two).unwrap();
    statements.add_long_data(two, 0, &half);
    assert!(statements.execute(two, &with_long).is_ok());
    // Data without a byte takes room, too.
    for _ in 0..LONG_DATA_BYTES_MAX / LONG_DATA_ENTRY_BYTES + 1 {
        statements.add_long_data(one, 0, b"");
    }
    assert_eq!(code(statements.execute(one, &with_long)), 1105);
}

#[test]
fn a_fetch_without_a_cursor_is_an_error() {
    let mut statements = ConsoleStatements::default();
    let id = keep(&mut statements, 0);
    assert_eq!(statements.take_cursor(id).unwrap_err().code, 1421);
}
