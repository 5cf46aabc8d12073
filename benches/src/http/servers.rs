//! The servers that are measured, each with a directory of its own.

use crate::error::{Doing, Error, Outcome};
use crate::http::connection::{Body, Connection};
use crate::{measure, tree};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to begin.
const START: Duration = Duration::from_secs(60);
/// What the kernel counts CPU time in: USER_HZ, the same everywhere on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Ports that SeaweedFS takes: of master, volumes and filer, and of gRPC for each.
const WEED_PORTS: usize = 6;

/// A server that runs. Dropping it ends it and removes what it stored.
pub struct Server {
    /// How tables name it.
    pub name: &'static str,
    /// Where it listens.
    pub address: String,
    /// What of a URL stands before a path.
    pub prefix: &'static str,
    /// What stands behind it when something is put.
    pub suffix: &'static str,
    /// Headers of every request.
    pub headers: String,
    child: Child,
    directory: PathBuf,
}

/// Which servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Aeordb,
    /// SeaweedFS's file server, asked to sync what is put before it answers.
    WeedSynced,
    /// The same, not asked to.
    Weed,
}

impl Kind {
    /// How tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Aeordb => "aeordb",
            Kind::WeedSynced => "SeaweedFS, fsync",
            Kind::Weed => "SeaweedFS",
        }
    }

    /// Starts it; what it stores is in `directory`, which must not be there yet.
    pub fn start(self, program: &Path, directory: PathBuf) -> Outcome<Server> {
        fs::create_dir_all(&directory).doing("cannot create", &directory)?;
        match self {
            Kind::Aeordb => aeordb(program, directory),
            Kind::WeedSynced | Kind::Weed => weed(self, program, directory),
        }
    }
}

fn aeordb(program: &Path, directory: PathBuf) -> Outcome<Server> {
    let mut command = Command::new(program);
    command
        .args(["serve", "--json", "--log", "errors", "--listen", "127.0.0.1:0", "--database"])
        .arg(directory.join("data.aeordb"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().doing("cannot run", program)?;
    let out = child.stdout.take();
    let mut server = Server {
        name: Kind::Aeordb.name(),
        address: String::new(),
        prefix: "/files/",
        suffix: "",
        headers: String::new(),
        child,
        directory,
    };
    let mut line = String::new();
    if let Some(out) = out {
        BufReader::new(out).read_line(&mut line).doing("cannot read from", program)?;
    }
    let started: serde_json::Value = serde_json::from_str(&line).doing("no start of", program)?;
    let text = |name: &str| started.get(name).and_then(|value| value.as_str()).unwrap_or("");
    server.address = text("url").trim_start_matches("http://").to_owned();
    server.headers = format!("authorization: Bearer {}\r\n", text("key"));
    Ok(server)
}

fn weed(kind: Kind, program: &Path, directory: PathBuf) -> Outcome<Server> {
    let [master, volume, filer, master_grpc, volume_grpc, filer_grpc] = free_ports()?;
    let log = directory.join("log");
    let out = fs::File::create(&log).doing("cannot write", &log)?;
    let err = out.try_clone().doing("cannot write", &log)?;
    let mut command = Command::new(program);
    command
        .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-volume.max=64"])
        .arg("-master.volumeSizeLimitMB=256")
        .arg(format!("-dir={}", directory.display()))
        .args([format!("-master.port={master}"), format!("-master.port.grpc={master_grpc}")])
        .args([format!("-volume.port={volume}"), format!("-volume.port.grpc={volume_grpc}")])
        .args([format!("-filer.port={filer}"), format!("-filer.port.grpc={filer_grpc}")])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    let child = command.spawn().doing("cannot run", program)?;
    let suffix = if kind == Kind::WeedSynced { "?fsync=true" } else { "" };
    let mut server = Server {
        name: kind.name(),
        address: format!("127.0.0.1:{filer}"),
        prefix: "/",
        suffix,
        headers: String::new(),
        child,
        directory,
    };
    server.wait_until_it_stores(&log)?;
    Ok(server)
}

/// Ports of loopback that nobody had a moment ago.
fn free_ports() -> Outcome<[u16; WEED_PORTS]> {
    let loopback = Path::new("127.0.0.1");
    let mut listeners = Vec::new();
    for _ in 0..WEED_PORTS {
        listeners.push(TcpListener::bind("127.0.0.1:0").doing("cannot listen on", loopback)?);
    }
    let mut ports = [0; WEED_PORTS];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().doing("cannot listen on", loopback)?.port();
    }
    Ok(ports)
}

impl Server {
    /// User and system seconds that its process has used.
    pub fn cpu(&self) -> Outcome<f64> {
        let path = PathBuf::from(format!("/proc/{}/stat", self.child.id()));
        let text = fs::read_to_string(&path).doing("cannot read", &path)?;
        // The name of the program, in parentheses, may hold spaces.
        let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
    }

    fn wait_until_it_stores(&mut self, log: &Path) -> Outcome<()> {
        let started = Instant::now();
        loop {
            let tried = Connection::open(self, START)
                .and_then(|mut connection| connection.put("probe", &Body::Bytes(b"probe")));
            let Err(error) = tried else { return Ok(()) };
            let ended = self.child.try_wait().doing("cannot wait for", Path::new(self.name))?;
            if ended.is_some() || started.elapsed() > START {
                let text = format!("{} did not begin: {error}\n{}", self.name, measure::tail(log));
                return Err(Error::new(text));
            }
            #[expect(clippy::disallowed_methods, reason = "another program begins")]
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SeaweedFS does not always end when it is asked to.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = tree::remove(&self.directory);
    }
}
