//! Clients that share no code with obwarden: the mysql client and PyMySQL, on both kinds of server.

mod mysql;
mod pymysql;
#[path = "../support/mod.rs"]
mod support;

use std::io::ErrorKind;
use std::process::{Output, Stdio};

use tokio::process::Command;

use support::SOON;

/// Runs a client to its end. That it is missing fails the test and says how to install it.
async fn finish(command: &mut Command, install: &str) -> Output {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output())
        .await
        .unwrap_or_else(|_| panic!("{command:?}: still running after {SOON:?}"));
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{command:?}: {install}"),
        output => output.expect("a client"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
