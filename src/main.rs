//! The obwarden binary: reads the configuration, logs on to the cluster, and serves clients, or checks the cluster,
//! or runs one statement.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use obwarden::audit::{Audit, AuditSettings};
use obwarden::check::check;
use obwarden::clients::{Clients, Port};
use obwarden::cluster::{Cluster, RightsPolicy};
use obwarden::config::{Config, Layer};
use obwarden::console::Console;
use obwarden::deadline::Deadline;
use obwarden::execute::{Ended, ExecuteError, Format, OneStatement, Output};
use obwarden::secret::Secret;
use obwarden::server;
use obwarden::session::Gate;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Each value of each session in a list is an allocation of the driver's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One address from which a DBA sees and ends every session of an OceanBase cluster.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// A TOML file with any of the keys below, in snake_case (`servers` for --server)
    #[arg(long, env = "OBWARDEN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log on to the cluster, print its servers and whether each answers, and exit
    #[arg(long)]
    check: bool,
    /// Run one statement of obwarden's own, print its result, and exit: 0; 1 if it has failed; 3 if something
    /// is missing, such as a server that does not answer
    #[arg(short, long, value_name = "STATEMENT", conflicts_with = "check")]
    execute: Option<String>,
    /// How --execute prints its result [default: table]
    #[arg(long, requires = "execute")]
    format: Option<Format>,
    #[command(flatten)]
    layer: Layer,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mistake) if mistake.use_stderr() => {
            eprintln!("obwarden: {}", one_line(&mistake));
            return ExitCode::from(USAGE_ERROR);
        }
        Err(help_or_version) => help_or_version.exit(),
    };
    log_to_stderr(if cli.execute.is_some() {
        LOG_OF_ONE_STATEMENT
    } else {
        LOG
    });
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // That nobody reads it is no reason to panic.
            let _ = writeln!(std::io::stderr(), "obwarden: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The exit code for arguments that cannot be read.
const USAGE_ERROR: u8 = 2;
/// The exit code of a statement of which the answer is not whole.
const INCOMPLETE: u8 = 3;

/// What is logged, unless `OBWARDEN_LOG` says something else.
const LOG: &str = "info";
/// The same while one statement is run: it says itself what matters, but a kill is recorded.
const LOG_OF_ONE_STATEMENT: &str = "warn,obwarden::audit=info";

/// What is wrong with the arguments, and what would be right, without the usage behind it.
fn one_line(mistake: &clap::Error) -> String {
    let text = mistake.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told = told.collect::<Vec<_>>().join("; ");
    told.trim_start_matches("error: ").to_owned()
}

fn log_to_stderr(usual: &str) {
    let filter = EnvFilter::try_from_env("OBWARDEN_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // Where stderr is closed they could not be told either.
        .log_internal_errors(false)
        .init();
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let below = cli
        .config
        .as_deref()
        .map(Layer::read)
        .transpose()?
        .unwrap_or_default();
    let above = cli
        .layer
        .with_password(std::env::var("OBWARDEN_PASSWORD").ok().map(Secret::from));
    let mut config = above.over(below).resolve()?;
    let statement = cli.execute.map(OneStatement::read).transpose()?;
    let clients = Arc::<Clients>::default();
    let runtime = Runtime::new()?;
    // What kills nothing makes no file that another user could not write to then.
    let kills = statement.as_ref().map_or(!cli.check, OneStatement::kills);
    let audit_settings = if kills {
        config.audit.clone()
    } else {
        AuditSettings::default()
    };
    if statement.is_some() {
        config.cluster.rights = RightsPolicy::Server;
    }
    let audit = runtime.block_on(Audit::start(&audit_settings))?;
    let cluster = Cluster::new(config.cluster.clone(), Arc::clone(&clients), audit);
    cluster.load_topology_cache();
    if cli.check {
        let checked = runtime.block_on(check(&cluster, &mut std::io::stdout()))?;
        return Ok(if checked.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    if let Some(statement) = statement {
        let format = cli.format.unwrap_or_default();
        let executed = runtime.block_on(execute(statement, &cluster, format));
        // What is being waited for, such as a name's address, need not come any more.
        runtime.shutdown_background();
        return Ok(match executed {
            Ok(Ended::Whole) => ExitCode::SUCCESS,
            Ok(Ended::Incomplete) => ExitCode::from(INCOMPLETE),
            Err(ExecuteError::NobodyReads) => ExitCode::FAILURE,
            Err(error) => return Err(error.into()),
        });
    }
    runtime.block_on(serve(config, cluster, clients))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs one statement, until it is over or a signal ends it.
async fn execute(
    statement: OneStatement,
    cluster: &Arc<Cluster>,
    format: Format,
) -> Result<Ended, ExecuteError> {
    raise_descriptor_limit();
    let cancel = CancellationToken::new();
    let mut stop = stop_signals()?;
    let stopping = cancel.clone();
    tokio::spawn(async move {
        stop.received().await;
        stopping.cancel();
    });
    let output = Output::to(std::io::stdout())?;
    let told = &mut std::io::stderr();
    statement
        .execute(cluster, format, &cancel, output, told)
        .await
}

/// The signals that end the program.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

fn stop_signals() -> std::io::Result<StopSignals> {
    Ok(StopSignals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

impl StopSignals {
    /// Waits for one of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Descriptors that each client takes: its own connection and its backend's.
const DESCRIPTORS_A_CLIENT: u64 = 2;

/// Takes as many file descriptors as the system lets us have.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised");
    }
}

/// Says if there are fewer file descriptors than clients may take.
fn warn_of_few_descriptors(max_connections: usize) {
    let wanted = (max_connections as u64).saturating_mul(DESCRIPTORS_A_CLIENT);
    if let Some(current) = getrlimit(Resource::Nofile)
        .current
        .filter(|current| *current < wanted)
    {
        tracing::warn!(
            current,
            wanted,
            "fewer file descriptors than max_connections clients take"
        );
    }
}

/// How long the cluster may take to tell its servers at the start: patience that no statement has.
const START_TIMEOUT: Duration = Duration::from_secs(5);

async fn serve(
    config: Config,
    cluster: Arc<Cluster>,
    clients: Arc<Clients>,
) -> Result<(), Box<dyn Error>> {
    let snapshot = cluster
        .find_topology(Deadline::after(START_TIMEOUT))
        .await?;
    raise_descriptor_limit();
    warn_of_few_descriptors(config.limits.max_connections);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let shutdown = CancellationToken::new();
    let mut stop = stop_signals()?;
    let follower = Arc::clone(&cluster);
    let following = tokio::spawn(async move {
        tokio::join!(
            follower.follow_topology(),
            follower.follow_health(),
            follower.keep_topology_cache(),
            follower.close_idle_connections()
        )
    });
    let address = listener.local_addr()?;
    clients.open(Port {
        address,
        limits: config.limits,
        opened: Instant::now(),
    });
    let console = Console::new(Arc::clone(&cluster), Handle::current());
    let mut gate =
        Gate::new(cluster, clients, console, config.limits).behind(config.load_balancers);
    if let Some(tls) = config.client_tls {
        gate = gate.with_tls(tls);
    }
    tracing::info!(%address, servers = snapshot.servers.len(), "ready to accept");
    let serving = server::run(
        listener,
        Arc::new(gate),
        config.relay_threads,
        shutdown.clone(),
    );
    let stopping = async {
        stop.received().await;
        tracing::info!("shutting down");
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(serving, stopping);
    following.abort();
    Ok(served?)
}
