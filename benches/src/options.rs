//! The command line.

use crate::error::{Error, Outcome};
use crate::peers;
use crate::step::Step;
use lexopt::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = "\
Measures aeordb beside other backup tools, as whole processes.

  aeordb-bench [OPTIONS]          steps of a backup's life, on real trees
  aeordb-bench big [OPTIONS]      single commands on a database of a million files
  aeordb-bench sparse [OPTIONS]   memory at any size: a tree of sparse files
  aeordb-bench http [OPTIONS]     the server, beside an object server

Data is made by benches/make-data.sh, peers are installed by
benches/install-peers.sh; peers that are missing are skipped and named.

  --aeordb FILE      our binary [target/release/aeordb]
  --work DIR         scratch, emptied first [target/bench-work]
  --env KEY=VALUE    for every command measured; PEER:KEY=VALUE for one peer's
  --timeout SECONDS  for one command [1200]
  --out FILE         also write the tables there, and FILE with .json beside it
  --check-bars       exit with 1 when a bar is missed

Steps:
  --data DIR         what make-data.sh made [target/bench-data]
  --only SET         kernel or binaries
  --peers A,B        of aeordb, tar+zstd, restic, rustic, borg, git, cp, patch-from
                     [all but patch-from]
  --steps A,B        of load, export, import, next, unchanged, diff, apply, restore,
                     ten, ten-diff, check; what these need runs too [all]
  --rounds N         medians are over this many rounds [3]
  --restore-to DIR   where restores go [/dev/shm when it has room, else the scratch]
  --keep             leave the scratch of the last round

big:
  --files N          how many files [1000000]
  --shape SHAPE      flat: one directory; nested: a thousand per directory [flat]
  --runs N           how often each command runs [15]

sparse:
  --size GIB         of the whole tree [1024]

http:
  --rounds N         medians are over this many rounds [3]
  --seconds N        how long each rate is measured [5]
  --clients A,B      how many clients at once [1,16,64]
  --large BYTES      of the large file; 0: no streams [1000000000]
  --weed FILE        SeaweedFS [target/peers/bin/weed, else weed]
";

/// Which program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Steps of a backup's life.
    Steps,
    /// Single commands on a big database.
    Big,
    /// Memory on a tree of any size.
    Sparse,
    /// The server beside an object server.
    Http,
}

/// All options, with their defaults filled in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which program to run.
    pub mode: Mode,
    /// Our binary.
    pub aeordb: PathBuf,
    /// The scratch directory.
    pub work: PathBuf,
    /// Peer (or all), key and value.
    pub env: Vec<(Option<String>, String, String)>,
    /// The limit for one command.
    pub timeout: Duration,
    /// Where the tables go besides standard output.
    pub out: Option<PathBuf>,
    /// Whether a missed bar is a failure.
    pub check_bars: bool,
    /// The data sets.
    pub data: PathBuf,
    /// Names of the sets to run.
    pub sets: Vec<String>,
    /// Names of the peers to run.
    pub peers: Vec<String>,
    /// The steps to run, closed under what they need.
    pub steps: Vec<Step>,
    /// How many rounds.
    pub rounds: usize,
    /// Where restores go, when not chosen here.
    pub restore_to: Option<PathBuf>,
    /// Whether the last scratch stays.
    pub keep: bool,
    /// Files of the big database.
    pub files: u64,
    /// Whether they lie in directories of a thousand.
    pub nested: bool,
    /// Repetitions of each command on it.
    pub runs: usize,
    /// GiB of the sparse tree.
    pub size: u64,
    /// How long each rate of the server is measured.
    pub seconds: u64,
    /// By how many clients at once.
    pub clients: Vec<usize>,
    /// Bytes of the large file that is streamed.
    pub large: u64,
    /// The object server, when not the one that is installed.
    pub weed: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Steps,
            aeordb: "target/release/aeordb".into(),
            work: "target/bench-work".into(),
            env: Vec::new(),
            timeout: Duration::from_mins(20),
            out: None,
            check_bars: false,
            data: "target/bench-data".into(),
            sets: ["kernel", "binaries"].map(str::to_owned).into(),
            peers: peers::DEFAULT.map(str::to_owned).into(),
            steps: Step::ALL.into(),
            rounds: 3,
            restore_to: None,
            keep: false,
            files: 1_000_000,
            nested: false,
            runs: 15,
            size: 1024,
            seconds: 5,
            clients: vec![1, 16, 64],
            large: 1_000_000_000,
            weed: None,
        }
    }
}

