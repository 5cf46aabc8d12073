//! What the numbers were measured on.

use crate::error::Outcome;
use crate::measure::Call;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The machine, as far as it explains numbers.
#[derive(Clone, Debug)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    work: String,
    restore: Option<String>,
    day: String,
}

impl Machine {
    /// Looks at this machine, and at the file systems of the scratch and of restores.
    pub fn look(work: &Path, restore: Option<&Path>) -> Outcome<Self> {
        Ok(Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib(),
            kernel: read("/proc/sys/kernel/osrelease"),
            work: file_system(work)?,
            restore: restore.map(file_system).transpose()?,
            day: Call::new("date").args(["-u", "+%F"]).read()?.trim().to_owned(),
        })
    }

    /// Lines of a markdown list.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!(
                "{}, {} cores, {:.0} GiB of memory, Linux {}",
                self.cpu, self.cores, self.memory_gib, self.kernel
            ),
            match &self.restore {
                Some(restore) => {
                    format!("trees and stores on {}, restores into {restore}", self.work)
                }
                None => format!("all files on {}", self.work),
            },
            format!("measured on {}, page cache warm", self.day),
        ]
    }

    /// The same for the JSON file.
    pub fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "file_system": self.work,
            "restore_file_system": self.restore,
            "day": self.day,
        })
    }
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// The first value of a `name : value` line.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn memory_gib() -> f64 {
    let total = field("/proc/meminfo", "MemTotal");
    let kib = total.split_whitespace().next();
    let kib: f64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    kib / f64::from(1 << 20)
}

/// The type of the file system that holds a directory.
pub fn file_system(dir: &Path) -> Outcome<String> {
    let call = Call::new("df").arg("--output=fstype").arg(dir);
    let table = call.env("LC_ALL", "C").read()?;
    Ok(table.lines().nth(1).unwrap_or("unknown").trim().to_owned())
}

/// Bytes free on the file system that holds a directory.
pub fn free(dir: &Path) -> Outcome<u64> {
    let call = Call::new("df").args(["--output=avail", "-B1"]).arg(dir);
    let table = call.env("LC_ALL", "C").read()?;
    let free = table.lines().nth(1).and_then(|line| line.trim().parse().ok());
    Ok(free.unwrap_or(0))
}
