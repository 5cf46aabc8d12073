use super::*;

fn parse(text: &str) -> Result<Profile> {
    Profile::parse(text, "/etc/aeordb/home.toml".into(), "home".into())
}

#[test]
fn the_example_is_a_profile() {
    let example = include_str!("../../../../../dist/profile.toml");
    let profile = parse(example).unwrap();
    let sources: Vec<_> =
        profile.sources.iter().map(|source| source.path.to_str().unwrap()).collect();
    assert_eq!(sources, ["/etc", "/home"]);
    assert!(
        matches!(profile.place, Place::File(file) if file == Path::new("/var/lib/aeordb/home.aeordb"))
    );
    assert_eq!(profile.max_age, Some(Duration::from_secs(26 * 3600)));
    assert!(profile.schedule.is_some());
    let keep = profile.keep.unwrap();
    assert_eq!((keep.last, keep.daily, keep.yearly), (7, 30, -1));
    assert_eq!((keep.name, keep.metadata["profile"].as_str()), (None, "home"));
    assert_eq!(profile.targets.len(), 1);
    assert_eq!((profile.targets[0].full_every, profile.targets[0].keep_fulls), (7, Some(4)));
    // What is commented out is taken, too.
    let written = example.lines().map(|line| match line.strip_prefix("#: ") {
        Some(line) => line,
        None => line,
    });
    let whole: String = written.map(|line| format!("{line}\n")).collect();
    assert!(whole.len() < example.len());
    let profile = parse(&whole).unwrap();
    assert!(profile.hooks.before.is_some() && profile.hooks.after.is_some());
}

#[test]
fn what_is_wrong_is_named_with_its_file_line_and_key() {
    let start = "sources = [\"/a\"]\ndatabase = \"/d\"\n";
    for (rest, line, key, why) in [
        ("sauces = 1\n", 3, "sauces", "unknown field"),
        ("name = \"night\"\n", 3, "name", "{time}"),
        ("name = 3\n", 3, "name", "expected a string"),
        ("max_age = \"26 parsecs\"\n", 3, "max_age", "26 parsecs"),
        ("schedule = \"30 2 * *\"\n", 3, "schedule", "4 fields"),
        ("timezone = \"Europe/Berlim\"\n", 3, "timezone", "no time zone"),
        ("exclude = [\n  \"*.o\",\n  \"/b/x\",\n]\n", 5, "exclude", "'/b/x'"),
        ("server = \"https://h\"\n", 3, "server", "name one of them"),
        ("key_file = \"/k\"\n", 3, "key_file", "no server"),
        ("[[target]]\ndirectory = \"/t\"\nfull_every = 0\n", 5, "target.full_every", "1 or more"),
        ("[[target]]\ndirectory = \"/t\"\nkeep = 1\n", 5, "target.keep", "unknown field"),
        ("[[target]]\ndirectory = \"t\"\n", 4, "target.directory", "whole path"),
        ("[[target]]\nurl = \"s3://b/k\"\n", 4, "target.url", "directories only"),
        ("[[target]]\nfull_every = 2\n", 3, "target", "missing field `directory`"),
        ("[hooks]\nbefore = \"./x\"\n", 4, "hooks.before", "whole path"),
        ("[hooks]\nbefore = \"pg_dump -f x\"\n", 4, "hooks.before", "array"),
        ("[hooks]\nafter = 3\n", 4, "hooks.after", "expected a program"),
        ("[keep]\ndayly = 3\n", 4, "keep.dayly", "unknown field"),
        ("[keep]\nlast = -5\n", 4, "keep.last", "expected a number"),
        ("[keep]\nlast = \"many\"\n", 4, "keep.last", "expected a number"),
        ("[keep]\nlast = 0\n", 3, "keep", "keep nothing"),
        ("[keep]\nwithin = \"long\"\n", 3, "keep", "no duration"),
        ("name = \n", 3, "name", ""),
    ] {
        let error = parse(&format!("{start}{rest}")).unwrap_err().to_string();
        let named = format!("/etc/aeordb/home.toml, line {line}, {key}: ");
        assert!(error.starts_with(&named) && error.contains(why), "{rest}\n{error}");
    }
    for (text, why) in [
        ("", "missing field `sources`"),
        ("sources = [\"/a\"]\n", "expected `database` or `server`"),
        ("sources = []\ndatabase = \"/d\"\n", "line 1, sources: there is nothing"),
        ("sources = [\"a\"]\ndatabase = \"/d\"\n", "line 1, sources: a is not the whole path"),
        ("sources = [\"/a/../b\"]\ndatabase = \"/d\"\n", "line 1, sources: /a/../b is not"),
        ("sources = [\"/a\", \"/a/b\"]\ndatabase = \"/d\"\n", "put already with /a"),
        ("sources = [\"/a\"]\ndatabase = \"d\"\n", "line 2, database: d is not"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with("/etc/aeordb/home.toml") && error.contains(why),
            "{text}\n{error}"
        );
    }
}

#[test]
fn a_pattern_that_begins_with_a_slash_is_one_of_its_source_alone() {
    let text = "sources = [\"/a\", \"/b\"]\ndatabase = \"/d\"\nexclude = [\"*.o\", \"/b/*/x\"]\n";
    let profile = parse(text).unwrap();
    assert_eq!(profile.sources[0].exclude, ["*.o"]);
    assert_eq!(profile.sources[1].exclude, ["*.o", "/*/x"]);
    let root = parse("sources = [\"/\"]\ndatabase = \"/d\"\nexclude = [\"/tmp\"]\n").unwrap();
    assert_eq!(root.sources[0].exclude, ["/tmp"]);
}
