//! Measures the server beside an object server, round by round.

mod connection;
mod load;
mod page;
mod results;
mod servers;
mod streams;

use crate::error::{Doing, Outcome};
use crate::machine::Machine;
use crate::measure::Call;
use crate::options::Options;
use crate::{report, tree};
use load::Load;
use page::Page;
use results::{Bar, Results, Verb};
use servers::{Kind, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use streams::{Streams, settle};

/// Where `install-peers.sh` puts the object server.
const INSTALLED: &str = "target/peers/bin/weed";

/// Runs all rounds; whether all is well.
pub fn run(options: &Options) -> Outcome<bool> {
    let scratch = options.work.join("http");
    tree::remove(&scratch)?;
    fs::create_dir_all(&scratch).doing("cannot create", &scratch)?;
    let (programs, versions) = programs(options)?;
    let machine = Machine::look(&options.work, None)?;
    let mut rounds = Rounds { options, programs, scratch, results: Results::default() };
    let measured = rounds.run();
    if !options.keep {
        tree::remove(&rounds.scratch)?;
    }
    measured?;

    let results = rounds.results;
    let bars = results::bars(&results);
    let page =
        Page { options, machine: &machine, versions: &versions, results: &results, bars: &bars };
    let text = page.markdown();
    print!("{text}");
    if let Some(out) = &options.out {
        report::write(out, &text, &page.json())?;
    }
    let missed = bars.iter().any(|bar| Bar::met(bar) != Some(true));
    Ok(!(options.check_bars && missed))
}

type Programs = Vec<(Kind, PathBuf)>;

/// The servers that can be run, and their versions.
fn programs(options: &Options) -> Outcome<(Programs, Vec<(String, String)>)> {
    let version = |program: &Path, flag| Call::new(program).arg(flag).read();
    let ours = version(&options.aeordb, "--version")?;
    let mut programs = vec![(Kind::Aeordb, options.aeordb.clone())];
    let mut versions = vec![("aeordb".to_owned(), ours.trim().to_owned())];
    let installed = Path::new(INSTALLED);
    let weed = match (&options.weed, installed.exists()) {
        (Some(weed), _) => weed.clone(),
        (None, true) => std::path::absolute(installed).doing("cannot resolve", installed)?,
        (None, false) => "weed".into(),
    };
    let found = match version(&weed, "version") {
        Ok(text) => {
            programs.extend([(Kind::WeedSynced, weed.clone()), (Kind::Weed, weed)]);
            text.lines().next().unwrap_or_default().to_owned()
        }
        Err(error) => {
            eprintln!("SeaweedFS: skipped: {error}");
            "skipped, not installed".to_owned()
        }
    };
    versions.push(("SeaweedFS".to_owned(), found));
    Ok((programs, versions))
}

struct Rounds<'a> {
    options: &'a Options,
    programs: Programs,
    scratch: PathBuf,
    results: Results,
}

impl Rounds<'_> {
    fn run(&mut self) -> Outcome<()> {
        for round in 0..self.options.rounds {
            eprintln!("http: round {} of {}", round + 1, self.options.rounds);
            self.round()?;
            self.programs.rotate_left(1);
        }
        Ok(())
    }

    fn round(&mut self) -> Outcome<()> {
        let mut servers = Vec::new();
        for (kind, program) in &self.programs {
            let directory = self.scratch.join(format!("{kind:?}"));
            servers.push((*kind, kind.start(program, directory)?));
        }
        if self.options.large > 0 {
            self.streams(&servers)?;
        }
        for clients in &self.options.clients {
            for (_, server) in &servers {
                self.load(server, *clients)?;
            }
        }
        Ok(())
    }

    /// Small files are put, then got.
    fn load(&mut self, server: &Server, clients: usize) -> Outcome<()> {
        let time = Duration::from_secs(self.options.seconds);
        let limit = self.options.timeout;
        let mut kind = load::Kind::Put;
        for verb in [Verb::Put, Verb::Get] {
            settle()?;
            let rates = Load { server, clients, time, limit, kind }.run()?;
            kind = load::Kind::Get(rates.files);
            eprintln!("http: {} {verb:?} by {clients}: {:.0}/s", server.name, rates.rate);
            self.results.rates.push((server.name, clients, verb, rates));
        }
        Ok(())
    }

    fn streams(&mut self, servers: &[(Kind, Server)]) -> Outcome<()> {
        let streams = Streams { scratch: &self.scratch, limit: self.options.timeout };
        let large = streams.large_file(self.options.large)?;
        let mut all = Vec::new();
        for (_, server) in servers {
            settle()?;
            all.extend(streams.large(server, &large)?.map(|took| (server.name, took)));
        }
        tree::remove(&large)?;

        let export = self.scratch.join("export");
        for (kind, server) in servers.iter().filter(|(kind, _)| *kind == Kind::Aeordb) {
            let receiver = kind.start(&self.options.aeordb, self.scratch.join("receiver"))?;
            streams.fill(server)?;
            settle()?;
            all.extend(streams.export(server, &receiver, &export)?.map(|took| (server.name, took)));
            all.extend(streams.patch(server, &receiver)?.map(|took| (server.name, took)));
        }
        for (_, server) in servers.iter().filter(|(kind, _)| *kind != Kind::Aeordb) {
            all.extend(streams.object(server, &export)?.map(|took| (server.name, took)));
        }
        all.extend(streams.copies(&export)?.map(|took| (page::COPY, took)));
        tree::remove(&export)?;
        for (who, (step, took)) in all {
            eprintln!("http: {who}, {}: {:.2} s", step.title(), took.wall);
            self.results.streams.push((who, step, took));
        }
        Ok(())
    }
}
