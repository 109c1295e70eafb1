//! A topology as the file has it that keeps it, and what it takes to believe it.
//!
//! The file is only ever a hint whom to ask. It counts if it is of this cluster by its name and by a server
//! that both know; and a server that is known by it alone must say something that agrees with it. What is
//! wrong with it is a warning, and never a reason not to start.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Settings;
use super::servers::Server;
use super::topology::Snapshot;

/// A longer file is none of ours, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A topology that has not changed is written again after this time, so that its age can be told.
const WRITTEN_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// A topology as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CachedTopology {
    /// The configured name, or else the servers' own.
    pub(super) cluster_name: Option<String>,
    /// When a server told it.
    #[serde(with = "humantime_serde")]
    pub(super) read_at: SystemTime,
    /// The addresses to begin with, as they were configured.
    seeds: Vec<String>,
    pub(super) servers: Vec<Server>,
}

impl CachedTopology {
    /// What the file is to say of `snapshot`.
    pub(super) fn of(snapshot: &Snapshot, settings: &Settings) -> Self {
        Self {
            cluster_name: snapshot.cluster_name.clone(),
            // The file has whole seconds.
            read_at: whole_seconds(snapshot.read_at),
            seeds: settings.seeds.clone(),
            servers: snapshot.servers.clone(),
        }
    }

    /// Reads the file, if there is one and it is of this cluster.
    pub(super) fn read(settings: &Settings) -> Option<Self> {
        let file = settings.topology_cache.as_ref()?;
        let read = match read_text(file) {
            Ok(text) => Self::parse(&text, settings),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(cached) => Some(cached),
            Err(why) => {
                let file = file.display();
                tracing::warn!(%file, why, "the topology cache is of no use");
                None
            }
        }
    }

    fn parse(text: &str, settings: &Settings) -> Result<Self, String> {
        let cached: Self =
            toml::from_str(text).map_err(|error| error.message().replace('\n', " "))?;
        if let (Some(cached), Some(configured)) = (&cached.cluster_name, &settings.cluster_name)
            && cached != configured
        {
            return Err(format!(
                "it is of cluster '{cached}', and this is '{configured}'"
            ));
        }
        let addrs: Vec<String> = cached.addrs().map(|addr| addr.to_string()).collect();
        let knows = |seed: &String| cached.seeds.contains(seed) || addrs.contains(seed);
        if !settings.seeds.iter().any(knows) {
            return Err(format!(
                "it does not know {}: it may be another cluster's",
                settings.seeds.join(", ")
            ));
        }
        Ok(cached)
    }

    /// Writes the file. It is always a whole one, whenever the machine stops.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let new = beside(file);
        let written = write_through(&new, &format!("{HEADER}{text}"))
            .and_then(|()| fs::rename(&new, file))
            .and_then(|()| sync_directory_of(file));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Whether this, in the file, is as good as `newer`.
    pub(super) fn is_as_good_as(&self, newer: &Self) -> bool {
        let age = newer.read_at.duration_since(self.read_at);
        let same = Self {
            read_at: self.read_at,
            ..newer.clone()
        };
        *self == same && age.is_ok_and(|age| age < WRITTEN_AGAIN_AFTER)
    }

    pub(super) fn addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.servers.iter().map(|server| server.addr)
    }

    /// Whether what a server has told, which is known by this file alone, is of the same cluster: the
    /// servers' own `name`, and one more server besides the one that told it. (Where either has no other,
    /// none can be asked for.)
    ///
    /// # Errors
    /// With what does not agree.
    pub(super) fn agrees_with(&self, told: &Snapshot, name: Option<&str>) -> Result<(), String> {
        if let (Some(cached), Some(name)) = (&self.cluster_name, name)
            && cached != name
        {
            return Err(format!(
                "it is of cluster '{name}' now, and was of '{cached}'"
            ));
        }
        let others = |servers: &[Server]| -> Vec<(SocketAddr, Option<u64>)> {
            let others = servers.iter().filter(|server| server.addr != told.told_by);
            others.map(|server| (server.addr, server.id)).collect()
        };
        let (cached, told) = (others(&self.servers), others(&told.servers));
        let agrees = cached.is_empty() || told.is_empty();
        if agrees || cached.iter().any(|server| told.contains(server)) {
            Ok(())
        } else {
            Err("it is with other servers now than it was".to_owned())
        }
    }
}

const HEADER: &str = "\
# The servers of the cluster, as obwarden has last seen them. It writes this file itself, and reads it when
# none of the servers that it is told to begin with answers.
";

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_1970.map_or(0, |since_1970| since_1970.as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn read_text(file: &Path) -> io::Result<String> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    File::open(file)?
        .take(FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Where the new file is written before it takes the old one's place.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    file.with_file_name(name)
}

fn write_through(file: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_directory_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests;