impl Options {
    /// Reads the command line; none when it asked for help.
    pub fn parse(mut parser: lexopt::Parser) -> Outcome<Option<Self>> {
        let mut options = Self::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Value(word) if word == "big" => options.mode = Mode::Big,
                Value(word) if word == "sparse" => options.mode = Mode::Sparse,
                Value(word) if word == "http" => options.mode = Mode::Http,
                Long(name) => {
                    let name = name.to_owned();
                    options.set(&name, &mut parser)?;
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, parser: &mut lexopt::Parser) -> Outcome<()> {
        match name {
            "check-bars" => self.check_bars = true,
            "keep" => self.keep = true,
            "aeordb" => self.aeordb = parser.value()?.into(),
            "work" => self.work = parser.value()?.into(),
            "data" => self.data = parser.value()?.into(),
            "out" => self.out = Some(parser.value()?.into()),
            "restore-to" => self.restore_to = Some(parser.value()?.into()),
            "timeout" => self.timeout = Duration::from_secs(parser.value()?.parse()?),
            "rounds" => self.rounds = parser.value()?.parse::<usize>()?.max(1),
            "runs" => self.runs = parser.value()?.parse::<usize>()?.max(1),
            "files" => self.files = parser.value()?.parse::<u64>()?.max(1000),
            "size" => self.size = parser.value()?.parse::<u64>()?.max(1),
            "seconds" => self.seconds = parser.value()?.parse::<u64>()?.max(1),
            "clients" => self.clients = counts(&parser.value()?.string()?)?,
            "large" => self.large = parser.value()?.parse()?,
            "weed" => self.weed = Some(parser.value()?.into()),
            "env" => self.env.push(variable(&parser.value()?.string()?)?),
            "only" => self.sets = chosen(parser, &self.sets)?,
            "shape" => {
                self.nested = chosen(parser, &["flat".into(), "nested".into()])? == ["nested"];
            }
            "peers" => {
                let mut known: Vec<String> = peers::DEFAULT.map(str::to_owned).into();
                known.push("patch-from".into());
                self.peers = chosen(parser, &known)?;
            }
            "steps" => {
                let names = chosen(parser, &Step::ALL.map(|step| step.name().to_owned()))?;
                let steps: Vec<Step> = names.iter().filter_map(|n| Step::named(n)).collect();
                self.steps = Step::closure(&steps);
            }
            _ => return Err(Error::new(format!("unknown option --{name} (see --help)"))),
        }
        Ok(())
    }
}

/// A comma-separated list of known names.
fn chosen(parser: &mut lexopt::Parser, known: &[String]) -> Outcome<Vec<String>> {
    let value = parser.value()?.string()?;
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !known.contains(name)) {
        None => Ok(names),
        Some(name) => Err(Error::new(format!("'{name}' is not one of {}", known.join(", ")))),
    }
}

/// A comma-separated list of numbers, none of them zero.
fn counts(text: &str) -> Outcome<Vec<usize>> {
    let counts = text.split(',').map(|word| word.parse().ok().filter(|count| *count > 0));
    counts
        .collect::<Option<_>>()
        .ok_or_else(|| Error::new(format!("'{text}' is no list of numbers like 1,16,64")))
}

/// `[PEER:]KEY=VALUE`
fn variable(text: &str) -> Outcome<(Option<String>, String, String)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Error::new(format!("--env takes KEY=VALUE, not '{text}'")))?;
    Ok(match key.split_once(':') {
        Some((peer, key)) => (Some(peer.into()), key.into(), value.into()),
        None => (None, key.into(), value.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Option<Options>> {
        Options::parse(lexopt::Parser::from_args(line.split(' ')))
    }

    #[test]
    fn lists_are_checked_and_steps_closed() {
        let line = "--peers aeordb,git --steps diff --env git:A=b=c --rounds 0";
        let options = parse(line).expect("valid").expect("no help");
        assert_eq!(options.peers, ["aeordb", "git"]);
        assert_eq!(options.steps, [Step::Load, Step::Next, Step::Diff]);
        assert_eq!(options.env, [(Some("git".into()), "A".into(), "b=c".into())]);
        assert_eq!(options.rounds, 1);
    }

    #[test]
    fn clients_are_a_list_of_numbers() {
        let options = parse("http --clients 1,8 --large 0").expect("valid").expect("no help");
        assert_eq!((options.mode, options.large), (Mode::Http, 0));
        assert_eq!(options.clients, [1, 8]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["--peers tarsnap", "--steps all", "--fast", "huge", "--env A", "--clients 1,0"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("big --help").expect("valid").is_none());
    }
}
