//! Every command disturbed at every one of its system calls. After that the database shows the
//! state before or after the command, after it if that was acknowledged; what the command makes is
//! whole or not there; all of it is sound; and the same command, run again, leads where it should.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

use crate::base::Base;
use crate::calls::{Class, Kind};
use crate::course::{Course, Found};
use crate::error::{Error, Outcome};
use crate::inject::{Injection, Injector, Way};
use crate::options::Options;
use crate::sandbox::{Ran, Sandbox};
use crate::trace::Exit;

/// So many pairs of kills of each verb, unless told otherwise.
const TWICE: usize = 200;

/// The exit code that says that some of the local files could not be read.
const UNREADABLE: i32 = 3;

/// What is tried of each verb.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pass {
    /// Kills, each by itself.
    Kills,
    /// Kills, and kills of the command that is run again: a random choice.
    KillsTwice,
    /// Errors.
    Errors,
}

/// A disturbance, and maybe another of the command that is run again.
#[derive(Clone, Copy, Debug)]
struct Point {
    first: Injection,
    second: Option<Injection>,
}

/// What happened.
#[derive(Clone, Copy, Default)]
struct Count {
    disturbed: usize,
    before: usize,
    after: usize,
    wrong: usize,
}

/// Sweeps; true if nothing was wrong.
pub fn run(options: &Options) -> Outcome<bool> {
    let base = Base::new(&options.program, options.work.join("base"))?;
    let sandbox = Sandbox::new(&options.program, options.work.join("undisturbed"))?;
    let courses = options.verbs.iter().map(|verb| Course::new(&sandbox, &base, verb));
    let courses = courses.collect::<Outcome<Vec<_>>>()?;
    say_calls(&courses);
    if let Some(first) = options.at {
        let point = Point { first, second: options.then };
        let points = courses.iter().map(|course| (course, point)).collect::<Vec<_>>();
        return Ok(summary("Point", &attempts(options, &points)?));
    }
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut fine = true;
    for pass in [Pass::Kills, Pass::KillsTwice, Pass::Errors] {
        let mut points = Vec::new();
        for course in &courses {
            let own = points_of(course, pass, options.most, &mut random);
            points.extend(own.into_iter().map(|point| (course, point)));
        }
        fine &= summary(&format!("{pass:?}"), &attempts(options, &points)?);
    }
    Ok(fine)
}

/// What was counted, by the names of verbs.
type Counts = BTreeMap<&'static str, Count>;

