//! A machine of its own on the network, whose cable can be pulled.
//!
//! A network namespace, reached through a pair of virtual interfaces. Unplugged it is what no relay can
//! be: a host that answers nothing at all, so that connecting to it times out, and connections to it are
//! told of no end. This needs root.
//!
//! The kernel takes all of it away when the last who uses it has ended: a process of ours that does
//! nothing, and the sockets that were made there.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::paths::RunDir;
use crate::process::{Process, Program};

/// A host beside this machine. Gone when it and all sockets on it are dropped.
#[derive(Debug)]
pub struct Host {
    ip: Ipv4Addr,
    namespace: File,
    keeper: Process,
    _dir: RunDir, // after the process, which writes there
}

impl Host {
    /// Sets up a host on an address of its own.
    ///
    /// # Errors
    /// Also when this is not run as root, or where the kernel forbids it.
    pub async fn start() -> Result<Arc<Self>> {
        let dir = RunDir::create()?;
        let keeper = Program::new("unshare", dir.path().join("host.log"))
            .args(["--net", "--", "sleep", "infinity"])
            .start()?;
        let ours = fs::read_link("/proc/self/ns/net").context("no network namespaces here")?;
        let path = format!("/proc/{}/ns/net", keeper.pid());
        keeper
            .ready(START_TIMEOUT, async || {
                ensure!(
                    fs::read_link(&path)? != ours,
                    "it is still in our namespace"
                );
                Ok(())
            })
            .await
            .context("a network namespace of its own, which needs root")?;
        let namespace = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        let ip = plug_in(&keeper).context("a virtual network interface, which needs root")?;
        Ok(Arc::new(Self {
            ip,
            namespace,
            keeper,
            _dir: dir,
        }))
    }

    /// Where this machine reaches it.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Pulls the cable: nothing comes or goes any more, and nobody is told.
    pub fn unplug(&self) -> Result<()> {
        inside(&self.keeper, "ip link set wire down")
    }

    /// Puts it in again.
    pub fn plug_in(&self) -> Result<()> {
        inside(&self.keeper, "ip link set wire up")
    }

    /// Runs `work` on a thread whose sockets belong to this host; they do for as long as they live.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.namespace.as_fd(), kind)?;
                Ok(work())
            });
            let panicked = |_| Err(io::Error::other("the thread on the host panicked"));
            thread.join().unwrap_or_else(panicked)
        })
    }
}

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Pairs of addresses in 198.18.0.0/15, which is set aside for tests of networks.
const PAIRS: u32 = 1 << 16;
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// Connects the keeper's namespace with ours. An interface's name stands for a pair of addresses and can
/// be there only once, so that the addresses are nobody else's.
fn plug_in(keeper: &Process) -> Result<Ipv4Addr> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let pid = keeper.pid().to_string();
    for _ in 0..PAIRS {
        let pair = first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % PAIRS;
        let (name, ours) = (format!("obtest{pair}"), FIRST_ADDRESS.to_bits() + 2 * pair);
        let (ours, ip) = (Ipv4Addr::from(ours), Ipv4Addr::from(ours + 1));
        let add = ["link", "add", &name, "type", "veth", "peer", "name", "wire"];
        match run(Command::new("ip")
            .args(add)
            .args(["address", MAC, "netns", &pid]))
        {
            Err(error) if format!("{error:#}").contains("File exists") => continue,
            added => added?,
        }
        inside(
            keeper,
            &format!(
                "ip address add {ip} peer {ours} dev wire && ip link set lo up && \
                 ip link set wire up"
            ),
        )?;
        // A neighbour that is known for ever: one that is looked for in vain is no route to a host after
        // some seconds, as if somebody had answered.
        let (ours, ip) = (ours.to_string(), ip.to_string());
        for step in [
            &["address", "add", &ours, "peer", &ip, "dev", &name][..],
            &["link", "set", &name, "up"],
            &[
                "neighbour",
                "replace",
                &ip,
                "lladdr",
                MAC,
                "dev",
                &name,
                "nud",
                "permanent",
            ],
        ] {
            run(Command::new("ip").args(step))?;
        }
        return ip.parse().context("an address");
    }
    bail!("no pair of addresses is free in 198.18.0.0/15")
}

/// Of each host's end of its cable.
const MAC: &str = "02:00:00:00:00:02";

/// Runs a shell's commands where the keeper is.
fn inside(keeper: &Process, commands: &str) -> Result<()> {
    let path = format!("--net=/proc/{}/ns/net", keeper.pid());
    run(Command::new("nsenter").args([&path, "--", "sh", "-c", commands]))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim_ascii()
    );
    Ok(())
}
