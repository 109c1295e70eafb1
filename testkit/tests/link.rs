//! Each fault of a link, and the end of a host, as a client sees it.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::host::Host;
use testkit::link::{Cut, CutEnd, Entrance, FIRST_STATEMENT, Faults, Link, Loss, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// What must happen happens long before.
const SOON: Duration = Duration::from_secs(10);
/// So long nothing happens where nothing may happen.
const A_WHILE: Duration = Duration::from_millis(150);

const GREETING: &[u8] = b"greeting";

/// A node that greets, and answers each number with so many bytes.
struct Node {
    addr: SocketAddr,
    open: watch::Receiver<usize>,
    server: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Node {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let count = count.clone();
                connections.spawn(async move {
                    count.send_modify(|open| *open += 1);
                    let _ended = answer(socket).await;
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { addr, open, server }
    }

    /// Waits until it has so many connections.
    async fn has_open(&self, connections: usize) {
        let mut open = self.open.clone();
        let there = timeout(SOON, open.wait_for(|open| *open == connections)).await;
        there.expect("the node's connections").unwrap();
    }
}

async fn answer(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    socket.write_all(GREETING).await?;
    while let Ok(bytes) = socket.read_u32().await {
        socket.write_all(&vec![7; bytes as usize]).await?;
    }
    Ok(())
}

async fn one() -> (Node, Link) {
    let node = Node::start().await;
    let link = Link::before(node.addr).await.unwrap();
    (node, link)
}

struct Client(TcpStream);

impl Client {
    /// Connects, and is greeted.
    async fn greeted(link: &Link) -> Self {
        let mut client = Self::connected(link).await;
        client.read(GREETING.len()).await.expect("a greeting");
        client
    }

    async fn connected(link: &Link) -> Self {
        let socket = timeout(SOON, TcpStream::connect(link.addr())).await;
        Self(socket.expect("connecting ends").expect("a connection"))
    }

    async fn ask(&mut self, bytes: u32) {
        self.0.write_u32(bytes).await.expect("sending");
    }

    /// Exactly so many bytes of an answer.
    async fn read(&mut self, bytes: usize) -> std::io::Result<()> {
        let mut answer = vec![0; bytes];
        let read = timeout(SOON, self.0.read_exact(&mut answer)).await;
        read.expect("reading ends").map(|_| ())
    }

    /// What one byte more is.
    async fn ends(&mut self) -> ErrorKind {
        self.read(1).await.expect_err("an end").kind()
    }

    async fn says_nothing(&mut self) -> bool {
        timeout(A_WHILE, self.0.read_u8()).await.is_err()
    }
}

async fn connect_error(link: &Link) -> Option<Error> {
    let connecting = timeout(A_WHILE, TcpStream::connect(link.addr())).await;
    Some(connecting.ok()?.expect_err("no connection"))
}

#[tokio::test]
async fn a_link_without_faults_passes_all_bytes_and_both_ends() {
    let (node, link) = one().await;
    let mut client = Client::greeted(&link).await;
    for bytes in [1, 100_000, 10_000_000, 0, 3] {
        client.ask(bytes).await;
        client.read(bytes as usize).await.unwrap();
    }
    client.ask(1000).await;
    client.0.shutdown().await.unwrap();
    client
        .read(1000)
        .await
        .expect("the answer to the last word");
    assert_eq!(client.ends().await, ErrorKind::UnexpectedEof);
    node.has_open(0).await;
}

#[tokio::test]
async fn a_delay_costs_time_each_way_and_no_throughput() {
    let (_node, link) = one().await;
    let mut client = Client::greeted(&link).await;
    let delay = Duration::from_millis(50);
    link.set(Faults::both_ways(Way::delayed(delay)));
    let began = Instant::now();
    client.ask(500_000).await;
    client.read(500_000).await.unwrap();
    assert!(began.elapsed() >= 2 * delay, "{:?}", began.elapsed());
    link.set(Faults::both_ways(Way::delayed(10 * SOON)));
    client.ask(1).await;
    assert!(client.says_nothing().await);
    link.heal();
    client
        .read(1)
        .await
        .expect("what was under way has arrived");
}

#[tokio::test]
async fn a_narrow_way_lets_no_more_bytes_through_than_it_says() {
    let (_node, link) = one().await;
    let mut client = Client::greeted(&link).await;
    link.set(Faults::from_node(Way::narrow(10_000)));
    let began = Instant::now();
    client.ask(5000).await;
    client.read(4500).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    link.heal();
    client.read(500).await.unwrap();
}

#[tokio::test]
async fn a_stalled_way_takes_bytes_and_passes_them_on_when_it_is_over() {
    let (node, link) = one().await;
    let mut client = Client::greeted(&link).await;
    for stalled in [
        Faults::both_ways(Way::stalled()),
        Faults::to_node(Way::stalled()),
        Faults::from_node(Way::stalled()),
    ] {
        link.set(stalled);
        client.ask(10).await;
        assert!(client.says_nothing().await, "{stalled:?}");
        link.heal();
        client.read(10).await.unwrap();
    }
    // An end is held up, too.
    link.set(Faults::both_ways(Way::stalled()));
    drop(client);
    assert!(timeout(A_WHILE, node.has_open(0)).await.is_err());
    link.heal();
    node.has_open(0).await;
}

#[tokio::test]
async fn an_answer_is_cut_where_it_is_said_and_shorter_ones_are_not() {
    let (node, link) = one().await;
    for (then, end) in [
        (CutEnd::Reset, ErrorKind::ConnectionReset),
        (CutEnd::Close, ErrorKind::UnexpectedEof),
    ] {
        let mut client = Client::greeted(&link).await;
        link.set(Faults::cut(Cut {
            from_answer: FIRST_STATEMENT,
            after_bytes: 100,
            then,
        }));
        client.ask(1000).await;
        client.read(1000).await.expect("the login's answer");
        client.ask(100).await;
        client.read(100).await.expect("a short answer");
        client.ask(1000).await;
        client.read(100).await.expect("what comes before the cut");
        assert_eq!(client.ends().await, end);
        timeout(SOON, link.answer_cut()).await.expect("it tells");
        node.has_open(0).await;
        link.heal();
    }
}

#[tokio::test]
async fn an_answer_that_stalls_goes_on_when_the_cut_is_over() {
    let (_node, link) = one().await;
    let mut client = Client::greeted(&link).await;
    link.set(Faults::cut(Cut {
        from_answer: 0,
        after_bytes: 9,
        then: CutEnd::Stall,
    }));
    client.ask(20).await;
    client.read(9).await.unwrap();
    assert!(client.says_nothing().await);
    timeout(SOON, link.answer_cut()).await.expect("it tells");
    link.heal();
    client.read(11).await.unwrap();
    assert!(timeout(A_WHILE, link.answer_cut()).await.is_err());
}

#[tokio::test]
async fn new_connections_meet_what_the_entrance_says_and_open_ones_do_not() {
    let (_node, link) = one().await;
    let mut open = Client::greeted(&link).await;
    for entrance in [
        Entrance::Refuse,
        Entrance::Deaf,
        Entrance::Hold,
        Entrance::Reset,
        Entrance::Open,
    ] {
        link.set(Faults::entrance(entrance));
        match entrance {
            Entrance::Refuse => {
                let error = connect_error(&link).await.expect("an answer");
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            }
            Entrance::Deaf => assert!(connect_error(&link).await.is_none()),
            Entrance::Hold => {
                let mut held = Client::connected(&link).await;
                assert!(held.says_nothing().await);
                link.heal();
                held.read(GREETING.len()).await.expect("a greeting at last");
            }
            Entrance::Reset => {
                let mut reset = Client::connected(&link).await;
                assert_eq!(reset.ends().await, ErrorKind::ConnectionReset);
            }
            Entrance::Open => drop(Client::greeted(&link).await),
        }
        open.ask(5).await;
        open.read(5).await.expect("an open connection goes on");
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_to_the_client_as_the_loss_says() {
    let (node, link) = one().await;
    for loss in [Loss::Reset, Loss::ForgottenByNode, Loss::SwallowedByNetwork] {
        let mut client = Client::greeted(&link).await;
        node.has_open(1).await;
        link.lose_connections(loss);
        node.has_open(0).await;
        match loss {
            Loss::Reset => assert_eq!(client.ends().await, ErrorKind::ConnectionReset),
            Loss::ForgottenByNode => {
                assert!(client.says_nothing().await);
                client.ask(1).await;
                assert_eq!(client.ends().await, ErrorKind::ConnectionReset);
            }
            Loss::SwallowedByNetwork => {
                client.ask(1).await;
                assert!(client.says_nothing().await);
            }
        }
        let open = usize::from(loss == Loss::SwallowedByNetwork);
        assert_eq!(link.connections_open(), open, "{loss:?}");
        drop(client);
        // New ones are good.
        drop(Client::greeted(&link).await);
        node.has_open(0).await;
    }
    assert_eq!(link.connections_peak(), 1);
}

#[tokio::test]
async fn a_host_without_its_cable_answers_nothing_and_goes_on_when_it_has_it_again() {
    let node = Node::start().await;
    let host = Host::start().await.unwrap();
    let link = Link::on(&host, 0, node.addr).await.unwrap();
    let other = Host::start().await.unwrap();
    let beside = Link::on(&other, 0, node.addr).await.unwrap();
    let mut client = Client::greeted(&link).await;

    host.unplug().unwrap();
    assert!(connect_error(&link).await.is_none());
    client.ask(10).await;
    assert!(client.says_nothing().await);
    drop(Client::greeted(&beside).await);

    host.plug_in().unwrap();
    client.read(10).await.unwrap();
    drop(Client::greeted(&link).await);
}

#[tokio::test]
async fn a_host_that_restarts_without_its_cable_has_forgotten_its_connections() {
    let node = Node::start().await;
    let host = Host::start().await.unwrap();
    let link = Link::on(&host, 0, node.addr).await.unwrap();
    let mut client = Client::greeted(&link).await;
    node.has_open(1).await;

    host.unplug().unwrap();
    link.lose_connections(Loss::Reset);
    node.has_open(0).await;
    host.plug_in().unwrap();
    assert!(client.says_nothing().await);
    client.ask(10).await;
    assert_eq!(client.ends().await, ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_host_is_gone_when_it_is_dropped() {
    let host = Host::start().await.unwrap();
    let ip = host.ip();
    let is_there = || {
        let addresses = std::process::Command::new("ip").args(["route"]).output();
        String::from_utf8(addresses.unwrap().stdout)
            .unwrap()
            .contains(&ip.to_string())
    };
    assert!(is_there());
    drop(host);
    timeout(SOON, async {
        while is_there() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("its cable is gone");
}
