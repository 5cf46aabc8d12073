//! Circles of files of one crate: files of which each uses, by way of others, each of the rest. A module
//! stands over its parts: that it uses them by their bare names does not count; what is used by a name
//! that it gives on counts as a use of the module.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::Source;

/// The circles, each as the paths of its files below `src`, in order.
pub fn circles(sources: &[Source]) -> BTreeSet<String> {
    let within = |source: &Source| source.path.split_once("/src/").map(|(_, path)| path.to_owned());
    let programs = sources.iter().filter(|source| !source.path.contains("/tests"));
    let texts: BTreeMap<String, &str> =
        programs.filter_map(|source| Some((within(source)?, source.text.as_str()))).collect();
    let modules: BTreeMap<String, &str> =
        texts.keys().map(|path| (module_of(path), path.as_str())).collect();
    let uses: BTreeMap<&str, BTreeSet<&str>> = texts
        .iter()
        .map(|(path, text)| {
            let mut used = uses_of(text, &modules);
            used.remove(path.as_str());
            (path.as_str(), used)
        })
        .collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|path| (*path, reached_from(path, &uses))).collect();
    let circle = |path: &str| {
        let both = reached[path].iter().filter(|other| reached[**other].contains(path));
        both.copied().collect::<Vec<_>>().join(" ")
    };
    reached.keys().map(|path| circle(path)).filter(|circle| circle.contains(' ')).collect()
}

/// `log::appender` of `log/appender.rs` and `log/appender/mod.rs`.
fn module_of(path: &str) -> String {
    path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

/// The files that a text uses by paths that begin with `crate`.
fn uses_of<'p>(text: &str, modules: &BTreeMap<String, &'p str>) -> BTreeSet<&'p str> {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = program.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = lines.flat_map(|line| line.split("crate::").skip(1));
    paths.filter_map(|path| file_of(path, modules)).collect()
}

/// The file of the longest beginning of a path that is a module.
fn file_of<'p>(path: &str, modules: &BTreeMap<String, &'p str>) -> Option<&'p str> {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_' && c != ':';
    let names: Vec<&str> = path.split(is_end).next()?.split("::").collect();
    (1..=names.len()).rev().find_map(|len| modules.get(&names.get(..len)?.join("::")).copied())
}

fn reached_from<'p>(
    start: &'p str,
    uses: &BTreeMap<&'p str, BTreeSet<&'p str>>,
) -> BTreeSet<&'p str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(path) = next.pop() {
        for used in uses.get(path).into_iter().flatten() {
            if reached.insert(*used) {
                next.push(used);
            }
        }
    }
    reached
}
