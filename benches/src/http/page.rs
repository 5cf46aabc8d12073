//! The page about the server.

use crate::http::load::SMALL_LEN;
use crate::http::results::{Bar, Results, Step, Verb};
use crate::http::servers::Kind;
use crate::http::streams::{CHANGED, FILES};
use crate::machine::Machine;
use crate::options::Options;
use crate::report::{bytes, seconds};
use crate::results::count;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How tables name a copy by `cp`.
pub const COPY: &str = "cp + sync";

const HEAD: &str = "# Benchmarks of the server

Made by `aeordb-bench http`, not by hand. `aeordb serve` beside the file server of SeaweedFS (its
filer), each a process of its own, clients and servers on the same machine: what clients cost is in
every number. In every round each server starts with nothing stored; they take turns, in another
order in every round, with a `sync` before each measurement. Values are medians over the rounds.
CPU is that of the server's process.
";

const TAIL: &str = "
## What is measured

- *Small files*: every client has one connection and sends one request after the other. Clients put
  files of their own that are unlike all others, then get them in no order. aeordb answers a PUT
  when its commit is synced; *SeaweedFS, fsync* is asked for the same with `?fsync=true` (its
  directory of names is not synced then), *SeaweedFS* is not.
- *The large file* cannot be compressed. It is sent from a file, and thrown away where it arrives.
- *Export* is `GET /admin/export` of a version into a file that is then synced, *import* is
  `POST /admin/import?promote=true` with that file as the body, into a server that has nothing yet:
  every entry is hashed, and the answer comes when all of it is durable and HEAD. An object server
  knows no exports: beside it stands what it does with the same file, as one object, down into a
  file that is synced, and up. `cp` copies that file and syncs the copy.
- *Patch* and its import are the same with `GET /admin/diff`.

## Run it

    cargo build --release
    benches/install-peers.sh            # once
    cargo run --release -p aeordb-bench -- http --out docs/benchmarks-http.md

`--help` lists what can be chosen. Every sample is in the JSON file beside this page.
";

/// What the page is made of.
pub struct Page<'a> {
    pub options: &'a Options,
    pub machine: &'a Machine,
    /// Programs, and what they say of their version.
    pub versions: &'a [(String, String)],
    pub results: &'a Results,
    pub bars: &'a [Bar],
}

impl Page<'_> {
    /// The page.
    pub fn markdown(&self) -> String {
        let mut page = format!("{HEAD}\n");
        for line in self.machine.lines() {
            let _ = writeln!(page, "- {line}");
        }
        let Options { rounds, seconds, .. } = self.options;
        let _ = writeln!(page, "- rounds: {rounds}, of {seconds} s for every rate");
        for (program, version) in self.versions {
            let _ = writeln!(page, "- {program}: {version}");
        }
        page.push_str(&self.small());
        if self.options.large > 0 {
            page.push_str(&self.streams());
        }
        page.push_str(&self.verdicts());
        page.push_str(TAIL);
        page
    }

    /// The same, with every sample.
    pub fn json(&self) -> Value {
        let bars = self.bars.iter().map(|bar| {
            json!({
                "what": bar.what, "measured": bar.measured, "against": bar.against,
                "whose": bar.whose, "met": bar.met(),
            })
        });
        json!({
            "machine": self.machine.json(),
            "rounds": self.options.rounds,
            "seconds": self.options.seconds,
            "large_bytes": self.options.large,
            "versions": self.versions,
            "samples": self.results.json(),
            "bars": bars.collect::<Vec<_>>(),
        })
    }

    fn small(&self) -> String {
        let mut text = format!("\n## Small files, {SMALL_LEN} bytes\n\n");
        text.push_str("| clients | server | PUT/s | p50 ms | p99 ms | CPU µs ");
        text.push_str("| GET/s | p50 ms | p99 ms | CPU µs |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
        for clients in &self.options.clients {
            for who in KINDS.map(Kind::name) {
                let of = |verb, get| self.results.rate(who, *clients, verb, get);
                if of(Verb::Put, |rates| rates.rate).is_none() {
                    continue;
                }
                let _ = write!(text, "| {clients} | {who} |");
                for verb in [Verb::Put, Verb::Get] {
                    let _ = write!(
                        text,
                        " {} | {} | {} | {} |",
                        shown(of(verb, |rates| rates.rate), 0),
                        shown(of(verb, |rates| rates.p50), 2),
                        shown(of(verb, |rates| rates.p99), 2),
                        shown(of(verb, |rates| rates.cpu), 0),
                    );
                }
                text.push('\n');
            }
        }
        text
    }

    fn streams(&self) -> String {
        let [ours, synced, unsynced] = KINDS.map(Kind::name);
        let columns = [ours, synced, unsynced, COPY];
        let mut text = format!(
            "\n## Streams\n\nThe large file has {}; an export has it and {FILES} small files, a \
             patch {CHANGED} that changed.\nSeconds, wall / CPU:\n\n| step | {} |\n|{}\n",
            bytes(count(self.options.large)),
            columns.join(" | "),
            "---|".repeat(columns.len() + 1),
        );
        for step in Step::ALL {
            let _ = write!(text, "| {} |", step.title());
            for who in columns {
                let wall = self.results.stream(who, step, |took| took.wall);
                let cpu = self.results.stream(who, step, |took| took.cpu);
                let cell = wall.zip(cpu).map(|(wall, cpu)| (seconds(wall), seconds(cpu)));
                let cell = cell.map_or("–".to_owned(), |(wall, cpu)| format!("{wall} / {cpu}"));
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text
    }

    fn verdicts(&self) -> String {
        let mut text = String::from("\n## Bars\n\n| what | measured | at least | ratio | |\n");
        text.push_str("|---|---|---|---|---|\n");
        for bar in self.bars {
            let against = match bar.whose {
                Some(whose) => format!("{whose} {}", shown(bar.against, 0)),
                None => shown(bar.against, 0),
            };
            let ratio = bar.measured.zip(bar.against).map(|(ours, theirs)| ours / theirs);
            let verdict = match bar.met() {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "not measured",
            };
            let (measured, ratio) = (shown(bar.measured, 0), shown(ratio, 2));
            let _ =
                writeln!(text, "| {} | {measured} | {against} | {ratio} | {verdict} |", bar.what);
        }
        text
    }
}

/// In the order of the columns.
pub const KINDS: [Kind; 3] = [Kind::Aeordb, Kind::WeedSynced, Kind::Weed];

fn shown(n: Option<f64>, digits: usize) -> String {
    n.map_or("–".to_owned(), |n| format!("{n:.digits$}"))
}
