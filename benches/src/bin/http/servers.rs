//! The servers that are measured, each with a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// How long a server may take to begin.
const START: Duration = Duration::from_secs(60);

/// A server that runs. Dropping it ends it and removes what it stored.
pub struct Server {
    pub name: &'static str,
    pub address: String,
    /// What of a URL stands before a path, and behind it when something is put.
    pub prefix: &'static str,
    pub suffix: &'static str,
    /// Headers of every request.
    pub headers: String,
    child: Child,
    directory: PathBuf,
}

impl Server {
    /// Ours.
    pub fn aeordb(program: &str) -> Result<Self> {
        let directory = directory("aeordb")?;
        let mut child = Command::new(program)
            .args(["serve", "--json", "--log", "errors", "--listen", "127.0.0.1:0", "--database"])
            .arg(directory.join("data.aeordb"))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let started: serde_json::Value = serde_json::from_str(&line)?;
        let text = |name: &str| started.get(name).and_then(|value| value.as_str()).unwrap_or("");
        let address = text("url").trim_start_matches("http://").to_owned();
        let headers = format!("authorization: Bearer {}\r\n", text("key"));
        let (prefix, suffix) = ("/files/", "");
        Ok(Server { name: "aeordb", address, prefix, suffix, headers, child, directory })
    }

    /// SeaweedFS's file server, which syncs what is put if `durable`.
    pub fn weed(program: &str, durable: bool) -> Result<Self> {
        let name = if durable { "SeaweedFS, fsync" } else { "SeaweedFS" };
        let base: u16 = if durable { 19_500 } else { 19_400 };
        let directory = directory(if durable { "weed-fsync" } else { "weed" })?;
        let port = |flag: &str, offset: u16| format!("-{flag}={}", base + offset);
        let child = Command::new(program)
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-volume.max=16"])
            .arg("-master.volumeSizeLimitMB=256")
            .arg(format!("-dir={}", directory.display()))
            .args([port("master.port", 0), port("volume.port", 1), port("filer.port", 2)])
            .args([port("master.port.grpc", 10), port("volume.port.grpc", 11)])
            .arg(port("filer.port.grpc", 12))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let suffix = if durable { "?fsync=true" } else { "" };
        let address = format!("127.0.0.1:{}", base + 2);
        let headers = String::new();
        let server = Server { name, address, prefix: "/", suffix, headers, child, directory };
        server.wait_for_it()?;
        Ok(server)
    }

    /// Waits until a file can be put.
    fn wait_for_it(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let tried = TcpStream::connect(&self.address)
                .map_err(Into::into)
                .and_then(|_| crate::load::probe(self));
            match tried {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > START => {
                    return Err(format!("{} did not begin: {error}", self.name).into());
                }
                Err(_) => {
                    #[expect(clippy::disallowed_methods, reason = "another program begins")]
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It does not always end when it is asked to.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn directory(name: &str) -> Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("http-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
