use super::*;
use crate::utc::utc;
use crate::wire::command::Command;

fn enter(clients: &Arc<Clients>, key: ClientKey, address: SocketAddr) -> Registration {
    clients.register(key, address, "dba", Tls::default())
}

#[test]
fn a_kill_reaches_the_statement_of_its_session_only() {
    let clients = Arc::new(Clients::default());
    let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
    let one = enter(&clients, (backend, 1), "10.1.1.1:1".parse().unwrap());
    let two = enter(&clients, (backend, 2), "10.1.1.1:2".parse().unwrap());
    let (running_one, running_two) = (one.run("SHOW SERVERS"), two.run("SHOW SERVERS"));
    clients.cancel((backend, 2));
    assert!(!running_one.token().is_cancelled());
    assert!(running_two.token().is_cancelled());
}

#[test]
fn a_kill_reaches_the_open_cursors_and_none_that_is_opened_later() {
    let clients = Arc::new(Clients::default());
    let key = ("10.0.0.1:2881".parse().unwrap(), 1);
    let session = enter(&clients, key, "10.1.1.1:1".parse().unwrap());
    let (one, two) = (session.open_cursor(), session.open_cursor());
    assert!(!clients.cancel(key), "it runs no statement");
    assert!(one.is_cancelled() && two.is_cancelled());
    assert!(!session.open_cursor().is_cancelled());
}

#[test]
fn an_id_is_found_on_every_backend_that_has_given_it() {
    let clients = Arc::new(Clients::default());
    let [one, two]: [SocketAddr; 2] =
        ["10.0.0.1:2881", "10.0.0.2:2881"].map(|addr| addr.parse().unwrap());
    let address = "10.1.1.1:1".parse().unwrap();
    let _there = enter(&clients, (two, 7), address);
    let here = enter(&clients, (one, 7), address);
    let _other = enter(&clients, (one, 8), address);
    assert_eq!(clients.backends_of(7), [one, two]);
    drop(here);
    assert_eq!(clients.backends_of(7), [two]);
    assert!(clients.contains((two, 7)) && !clients.contains((one, 7)));
}

#[test]
fn one_that_leaves_late_takes_nobody_out_who_was_given_its_id() {
    let clients = Arc::new(Clients::default());
    let key = ("10.0.0.1:2881".parse().unwrap(), 1);
    let late = enter(&clients, key, "10.1.1.1:1".parse().unwrap());
    let next = enter(&clients, key, "10.1.1.1:2".parse().unwrap());
    let running = next.run("SHOW SERVERS");
    drop(late.run("SHOW SERVERS"));
    drop(late);
    assert_eq!(
        clients.addresses()[&key.0].get(&1).copied(),
        Some("10.1.1.1:2".parse().unwrap())
    );
    clients.cancel(key);
    assert!(running.token().is_cancelled());
}

#[test]
fn a_client_that_has_left_is_forgotten() {
    let clients = Arc::new(Clients::default());
    let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
    let address = "10.1.1.1:1".parse().unwrap();
    let registration = enter(&clients, (backend, 1), address);
    assert_eq!(clients.addresses()[&backend][&1], address);
    drop(registration);
    assert!(clients.addresses().is_empty());
}

#[test]
fn what_a_session_does_shows_and_its_passwords_do_not() {
    let clients = Arc::new(Clients::default());
    let key = ("10.0.0.1:2881".parse().unwrap(), 7);
    let tls = Tls {
        client: Some("TLSv1.3"),
        server: None,
    };
    let session = clients.register(key, "10.1.1.1:5".parse().unwrap(), "dba", tls);
    session.activity().received(10);
    session.activity().sent(300);
    let shown = || {
        let (rows, hides) = rows(&clients, |_| true, |_| Some("z1"));
        assert!(!hides && rows.len() == 1);
        let values = rows.first().values().map(|value| value.to_string());
        let values: Vec<_> = values.collect();
        assert_eq!(values.len(), columns().len());
        let since = &values[12];
        let just_now = utc(SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
        assert!((just_now..=utc(SystemTime::now()).unwrap()).contains(since));
        [&values[..12], &values[13..]].concat().join(" ")
    };
    let always = "1 10.1.1.1:5 dba 10.0.0.1:2881 z1 7 TLSv1.3 NULL";
    assert_eq!(shown(), format!("{always} Sleep NULL 10 300 0"));
    let running = session.run("SHOW SERVERS /* SET PASSWORD = 'pw' */");
    let statement = "SHOW SERVERS /* SET PASSWORD = '***' */";
    assert_eq!(shown(), format!("{always} Virtual {statement} 10 300 0"));
    drop(running);
    session
        .activity()
        .does(Doing::Command(Command::STMT_EXECUTE));
    assert_eq!(shown(), format!("{always} Execute NULL 10 300 0"));
}

#[test]
fn a_change_of_user_shows_and_decides_who_sees_the_client() {
    let clients = Arc::new(Clients::default());
    let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
    let address = "10.1.1.1:1".parse().unwrap();
    let one = enter(&clients, (backend, 1), address);
    let _two = enter(&clients, (backend, 2), address);
    let seen_by = |user: &str| {
        let (rows, hides) = rows(&clients, |owner| owner == user, |_| None);
        let numbers: Vec<_> = rows.iter().map(|row| row.value(0)).collect();
        let users: Vec<_> = rows.iter().map(|row| row.text(2)).collect();
        assert!(users.iter().all(|shown| *shown == Some(user.as_bytes())));
        (
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            hides,
        )
    };
    assert_eq!(
        seen_by("dba"),
        (vec!["1".to_owned(), "2".to_owned()], false)
    );
    one.change_user("app");
    assert_eq!(seen_by("dba"), (vec!["2".to_owned()], true));
    assert_eq!(seen_by("app"), (vec!["1".to_owned()], true));
}

#[test]
fn totals_go_on_when_clients_leave() {
    let clients = Arc::new(Clients::default());
    let backend: SocketAddr = "10.0.0.1:2881".parse().unwrap();
    let address = "10.1.1.1:1".parse().unwrap();
    let gone = enter(&clients, (backend, 1), address);
    gone.activity().received(1);
    gone.activity().sent(10);
    let displaced = enter(&clients, (backend, 2), address);
    displaced.activity().received(2);
    let here = enter(&clients, (backend, 2), address);
    here.activity().received(4);
    drop(here.run("SHOW SERVERS"));
    drop((gone, displaced));
    clients.note_refused();
    let totals = Totals {
        connected: 1,
        entered: 3,
        refused: 1,
        virtual_statements: 1,
        traffic: Traffic {
            bytes_in: 7,
            bytes_out: 10,
        },
    };
    assert_eq!(clients.totals(), totals);
    drop(here);
    assert_eq!(
        clients.totals(),
        Totals {
            connected: 0,
            ..totals
        }
    );
}