/// Tries all points, several at once.
fn attempts(options: &Options, points: &[(&Course<'_>, Point)]) -> Outcome<Counts> {
    let (counts, next) = (Mutex::new(Counts::new()), AtomicUsize::new(0));
    let work = |job: usize| -> Outcome<()> {
        let sandbox = Sandbox::new(&options.program, options.work.join(format!("sandbox-{job}")))?;
        while let Some((course, point)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tried = attempt(&sandbox, course, *point);
            if let Err(error) = &tried {
                report(course, *point, error);
            }
            if let Ok(mut counts) = counts.lock() {
                counts.entry(course.verb.name).or_default().add(&tried);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers = (0..options.jobs).map(|job| scope.spawn(move || work(job)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new("a worker panicked")),
        })
    })?;
    Ok(counts.into_inner().unwrap_or_default())
}

/// The points of a verb: all of them, or a random choice if there are too many. Two kills in a row
/// are a choice in any case.
fn points_of(
    course: &Course<'_>,
    pass: Pass,
    most: Option<usize>,
    random: &mut fastrand::Rng,
) -> Vec<Point> {
    let kills =
        || injections(Class::Change, &course.changes, &[Way::Before, Way::After, Way::Half]);
    let mut points: Vec<Point> = match pass {
        Pass::Kills => kills().into_iter().map(|first| Point { first, second: None }).collect(),
        Pass::KillsTwice => {
            let kills = kills();
            let pair = |first: &Injection| {
                let pair = |second: &Injection| Point { first: *first, second: Some(*second) };
                kills.iter().map(pair).collect::<Vec<_>>()
            };
            kills.iter().flat_map(pair).collect()
        }
        Pass::Errors => {
            let [io, space, interrupted] =
                [Errno::EIO, Errno::ENOSPC, Errno::EINTR].map(Way::Fails);
            let changing = [io, space, interrupted, Way::Short, Way::Full];
            let mut all = injections(Class::Change, &course.changes, &changing);
            let reading = [io, interrupted, Way::Short];
            all.extend(injections(Class::Read, &course.reads, &reading));
            all.into_iter().map(|first| Point { first, second: None }).collect()
        }
    };
    let all = if pass == Pass::KillsTwice { TWICE } else { points.len() };
    let most = most.unwrap_or(all);
    if points.len() > most {
        random.shuffle(&mut points);
        points.truncate(most);
    }
    points
}

fn injections(class: Class, calls: &[(&Kind, bool)], ways: &[Way]) -> Vec<Injection> {
    let mut all = Vec::new();
    for (index, (_, can_be_halved)) in calls.iter().enumerate() {
        for way in ways {
            if *can_be_halved || !matches!(way, Way::Half | Way::Short) {
                all.push(Injection { way: *way, class, nth: index + 1 });
            }
        }
    }
    all
}

/// Disturbs a verb, and looks at what is left. `None`: it did not make so many calls this time.
fn attempt(sandbox: &Sandbox, course: &Course<'_>, point: Point) -> Outcome<Option<Found>> {
    course.set_up(sandbox)?;
    let mut injector = Injector::new(point.first);
    let ran = sandbox.trace(course.words(), &mut injector)?;
    let Some((call, file)) = injector.hit else { return Ok(None) };
    let at = |error: Error| Error::new(format!("at {} {file}: {error}", call.name));
    ended_as_it_may(&ran, point.first, call).map_err(at)?;
    let done = ran.exit == Exit::Code(0) || course.acknowledges(&ran.out);
    let first = match ran.exit {
        Exit::Code(UNREADABLE) if course.puts(&file) => course.left_without(sandbox),
        _ => course.left(sandbox, done, point.first.way),
    };
    let first = first.map_err(at)?;
    if first == Found::Incomplete {
        return Ok(Some(first));
    }
    let mut found = first;
    if let Some(second) = point.second {
        let mut injector = Injector::new(second);
        let ran = sandbox.trace(course.words(), &mut injector)?;
        let again = |error: Error| at(Error::new(format!("and run again: {error}")));
        // Without a disturbance it may refuse what was done already.
        if let Some((call, _)) = injector.hit {
            ended_as_it_may(&ran, second, call).map_err(again)?;
        }
        let ways = [point.first.way, second.way];
        found = course.left_again(sandbox, ways).map_err(again)?;
    }
    course.again(sandbox, found).map_err(at)?;
    Ok(Some(first))
}

/// A program ends by the kill, or says by its exit code that it did not do what it should; what
/// harms nothing does not keep it from its work.
fn ended_as_it_may(ran: &Ran, injection: Injection, call: &Kind) -> Outcome<()> {
    let fine = match ran.exit {
        Exit::Code(code) if injection.is_harmless(call) => code == 0,
        Exit::Code(code) => (0..100).contains(&code),
        Exit::Signal(_) => injection.way.is_kill(),
        Exit::Hung => false,
    };
    match fine && !ran.err.contains("panicked") {
        true => Ok(()),
        false => Err(Error::new(format!("ended with {:?}: {}", ran.exit, ran.err))),
    }
}

impl Count {
    fn add(&mut self, tried: &Outcome<Option<Found>>) {
        self.disturbed += usize::from(!matches!(tried, Ok(None)));
        match tried {
            Ok(Some(Found::Before)) => self.before += 1,
            Ok(Some(Found::After | Found::Incomplete)) => self.after += 1,
            Ok(None) => {}
            Err(_) => self.wrong += 1,
        }
    }

    #[expect(clippy::print_stdout, reason = "the report")]
    fn say(&self, name: &str) {
        let Count { disturbed, before, after, wrong } = self;
        println!("{name:16} {disturbed:9} {before:7} {after:7} {wrong:7}");
    }
}

#[expect(clippy::print_stdout, reason = "what is wrong is said at once")]
fn report(course: &Course<'_>, point: Point, error: &Error) {
    let then = point.second.map(|second| format!(" --then {second}")).unwrap_or_default();
    println!("WRONG: --verbs {} --at {}{then}: {error}", course.verb.name, point.first);
}

/// Prints which calls there are to disturb.
#[expect(clippy::print_stdout, reason = "the report")]
fn say_calls(courses: &[Course<'_>]) {
    let mut calls = BTreeMap::<_, usize>::new();
    for (kind, _) in courses.iter().flat_map(|course| course.changes.iter().chain(&course.reads)) {
        *calls.entry(kind.name).or_default() += 1;
    }
    let calls: Vec<_> = calls.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("{} verbs make {}", courses.len(), calls.join(", "));
}

/// Prints what was counted; true if nothing was wrong.
#[expect(clippy::print_stdout, reason = "the report")]
fn summary(title: &str, counts: &Counts) -> bool {
    println!("{title:16} {:>9} {:>7} {:>7} {:>7}", "disturbed", "before", "after", "wrong");
    let mut total = Count::default();
    for (verb, count) in counts {
        count.say(verb);
        total.disturbed += count.disturbed;
        total.before += count.before;
        total.after += count.after;
        total.wrong += count.wrong;
    }
    total.say("all");
    total.wrong == 0
}
