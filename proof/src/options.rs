//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::error::{Error, Outcome};
use crate::inject::Injection;
use crate::verbs::{VERBS, Verb};

/// What `--help` prints.
pub const HELP: &str = "\
Kills, starves and cuts off the real program at every step, and looks at what is left.

  aeordb-proof sweep [OPTIONS]   every verb that writes, disturbed at every system call that
                                 changes anything: killed before, after and half way through it;
                                 the command that is run again killed too; and all calls, reads
                                 too, made to fail or to fall short

  aeordb-proof power-cut [OPTIONS]
                                 random histories of commands; the power is cut at any moment, and
                                 what may be on the disk then is opened; images that are wrong are
                                 kept in WORK/kept, named by seed and point

  aeordb-proof readers [OPTIONS] database files opened and read while another process writes to
                                 them, collects and compacts

  --aeordb FILE      the program [target/debug/aeordb]
  --work DIR         scratch, emptied first [target/proof]
  --jobs N           how much is done at once [as there are processors]
  --seed N           decides all that is random [1]; of histories it is the first one's
  --seconds N        goes on for so long (power-cut)
  --opens N          so many (readers) [100000]
  --verbs A,B        only these
  --most N           of each verb so many points of each pass, chosen at random
                     [all; of two kills: 200]; of images so many [1000]
  --at POINT         only this point: before:7, after:7, half:7, EIO:7, ENOSPC:7, EINTR:7,
                     short:7, full:7, or of reads read-EIO:7 and the like
  --then POINT       and this one of the command that is run again
";

/// What is to be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    Sweep,
    PowerCut,
    Readers,
}

/// All options, with their defaults filled in.
#[derive(Clone, Debug)]
pub struct Options {
    pub task: Task,
    pub program: PathBuf,
    pub work: PathBuf,
    pub jobs: usize,
    pub seed: u64,
    pub verbs: Vec<&'static Verb>,
    pub most: Option<usize>,
    pub seconds: Option<u64>,
    pub opens: Option<usize>,
    pub at: Option<Injection>,
    pub then: Option<Injection>,
}

impl Options {
    /// Reads the command line; none when it asked for help.
    pub fn parse(mut parser: lexopt::Parser) -> Outcome<Option<Self>> {
        let task = match parser.next()? {
            Some(Value(word)) if word == "sweep" => Task::Sweep,
            Some(Value(word)) if word == "power-cut" => Task::PowerCut,
            Some(Value(word)) if word == "readers" => Task::Readers,
            Some(Short('h') | Long("help")) | None => return Ok(None),
            Some(other) => return Err(other.unexpected().into()),
        };
        let mut options = Options {
            task,
            program: "target/debug/aeordb".into(),
            work: "target/proof".into(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            seed: 1,
            verbs: VERBS.iter().collect(),
            most: None,
            seconds: None,
            opens: None,
            at: None,
            then: None,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
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
            "aeordb" => self.program = parser.value()?.into(),
            "work" => self.work = parser.value()?.into(),
            "jobs" => self.jobs = parser.value()?.parse::<usize>()?.max(1),
            "seed" => self.seed = parser.value()?.parse()?,
            "verbs" => self.verbs = verbs(&parser.value()?.string()?)?,
            "most" => self.most = Some(parser.value()?.parse()?),
            "opens" => self.opens = Some(parser.value()?.parse()?),
            "seconds" => self.seconds = Some(parser.value()?.parse()?),
            "at" => self.at = Some(parser.value()?.string()?.parse()?),
            "then" => self.then = Some(parser.value()?.string()?.parse()?),
            _ => return Err(Error::new(format!("unknown option --{name} (see --help)"))),
        }
        Ok(())
    }
}

/// A list of verbs, by their names.
fn verbs(list: &str) -> Outcome<Vec<&'static Verb>> {
    let find = |name: &str| {
        let known = || VERBS.iter().map(|verb| verb.name).collect::<Vec<_>>().join(", ");
        let found = VERBS.iter().find(|verb| verb.name == name);
        found.ok_or_else(|| Error::new(format!("'{name}' is not one of {}", known())))
    };
    list.split(',').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Option<Options>> {
        Options::parse(lexopt::Parser::from_args(line.split(' ')))
    }

    #[test]
    fn a_point_can_be_named_again_as_it_was_reported() {
        let options = parse("sweep --verbs gc --at before:3 --then half:9").unwrap().unwrap();
        assert_eq!(options.verbs.iter().map(|verb| verb.name).collect::<Vec<_>>(), ["gc"]);
        assert_eq!(options.at.unwrap().to_string(), "before:3");
        assert_eq!(options.then.unwrap().to_string(), "half:9");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in
            ["maim", "sweep --verbs fly", "sweep --fast", "sweep --at now", "sweep --most x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("sweep --help").unwrap().is_none());
    }
}
