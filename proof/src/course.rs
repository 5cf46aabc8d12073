//! What a verb does when nothing disturbs it, and whether what a disturbance left is as it must be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::base::Base;
use crate::calls::Kind;
use crate::error::{Doing, Error, Outcome};
use crate::inject::{Injector, Way};
use crate::sandbox::{self, Sandbox};
use crate::state::{self, Node, Seen, State, Tree};
use crate::trace::Exit;
use crate::verbs::{DATABASE, THERE, Verb};

/// What the program calls files that are not whole yet.
const UNFINISHED: &str = ".aeordb-";

/// A verb and where it leads.
pub struct Course<'a> {
    pub verb: &'a Verb,
    base: &'a Base,
    words: Vec<String>,
    before: State,
    after: State,
    /// The first line that it prints once it is done.
    said: String,
    /// The bytes of the files that it makes.
    made: BTreeMap<&'static str, Vec<u8>>,
    /// Its calls of each class, and whether half of each can be done.
    pub changes: Vec<(&'static Kind, bool)>,
    pub reads: Vec<(&'static Kind, bool)>,
}

/// Which of the two states was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    Before,
    After,
    /// Something else, which the exit code said, and which has the name that the command gives.
    Incomplete,
}

impl<'a> Course<'a> {
    /// Runs the verb twice: to see where it leads, and to count its calls.
    pub fn new(sandbox: &Sandbox, base: &'a Base, verb: &'a Verb) -> Outcome<Self> {
        let words = verb.words(&base.directory());
        let mut course = Course {
            verb,
            base,
            words,
            before: None,
            after: None,
            said: String::new(),
            made: BTreeMap::new(),
            changes: Vec::new(),
            reads: Vec::new(),
        };
        course.set_up(sandbox)?;
        course.before = course.look(sandbox)?;
        let said = sandbox.ok(&course.words)?;
        course.said = said.lines().next().unwrap_or_default().to_owned();
        course.after = course.look(sandbox)?;
        course.learn_outputs(sandbox)?;
        course.head_holds(sandbox)?;
        course.restored(sandbox)?;
        course.set_up(sandbox)?;
        let mut counting = Injector::counting();
        let ran = sandbox.trace(&course.words, &mut counting)?;
        if ran.exit != Exit::Code(0) {
            return Err(Error::new(format!("{} traced: {ran:?}", verb.name)));
        }
        (course.changes, course.reads) = (counting.changes, counting.reads);
        Ok(course)
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// An empty sandbox with what the verb needs.
    pub fn set_up(&self, sandbox: &Sandbox) -> Outcome<()> {
        sandbox.clear()?;
        for (from, to) in self.verb.files {
            let from = self.base.path(from);
            sandbox::copy(&from, &sandbox.path(to))?;
        }
        Ok(())
    }

    /// True if the program said that all was done.
    pub fn acknowledges(&self, out: &str) -> bool {
        !self.said.is_empty() && out.contains(&self.said)
    }

    /// What a disturbed run left: one of the two states; the latter, and everything that the verb
    /// makes, if it was `done`.
    pub fn left(&self, sandbox: &Sandbox, done: bool, way: Way) -> Outcome<Found> {
        let found = self.look_after(sandbox, way == Way::Half)?;
        let found = self.which(&found, |one, other| one == other, done)?;
        self.outputs(sandbox, done)?;
        self.restored_so_far(sandbox, way.is_kill())?;
        Ok(found)
    }

    /// What was left by a run that could not read a local file, and said so: all the others are put.
    pub fn left_without(&self, sandbox: &Sandbox) -> Outcome<Found> {
        self.look(sandbox)?;
        let is_named = self.words.iter().any(|word| word == "--snapshot");
        Ok(if is_named { Found::Incomplete } else { Found::Before })
    }

    /// True if a file is one of those that the verb puts.
    pub fn puts(&self, file: &str) -> bool {
        self.verb.name.starts_with("put") && file.starts_with(&self.base.directory())
    }

    /// What was left when the command was run again and disturbed again: history may have a line
    /// more.
    pub fn left_again(&self, sandbox: &Sandbox, ways: [Way; 2]) -> Outcome<Found> {
        let found = self.look_after(sandbox, ways.contains(&Way::Half))?;
        let found = self.which(&found, Seen::leads_where, false)?;
        self.outputs(sandbox, false)?;
        self.restored_so_far(sandbox, true)?;
        Ok(found)
    }

    /// Runs the command again, undisturbed: it leads where it should, and nothing else stays.
    pub fn again(&self, sandbox: &Sandbox, found: Found) -> Outcome<()> {
        let (mut code, mut err) = self.run(sandbox)?;
        if code == Some(THERE) && !self.is_done(sandbox)? {
            // It refuses to replace what it made: whole, but not all of what it should do.
            for output in self.made.keys().map(|output| sandbox.path(output)) {
                if output.exists() {
                    sandbox::remove(&output)?;
                }
            }
            (code, err) = self.run(sandbox)?;
        }
        let fine = |code| match code {
            0 => true,
            THERE if !self.made.is_empty() => true,
            code => found == Found::After && self.verb.again.contains(&code),
        };
        if !code.is_some_and(fine) {
            return Err(Error::new(format!("run again: ended with {code:?}: {err}")));
        }
        let again = |error| Error::new(format!("run again: {error}"));
        let state = self.look(sandbox).map_err(again)?;
        self.which(&state, Seen::leads_where, true).map_err(again)?;
        self.outputs(sandbox, true).map_err(again)?;
        self.restored(sandbox).map_err(again)?;
        self.nothing_else(sandbox).map_err(again)
    }

    /// True if all that the verb does is done.
    fn is_done(&self, sandbox: &Sandbox) -> Outcome<bool> {
        let led = self.which(&self.look(sandbox)?, Seen::leads_where, true).is_ok();
        Ok(led && self.outputs(sandbox, true).is_ok())
    }

    fn run(&self, sandbox: &Sandbox) -> Outcome<(Option<i32>, String)> {
        let output = sandbox.run(&self.words)?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn look(&self, sandbox: &Sandbox) -> Outcome<State> {
        self.look_after(sandbox, false)
    }

    /// What the database shows, where one superblock may be `torn`.
    fn look_after(&self, sandbox: &Sandbox, torn: bool) -> Outcome<State> {
        let database = sandbox.path(DATABASE);
        match self.verb.has_database() && !self.is_as_damaged(&database)? {
            true => state::look(&database, torn),
            false => Ok(None),
        }
    }

    /// True if the database is the damaged one that the verb mends, untouched.
    fn is_as_damaged(&self, database: &Path) -> Outcome<bool> {
        let Some(damaged) = self.verb.mends.map(|name| self.base.path(name)) else {
            return Ok(false);
        };
        let read = |path: &Path| fs::read(path).doing_to("cannot read", path);
        Ok(read(&damaged)? == read(database)?)
    }

    fn which(&self, found: &State, same: fn(&Seen, &Seen) -> bool, done: bool) -> Outcome<Found> {
        let is = |state: &State| match (found, state) {
            (Some(found), Some(state)) => same(found, state),
            (found, state) => found.is_none() && state.is_none(),
        };
        if !done && is(&self.before) {
            return Ok(Found::Before);
        }
        if is(&self.after) {
            return Ok(Found::After);
        }
        let show = |state: &State| state.as_ref().map_or("nothing".to_owned(), Seen::to_string);
        let (before, after, found) = (show(&self.before), show(&self.after), show(found));
        let allowed = if done { after } else { format!("{before} or {after}") };
        Err(Error::new(format!("expected {allowed}, found {found}")))
    }

    fn learn_outputs(&mut self, sandbox: &Sandbox) -> Outcome<()> {
        for output in self.verb.outputs {
            let path = sandbox.path(output);
            state::sound(&path)?;
            self.made.insert(output, fs::read(&path).doing_to("cannot read", &path)?);
        }
        Ok(())
    }

    /// What the verb makes is there, if it was `done`, and what is there is whole.
    fn outputs(&self, sandbox: &Sandbox, done: bool) -> Outcome<()> {
        for (output, whole) in &self.made {
            let path = sandbox.path(output);
            match fs::read(&path) {
                Ok(bytes) if bytes == *whole => {}
                Ok(bytes) => {
                    let (len, expected) = (bytes.len(), whole.len());
                    let what = format!("{output} has {len} bytes, expected {expected} others");
                    return Err(Error::new(what));
                }
                Err(_) if !done => {}
                Err(error) => return Err(error).doing_to("cannot read", &path),
            }
        }
        Ok(())
    }

    /// HEAD is the local tree, byte for byte.
    fn head_holds(&self, sandbox: &Sandbox) -> Outcome<()> {
        let Some(tree) = self.verb.holds else { return Ok(()) };
        let (head, _) = state::trees(&sandbox.path(DATABASE))?;
        match head == state::local(&self.base.path(tree))? {
            true => Ok(()),
            false => Err(Error::new(format!("{}: HEAD is not the tree {tree}", self.verb.name))),
        }
    }

    /// What is restored so far is whole, or what was there before, or is called unfinished. Only a
    /// kill may leave, for each thread, one new file shorter than it should be.
    fn restored_so_far(&self, sandbox: &Sandbox, killed: bool) -> Outcome<()> {
        let Some((directory, tree)) = self.verb.restores else { return Ok(()) };
        let local = |path: PathBuf| match path.exists() {
            true => state::local(&path),
            false => Ok(Tree::new()),
        };
        let found = local(sandbox.path(directory))?;
        let expected = local(self.base.path(tree))?;
        let replaced = self.verb.files.iter().find(|(_, to)| *to == directory);
        let replaced = replaced.map_or(Ok(Tree::new()), |(from, _)| local(self.base.path(from)))?;
        let mut short = Vec::new();
        for (path, node) in &found {
            let name = path.rsplit('/').next().unwrap_or_default();
            let known = [&expected, &replaced].iter().any(|tree| tree.get(path) == Some(node));
            if !known && !name.starts_with(UNFINISHED) {
                match (node, expected.get(path)) {
                    (Node::File(part), Some(Node::File(whole)))
                        if !replaced.contains_key(path) && whole.starts_with(part) => {}
                    _ => return Err(Error::new(format!("{path} is neither old nor new"))),
                }
                short.push(path);
            }
        }
        let most = if killed { thread::available_parallelism().map_or(1, usize::from) } else { 0 };
        match short.len() <= most {
            true => Ok(()),
            false => Err(Error::new(format!("restored in part: {short:?}"))),
        }
    }

    /// What was restored is the tree, with its modes and times, and nothing beside it.
    fn restored(&self, sandbox: &Sandbox) -> Outcome<()> {
        let Some((directory, tree)) = self.verb.restores else { return Ok(()) };
        let (expected, found) = (self.base.path(tree), sandbox.path(directory));
        let (nodes, expected_nodes) = (state::local(&found)?, state::local(&expected)?);
        for path in nodes.keys().chain(expected_nodes.keys()) {
            let same = nodes.get(path) == expected_nodes.get(path)
                && (nodes.get(path) == Some(&Node::Directory)
                    || state::attributes(&found, path)? == state::attributes(&expected, path)?);
            if !same {
                return Err(Error::new(format!("{path} was not restored as it was")));
            }
        }
        Ok(())
    }

    fn nothing_else(&self, sandbox: &Sandbox) -> Outcome<()> {
        let known = |name: &String| {
            let made = self.verb.outputs.iter().chain(self.verb.restores.iter().map(|(at, _)| at));
            let files = self.verb.files.iter().map(|(_, name)| name);
            name == DATABASE || made.chain(files).any(|known| known == name)
        };
        match sandbox.names()?.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(other) => Err(Error::new(format!("{other} was left behind"))),
        }
    }
}
