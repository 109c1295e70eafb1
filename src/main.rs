//! The obwarden binary: reads the configuration, logs on to the cluster, and serves clients.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use obwarden::audit::{Audit, AuditSettings};
use obwarden::check::check;
use obwarden::clients::{Clients, Port};
use obwarden::cluster::Cluster;
use obwarden::config::{Config, Layer};
use obwarden::console::Console;
use obwarden::deadline::Deadline;
use obwarden::secret::Secret;
use obwarden::server;
use obwarden::session::Gate;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
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
    log_to_stderr();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("obwarden: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The exit code for arguments that cannot be read.
const USAGE_ERROR: u8 = 2;

/// What is wrong with the arguments, and what would be right, without the usage behind it.
fn one_line(mistake: &clap::Error) -> String {
    let text = mistake.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let told = told.collect::<Vec<_>>().join("; ");
    told.trim_start_matches("error: ").to_owned()
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("OBWARDEN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
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
    let config = above.over(below).resolve()?;
    let clients = Arc::<Clients>::default();
    let runtime = Runtime::new()?;
    // A check kills nothing, and makes no file that another user could not write to then.
    let audit_settings = if cli.check {
        AuditSettings::default()
    } else {
        config.audit.clone()
    };
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
    runtime.block_on(serve(config, cluster, clients))?;
    Ok(ExitCode::SUCCESS)
}

/// Descriptors that each client takes: its own connection and its backend's.
const DESCRIPTORS_A_CLIENT: u64 = 2;

/// Takes as many file descriptors as the system lets us have, and says if they are too few.
fn raise_descriptor_limit(max_connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of file descriptors cannot be raised");
    }
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
    raise_descriptor_limit(config.limits.max_connections);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(serving, stopping);
    following.abort();
    Ok(served?)
}
