//! A relay between a client and a backend that the test plays itself.

use tokio::io::{BufStream, DuplexStream, ReadHalf, WriteHalf};

use super::*;
use crate::wire::packet::put_packet;
use crate::wire::reply::Role;

const OK: &[u8] = b"\x07\0\0\x01\0\0\0\x02\0\0\0";

struct Stage {
    relay: Relay<DuplexStream, DuplexStream>,
    client_reads: ReadHalf<DuplexStream>,
    client_writes: WriteHalf<DuplexStream>,
    backend_reads: ReadHalf<DuplexStream>,
    backend_writes: WriteHalf<DuplexStream>,
}

fn stage(pipe_bytes: usize) -> Stage {
    let (client, relay_client) = tokio::io::duplex(pipe_bytes);
    let (backend, relay_backend) = tokio::io::duplex(pipe_bytes);
    let (client_reads, client_writes) = tokio::io::split(client);
    let (backend_reads, backend_writes) = tokio::io::split(backend);
    let tracker = ReplyTracker::new(false, 2);
    let relay = Relay::new(
        relay_client,
        relay_backend,
        tracker,
        Arc::default(),
        Vec::new(),
        Vec::new(),
    );
    Stage {
        relay,
        client_reads,
        client_writes,
        backend_reads,
        backend_writes,
    }
}

fn query(text: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    put_packet(&mut packet, 0, format!("\x03{text}").as_bytes());
    packet
}

async fn read(from: &mut ReadHalf<DuplexStream>, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    from.read_exact(&mut read).await.unwrap();
    read
}

#[tokio::test]
async fn commands_and_replies_pass_unchanged_byte_by_byte() {
    let mut stage = stage(64);
    let sent = query("SELECT 1");
    let play = async {
        for byte in &sent {
            stage.client_writes.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(read(&mut stage.backend_reads, sent.len()).await, sent);
        for byte in OK {
            stage.backend_writes.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(read(&mut stage.client_reads, OK.len()).await, OK);
    };
    tokio::select! {
        event = stage.relay.next() => panic!("{event:?}"),
        () = play => {}
    }
    assert!(stage.relay.tracker.idle());
}

#[tokio::test]
async fn a_pipelining_client_that_does_not_read_stops_the_flow_and_loses_nothing() {
    let mut stage = stage(64);
    let commands: Vec<u8> = (0..200)
        .flat_map(|n| query(&format!("SELECT {n}")))
        .collect();
    let replies = OK.repeat(200);
    let play = async {
        let send = stage.client_writes.write_all(&commands);
        let serve = async {
            assert_eq!(
                read(&mut stage.backend_reads, commands.len()).await,
                commands
            );
            stage.backend_writes.write_all(&replies).await.unwrap();
        };
        let receive = async { read(&mut stage.client_reads, replies.len()).await };
        let (sent, (), received) = tokio::join!(send, serve, receive);
        sent.unwrap();
        assert_eq!(received, replies);
    };
    tokio::select! {
        event = stage.relay.next() => panic!("{event:?}"),
        () = play => {}
    }
    assert!(stage.relay.to_client.is_without_memory());
}

#[tokio::test]
async fn a_virtual_statement_between_others_is_given_out_in_its_turn() {
    let mut stage = stage(4096);
    let mut commands = query("SELECT 1");
    let first = commands.len();
    commands.extend(query("SHOW SERVER SESSIONS"));
    let second = commands.len();
    commands.extend(query("SELECT 2"));
    stage.client_writes.write_all(&commands).await.unwrap();

    let answer_the_first = async {
        assert_eq!(
            read(&mut stage.backend_reads, first).await,
            commands[..first]
        );
        stage.backend_writes.write_all(OK).await.unwrap();
    };
    let (event, ()) = tokio::join!(stage.relay.next(), answer_the_first);
    assert!(
        matches!(event, Event::Request(Request::Query(_))),
        "{event:?}"
    );
    stage.relay.send_to_client(b"answer").await.unwrap();
    assert_eq!(
        read(&mut stage.client_reads, OK.len() + 6).await,
        [OK, b"answer"].concat()
    );

    let play = read(&mut stage.backend_reads, commands.len() - second);
    tokio::select! {
        event = stage.relay.next() => panic!("{event:?}"),
        seen = play => assert_eq!(seen, commands[second..]),
    }
}

#[tokio::test]
async fn the_end_of_the_clients_stream_reaches_the_server_after_its_last_command() {
    let mut stage = stage(4096);
    stage
        .client_writes
        .write_all(&query("SELECT 1"))
        .await
        .unwrap();
    stage.client_writes.shutdown().await.unwrap();
    let serve = async {
        let mut seen = Vec::new();
        stage.backend_reads.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, query("SELECT 1"));
        stage.backend_writes.write_all(OK).await.unwrap();
        stage.backend_writes.shutdown().await.unwrap();
    };
    let (event, ()) = tokio::join!(stage.relay.next(), serve);
    assert!(matches!(event, Event::Ended(Ended::Over)), "{event:?}");
    assert_eq!(read(&mut stage.client_reads, OK.len()).await, OK);
}

#[tokio::test]
async fn half_a_command_at_the_end_of_the_stream_is_passed_on_as_it_is() {
    let mut stage = stage(4096);
    stage
        .client_writes
        .write_all(b"\x09\0\0\0\x03SH")
        .await
        .unwrap();
    stage.client_writes.shutdown().await.unwrap();
    let serve = async {
        let mut seen = Vec::new();
        stage.backend_reads.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, b"\x09\0\0\0\x03SH");
        stage.backend_writes.shutdown().await.unwrap();
    };
    let (event, ()) = tokio::join!(stage.relay.next(), serve);
    assert!(matches!(event, Event::Ended(Ended::Over)), "{event:?}");
}

