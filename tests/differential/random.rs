//! The same random sequences, direct and through the proxy.

use std::ops::Deref;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use testkit::cluster::Cluster;

use super::House;
use super::play::{Stage, Tally, difference, play};
use super::sequence::Sequence;
use super::statements::{Kind, RESTORE};

/// A server may answer otherwise once it has seen a statement: how often it may show so directly.
const DIRECT_PLAYS_MAX: usize = 4;

#[tokio::test]
async fn mariadb_answers_random_commands_through_the_proxy_byte_for_byte_as_directly() {
    let tally = random_sequences(super::mariadb().await, 100).await;
    tally.assert_varied(&["STMT_BULK_EXECUTE"]);
}

#[tokio::test]
async fn mariadb_answers_random_commands_through_tls_byte_for_byte_as_directly() {
    let house = House::open_behind_tls(Kind::Mariadb, super::one_mariadb().await).await;
    let tally = random_sequences(&house, 40).await;
    tally.assert_varied(&[]);
}

#[tokio::test]
async fn seekdb_answers_random_commands_through_the_proxy_byte_for_byte_as_directly() {
    let tally = random_sequences(super::seekdb().await, 50).await;
    tally.assert_varied(&[]);
}

async fn random_sequences<C: Deref<Target = Cluster>>(house: &House<C>, sequences: u64) -> Tally {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect(name))
    };
    let sequences = number("OBWARDEN_DIFFERENTIAL_SEQUENCES").unwrap_or(sequences);
    let first = number("OBWARDEN_DIFFERENTIAL_SEED").unwrap_or(1);
    let mut control = house.node().connect().await.unwrap();
    let mut tally = Tally::default();
    for seed in first..first + sequences {
        let sequence = Sequence::random(seed, house.kind);
        if let Err(report) = compare(house, &mut control, &sequence, &mut tally).await {
            panic!(
                "{:?}, OBWARDEN_DIFFERENTIAL_SEED={seed}: {report}\n{sequence}",
                house.kind
            );
        }
    }
    tally
}

async fn compare<C: Deref<Target = Cluster>>(
    house: &House<C>,
    control: &mut Conn,
    sequence: &Sequence,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut play_on = async |stage| {
        let restored = control.query_drop(RESTORE).await;
        restored.map_err(|error| format!("{RESTORE}: {error}"))?;
        play(sequence, house.kind, stage).await
    };
    let direct = play_on(Stage::Direct(house.node().addr())).await?;
    let proxied = play_on(Stage::Proxy(house.warden.addr())).await?;
    tally.count(&direct);
    let Some(report) = difference(&direct, &proxied) else {
        return Ok(());
    };
    for _ in 0..DIRECT_PLAYS_MAX {
        let again = play_on(Stage::Direct(house.node().addr())).await?;
        if difference(&again, &proxied).is_none() {
            return Ok(());
        }
    }
    Err(report)
}
