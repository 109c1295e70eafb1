//! Limits on rows and time, numbers without room, and interrupts.

use super::*;

#[test]
fn rows_have_a_limit_in_tables_and_in_results() {
    let sessions = |rows_max| {
        let plan = plan_query(
            &query("SELECT a.id FROM obwarden.servers, obwarden.server_sessions a"),
            &tables(),
            &context(),
        );
        let plan = plan.expect("a plan");
        let limits = Limits { rows_max, ..LIMITS };
        (plan, limits)
    };
    let (plan, limits) = sessions(6);
    let ended = filled(&plan, limits).run(1 << 20, |_| ControlFlow::Continue(()));
    assert_eq!(ended.map_err(|error| error.code), Err(1104));
    let (plan, limits) = sessions(8);
    assert_eq!(
        filled(&plan, limits).run(1 << 20, |_| ControlFlow::Continue(())),
        Ok(())
    );
    let mut database = Database::open(
        &plan,
        Limits {
            rows_max: 1,
            ..LIMITS
        },
    )
    .expect("a database");
    assert_eq!(database.insert(0, &[Value::Number(1)]), Ok(()));
    let second = database.insert(0, &[Value::Number(2)]);
    assert_eq!(second.map_err(|error| error.code), Err(1104));
}

#[test]
fn a_number_that_has_no_room_is_an_error() {
    let plan = plan_query(
        &query("SELECT id FROM obwarden.server_sessions"),
        &tables(),
        &context(),
    );
    let plan = plan.expect("a plan");
    let mut database = Database::open(&plan, LIMITS).expect("a database");
    let inserted = database.insert(0, &[Value::Number(u64::MAX)]);
    assert_eq!(inserted.map_err(|error| error.code), Err(1690));
    assert_eq!(database.insert(0, &[Value::Text(b"17 ")]), Ok(()));
    for text in [
        "SELECT 18446744073709551615",
        "SELECT REPEAT('x', 999999999)",
        "SELECT 1e308 * 10",
        "SELECT (SELECT id FROM obwarden.server_sessions)",
    ] {
        let error = select(text).expect_err(text);
        assert!([1690, 1301, 1242].contains(&error.code), "{text}: {error}");
    }
}

/// More work than anyone waits for.
const ENDLESS: &str = "SELECT COUNT(*) FROM obwarden.server_sessions a, obwarden.server_sessions b, \
    obwarden.server_sessions c, obwarden.server_sessions d, obwarden.server_sessions e, obwarden.server_sessions f, \
    obwarden.server_sessions g, obwarden.server_sessions h, obwarden.server_sessions i, obwarden.server_sessions j, \
    obwarden.server_sessions k, obwarden.server_sessions l, obwarden.server_sessions m, obwarden.server_sessions n, \
    obwarden.server_sessions o, obwarden.server_sessions p, obwarden.server_sessions q, obwarden.server_sessions r";

fn endless(timeout: Duration) -> Database {
    let plan = plan_query(&query(ENDLESS), &tables(), &context()).expect("a plan");
    filled(&plan, Limits { timeout, ..LIMITS })
}

#[test]
fn what_takes_too_long_ends() {
    let ended = endless(Duration::from_millis(20)).run(1, |_| ControlFlow::Continue(()));
    assert_eq!(ended.map_err(|error| error.code), Err(3024));
}

#[test]
fn what_is_interrupted_ends_also_before_it_begins() {
    let mut database = endless(LIMITS.timeout);
    let interrupter = database.interrupter();
    let other = std::thread::spawn(move || interrupter.interrupt());
    let ended = database.run(1, |_| ControlFlow::Continue(()));
    assert_eq!(ended.map_err(|error| error.code), Err(1317));
    other.join().expect("the other thread");
    let ended = database.run(1, |_| ControlFlow::Continue(()));
    assert_eq!(ended.map_err(|error| error.code), Err(1317));
}

#[test]
fn whoever_has_enough_gets_no_more() {
    let plan = plan_query(
        &query("SELECT id FROM obwarden.server_sessions"),
        &tables(),
        &context(),
    );
    let mut batches = 0;
    let ended = filled(&plan.expect("a plan"), LIMITS).run(1, |_| {
        batches += 1;
        ControlFlow::Break(())
    });
    assert_eq!((ended, batches), (Ok(()), 1));
}