#[tokio::test]
async fn a_server_that_closes_is_lost_unless_the_client_has_said_goodbye() {
    let quit = b"\x01\0\0\0\x01";
    for (sent, replied, who) in [
        (query("SELECT 1"), &b""[..], "lost"),
        (query("SELECT 1"), &OK[..3], "lost"),
        (query("SELECT 1"), OK, "closed"),
        (quit.to_vec(), b"", "over"),
        ([query("SELECT 1"), quit.to_vec()].concat(), b"", "over"),
    ] {
        let mut stage = stage(4096);
        stage.client_writes.write_all(&sent).await.unwrap();
        let serve = async {
            let mut seen = vec![0; sent.len()];
            stage.backend_reads.read_exact(&mut seen).await.unwrap();
            stage.backend_writes.write_all(replied).await.unwrap();
            stage.backend_writes.shutdown().await.unwrap();
        };
        let (event, ()) = tokio::join!(stage.relay.next(), serve);
        let seen = match event {
            Event::Ended(Ended::ServerClosed { owing: true }) => "lost",
            Event::Ended(Ended::ServerClosed { owing: false }) => "closed",
            Event::Ended(Ended::Over) => "over",
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, who, "{sent:?} {replied:?}");
    }
}

#[tokio::test]
async fn a_servers_last_word_reaches_the_client_before_the_end() {
    let mut stage = stage(4096);
    stage
        .backend_writes
        .write_all(b"\x03\0\0\0\xff\x48\x04")
        .await
        .unwrap();
    stage.backend_writes.shutdown().await.unwrap();
    let event = stage.relay.next().await;
    assert!(
        matches!(event, Event::Ended(Ended::ServerClosed { owing: false })),
        "{event:?}"
    );
    assert_eq!(
        read(&mut stage.client_reads, 7).await,
        b"\x03\0\0\0\xff\x48\x04"
    );
}

#[tokio::test]
async fn a_client_that_leaves_during_a_virtual_statement_is_noticed_behind_what_it_has_pipelined() {
    let mut stage = stage(4096);
    stage
        .client_writes
        .write_all(&query("SELECT 1"))
        .await
        .unwrap();
    stage.client_writes.shutdown().await.unwrap();
    stage.relay.client_left().await;
    assert_eq!(stage.relay.held.bytes(), query("SELECT 1"));
}

#[tokio::test]
async fn a_kill_that_is_passed_on_goes_before_what_stands_behind_it() {
    let mut stage = stage(4096);
    let kill = query("KILL QUERY 5");
    let mut commands = kill.clone();
    commands.extend(query("SELECT 1"));
    stage.client_writes.write_all(&commands).await.unwrap();
    let event = stage.relay.next().await;
    let Event::Request(Request::Kill { packet, .. }) = event else {
        panic!("{event:?}");
    };
    assert_eq!(packet, kill);
    stage.relay.pass_on(&packet);
    assert!(!stage.relay.tracker.idle(), "its reply is awaited");
    let seen = read(&mut stage.backend_reads, commands.len());
    tokio::select! {
        event = stage.relay.next() => panic!("{event:?}"),
        seen = seen => assert_eq!(seen, commands),
    }
}

