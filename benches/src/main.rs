//! Measures aeordb beside other backup tools: the same steps on the same real
//! trees, as whole processes, in turn.
//!
//! `step` says what is done, `peers` how each program does it, `round` runs
//! them, `bars` judges, `report` prints. `big` and `sparse` measure ours alone
//! where size is the question, `http` the server beside an object server.

mod alone;
mod bars;
mod big;
mod error;
mod http;
mod machine;
mod measure;
mod options;
mod peers;
mod report;
mod results;
mod round;
mod sparse;
mod step;
mod tree;

use error::{Doing, Error, Outcome};
use options::{HELP, Mode, Options};
use peers::Peer;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("aeordb-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went as it should, bars included where they were asked for.
fn run() -> Outcome<bool> {
    let Some(mut options) = Options::parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(true);
    };
    // Commands run in directories of their own, so every path is absolute.
    for path in [&mut options.work, &mut options.data, &mut options.aeordb] {
        *path = std::path::absolute(&*path).doing("cannot resolve", path)?;
    }
    std::fs::create_dir_all(&options.work).doing("cannot create", &options.work)?;
    match options.mode {
        Mode::Steps => steps(&options),
        Mode::Big => big::run(&options),
        Mode::Sparse => sparse::run(&options),
        Mode::Http => http::run(&options),
    }
}

fn steps(options: &Options) -> Outcome<bool> {
    for set in &options.sets {
        let dir = options.data.join(set);
        if !dir.join("2").is_dir() {
            let place = dir.display();
            return Err(Error::new(format!(
                "no data in {place}; run benches/make-data.sh {}",
                options.data.display()
            )));
        }
    }
    let restores = options.restore_to.as_deref();
    let memory = Path::new("/dev/shm");
    let restores = restores.unwrap_or(if memory.is_dir() { memory } else { &options.work });
    let machine = machine::Machine::look(&options.work, Some(restores))?;
    let (present, skipped) = installed(options);
    let versions: Vec<(String, String)> =
        present.iter().map(|(peer, version)| (peer.name().to_owned(), version.clone())).collect();
    let present: Vec<Box<dyn Peer>> = present.into_iter().map(|(peer, _)| peer).collect();

    let mut results = Vec::new();
    for set in &options.sets {
        results.push(round::run(options, &present, set)?);
    }
    let verdicts: Vec<bars::Verdict> = results.iter().flat_map(bars::judge).collect();
    let report = report::Report {
        machine: &machine,
        versions: &versions,
        skipped: &skipped,
        rounds: options.rounds,
        results: &results,
        verdicts: &verdicts,
    };
    let page = report.markdown();
    print!("{page}");
    if let Some(out) = &options.out {
        report::write(out, &page, &report.json())?;
    }
    let whole = results.iter().all(|set| {
        let ours = set.restored.iter().filter(|(peer, ..)| peer == "aeordb");
        set.failures.is_empty() && ours.into_iter().all(|(_, _, found)| found.is_empty())
    });
    let missed = verdicts.iter().any(|bar| bar.met() != Some(true));
    Ok(whole && !(options.check_bars && missed))
}

type Present = Vec<(Box<dyn Peer>, String)>;

/// The wanted peers that answer with a version; the others with the reason.
fn installed(options: &Options) -> (Present, Vec<(String, String)>) {
    let (mut present, mut skipped) = (Vec::new(), Vec::new());
    for peer in peers::all(&options.aeordb) {
        if !options.peers.iter().any(|name| name == peer.name()) {
            continue;
        }
        match peer.version() {
            Ok(version) => present.push((peer, version)),
            Err(error) => {
                eprintln!("{}: skipped: {error}", peer.name());
                skipped.push((peer.name().to_owned(), "not installed".to_owned()));
            }
        }
    }
    (present, skipped)
}
