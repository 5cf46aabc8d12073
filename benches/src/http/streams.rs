//! One large file up and down, and a backup's way from one server to another.

use crate::error::{Doing, Error, Outcome};
use crate::http::connection::{Body, Connection, Reply};
use crate::http::results::{Step, Took};
use crate::http::servers::Server;
use crate::measure::Call;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Small files beside the large one.
pub const FILES: usize = 10_000;
/// Of these, how many are changed for the patch.
pub const CHANGED: usize = 100;
/// How many are put in one request.
const BATCH: usize = 1_000;
/// Where the large file lies.
const LARGE: &str = "large/file";
/// Where a backup lies on an object server.
const BACKUP: &str = "backup/file";

/// What measures streams: its scratch, and how long one request may take.
pub struct Streams<'a> {
    pub scratch: &'a Path,
    pub limit: Duration,
}

/// A step and what it took.
pub type Measured = (Step, Took);

impl Streams<'_> {
    /// Writes a file of bytes that cannot be compressed.
    pub fn large_file(&self, len: u64) -> Outcome<PathBuf> {
        let path = self.scratch.join("large");
        let mut file = io::BufWriter::new(File::create(&path).doing("cannot create", &path)?);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..len / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes()).doing("cannot write", &path)?;
        }
        file.flush().doing("cannot write", &path)?;
        Ok(path)
    }

    /// Uploads and downloads a file.
    pub fn large(&self, server: &Server, file: &Path) -> Outcome<[Measured; 2]> {
        let up = self.upload(server, LARGE, file)?;
        settle()?;
        let len = file.metadata().doing("cannot read", file)?.len();
        let mut found = 0;
        let down = timed(server, || {
            let mut connection = Connection::open(server, self.limit)?;
            found = connection.get(LARGE, &mut io::sink())?.len;
            Ok(())
        })?;
        if found != len {
            let text = format!("{}: {found} bytes came back of {len}", server.name);
            return Err(Error::new(text));
        }
        Ok([(Step::Upload, up), (Step::Download, down)])
    }

    /// A backup as an object: up, and down into a file that is synced.
    pub fn object(&self, server: &Server, backup: &Path) -> Outcome<[Measured; 2]> {
        settle()?;
        let up = self.upload(server, BACKUP, backup)?;
        settle()?;
        let out = self.scratch.join("object");
        let (down, _) = self.download(server, &format!("{}{BACKUP}", server.prefix), &out)?;
        Ok([(Step::Import, up), (Step::Export, down)])
    }

    /// The same bytes copied by `cp` and synced, once for each direction.
    pub fn copies(&self, backup: &Path) -> Outcome<[Measured; 2]> {
        let copy = |step| -> Outcome<Measured> {
            settle()?;
            let call = Call::script("cp \"$1\" \"$2\" && exec sync \"$2\"");
            let call = call.arg(backup).arg(self.scratch.join("copy"));
            let sample = call.measure(&self.scratch.join("log"), self.limit)?;
            Ok((step, Took { wall: sample.wall, cpu: sample.cpu }))
        };
        Ok([copy(Step::Export)?, copy(Step::Import)?])
    }

    /// What an export and a patch are made of: beside the large file many small ones.
    pub fn fill(&self, source: &Server) -> Outcome<()> {
        for first in (0..FILES).step_by(BATCH) {
            self.batch(source, first, BATCH, "first")?;
        }
        self.json(source, "/admin/snapshots", r#"{"name": "v1"}"#).map(drop)
    }

    /// An export as a stream into a file, and that file as a stream into another server.
    pub fn export(&self, source: &Server, receiver: &Server, out: &Path) -> Outcome<[Measured; 2]> {
        let (export, version) = self.download(source, "/admin/export?snapshot=v1", out)?;
        settle()?;
        let import = self.import(receiver, out, version)?;
        Ok([(Step::Export, export), (Step::Import, import)])
    }

    /// The same with the difference to what the receiver has by then.
    pub fn patch(&self, source: &Server, receiver: &Server) -> Outcome<[Measured; 2]> {
        self.batch(source, 0, CHANGED, "second")?;
        settle()?;
        let out = self.scratch.join("patch");
        let (patch, version) = self.download(source, "/admin/diff?from=v1", &out)?;
        settle()?;
        let apply = self.import(receiver, &out, version)?;
        Ok([(Step::Patch, patch), (Step::Apply, apply)])
    }

    fn upload(&self, server: &Server, path: &str, file: &Path) -> Outcome<Took> {
        timed(server, || {
            let (file, len) = open(file)?;
            Connection::open(server, self.limit)?.put(path, &Body::File(&file, len))
        })
    }

    /// Into a file, which is synced: what it took, and the version that the reply shows.
    fn download(&self, server: &Server, target: &str, out: &Path) -> Outcome<(Took, Reply)> {
        let mut reply = Reply::default();
        let took = timed(server, || {
            let mut file = File::create(out).doing("cannot create", out)?;
            let mut connection = Connection::open(server, self.limit)?;
            reply = connection.send("GET", target, &Body::None, &mut file)?;
            file.sync_all().doing("cannot sync", out)
        })?;
        Ok((took, reply))
    }

    /// Imports a file and promotes it, which must lead to what the sender showed.
    fn import(&self, server: &Server, file: &Path, sent: Reply) -> Outcome<Took> {
        let mut answer = Vec::new();
        let took = timed(server, || {
            let (file, len) = open(file)?;
            let target = "/admin/import?promote=true";
            let mut connection = Connection::open(server, self.limit)?;
            connection.send("POST", target, &Body::File(&file, len), &mut answer).map(drop)
        })?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)
            .doing("cannot read the answer of", Path::new(server.name))?;
        let version = answer.get("version").and_then(|version| version.as_str());
        if version.is_none() || version != sent.version.as_deref() {
            return Err(Error::new(format!("{version:?} was imported of {:?}", sent.version)));
        }
        Ok(took)
    }

    fn batch(&self, server: &Server, first: usize, count: usize, word: &str) -> Outcome<()> {
        let changes: Vec<_> = (first..first + count)
            .map(|number| {
                let content = format!("the {word} content of file {number}\n").repeat(30);
                serde_json::json!({
                    "op": "put", "path": format!("/small/{}/{number}", number % 100),
                    "content": content,
                })
            })
            .collect();
        self.json(server, "/batch", &serde_json::json!({ "changes": changes }).to_string())
    }

    fn json(&self, server: &Server, target: &str, body: &str) -> Outcome<()> {
        let body = Body::Bytes(body.as_bytes());
        let mut connection = Connection::open(server, self.limit)?;
        connection.send("POST", target, &body, &mut io::sink()).map(drop)
    }
}

fn open(path: &Path) -> Outcome<(File, u64)> {
    let file = File::open(path).doing("cannot open", path)?;
    let len = file.metadata().doing("cannot read", path)?.len();
    Ok((file, len))
}

/// What is written by now goes to the disk, so that nobody pays for another's writes.
pub fn settle() -> Outcome<()> {
    Call::new("sync").read().map(drop)
}

fn timed(server: &Server, work: impl FnOnce() -> Outcome<()>) -> Outcome<Took> {
    let cpu = server.cpu()?;
    let started = Instant::now();
    work()?;
    let wall = started.elapsed().as_secs_f64();
    Ok(Took { wall, cpu: server.cpu()? - cpu })
}