#[tokio::test]
async fn a_reset_is_told_once_its_reply_is_on_its_way() {
    let mut stage = stage(4096);
    stage
        .client_writes
        .write_all(b"\x01\0\0\0\x1f")
        .await
        .unwrap();
    let serve = async {
        read(&mut stage.backend_reads, 5).await;
        stage.backend_writes.write_all(OK).await.unwrap();
    };
    let (event, ()) = tokio::join!(stage.relay.next(), serve);
    let Event::Replied(outcome) = event else {
        panic!("{event:?}")
    };
    assert_eq!(
        (outcome.command, outcome.succeeded),
        (Command::RESET_CONNECTION, true)
    );
    assert_eq!(stage.relay.tracker.packet(b"").0, Role::Unasked);
}

/// TLS takes bytes and may send them only when asked to, and it reads more than it is asked for.
#[tokio::test]
async fn nothing_is_left_in_streams_that_keep_bytes_of_their_own() {
    const PIPE_BYTES: usize = 100;
    let (mut client, relay_client) = tokio::io::duplex(PIPE_BYTES);
    let (mut backend, relay_backend) = tokio::io::duplex(PIPE_BYTES);
    let mut relay = Relay::new(
        BufStream::new(relay_client),
        BufStream::new(relay_backend),
        ReplyTracker::new(false, 2),
        Arc::default(),
        Vec::new(),
        Vec::new(),
    );
    let sent = query(&"x".repeat(10 * PIPE_BYTES));
    let mut reply = Vec::new();
    put_packet(
        &mut reply,
        1,
        &[&b"\xff\0\0"[..], &[b'!'; 10 * PIPE_BYTES]].concat(),
    );
    let play = async {
        for _ in 0..2 {
            let (mut passed, mut answered) = (vec![0; sent.len()], vec![0; reply.len()]);
            let (written, read) =
                tokio::join!(client.write_all(&sent), backend.read_exact(&mut passed));
            assert!(written.is_ok() && read.is_ok() && passed == sent);
            let (written, read) =
                tokio::join!(backend.write_all(&reply), client.read_exact(&mut answered));
            assert!(written.is_ok() && read.is_ok() && answered == reply);
        }
    };
    tokio::select! {
        event = relay.next() => panic!("{event:?}"),
        () = play => {}
    }
}

#[tokio::test]
async fn what_goes_by_is_counted_and_each_command_shows_until_it_is_answered() {
    let mut stage = stage(4096);
    let activity = Arc::clone(&stage.relay.activity);
    let doing = || activity.now().0;
    let mut commands = query("SELECT 1");
    let first = commands.len();
    put_packet(&mut commands, 0, &[Command::PING.0]);
    let play = async {
        stage.client_writes.write_all(&commands).await.unwrap();
        read(&mut stage.backend_reads, commands.len()).await;
        assert_eq!(doing(), Doing::Command(Command::QUERY));
        stage.backend_writes.write_all(&OK[..4]).await.unwrap();
        read(&mut stage.client_reads, 4).await;
        assert_eq!(
            doing(),
            Doing::Command(Command::QUERY),
            "its reply is not all there"
        );
        stage.backend_writes.write_all(&OK[4..]).await.unwrap();
        read(&mut stage.client_reads, OK.len() - 4).await;
        assert_eq!(doing(), Doing::Command(Command::PING));
        stage.backend_writes.write_all(OK).await.unwrap();
        read(&mut stage.client_reads, OK.len()).await;
        assert_eq!(doing(), Doing::Nothing);
    };
    tokio::select! {
        event = stage.relay.next() => panic!("{event:?}"),
        () = play => {}
    }
    let mut traffic = activity.traffic();
    assert_eq!(
        (traffic.bytes_in, traffic.bytes_out),
        (commands.len() as u64, 2 * OK.len() as u64)
    );

    stage
        .client_writes
        .write_all(&query("SHOW SERVERS"))
        .await
        .unwrap();
    let event = stage.relay.next().await;
    assert!(
        matches!(event, Event::Request(Request::Query(_))),
        "{event:?}"
    );
    stage.relay.send_to_client(b"answer").await.unwrap();
    stage.relay.pass_on(&commands[..first]);
    assert_eq!(doing(), Doing::Command(Command::QUERY));
    traffic.bytes_in += query("SHOW SERVERS").len() as u64;
    traffic.bytes_out += b"answer".len() as u64;
    assert_eq!(activity.traffic(), traffic);
}
