//! Backups that run by themselves.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::server::Served;
use crate::trees;

/// A sandbox with a source, a target and a profile, to which `rest` is added.
fn with_profile(rest: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("source/a.txt", "alpha\n");
    sandbox.write("source/docs/b.txt", "beta\n");
    fs::create_dir(sandbox.path("target")).unwrap();
    profile(&sandbox, rest);
    sandbox
}

fn profile(sandbox: &Sandbox, rest: &str) {
    let at = |name| sandbox.path(name).display().to_string();
    let (source, database, target) = (at("source"), at("data.aeordb"), at("target"));
    let text =
        format!("sources = [\"{source}\"]\ndatabase = \"{database}\"\nname = \"night-{{time}}\"\n");
    let target = format!("[[target]]\ndirectory = \"{target}\"\n");
    sandbox.write("home.toml", format!("{text}{}", rest.replace("[target]\n", &target)));
}

fn report(run: &Run) -> Value {
    let lines = run.lines();
    assert_eq!(lines.len(), 1, "{lines:?}\n{}", run.err);
    serde_json::from_str(&lines[0]).unwrap()
}

fn run(sandbox: &Sandbox) -> Value {
    report(&sandbox.run(&["run", "./home.toml"]).expect(0))
}

fn targets(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path("target")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What the newest file of the target restores: all files, in order, imported.
fn restored(sandbox: &Sandbox) -> Vec<String> {
    let files = targets(sandbox);
    let files: Vec<_> = files.iter().filter(|name| name.ends_with(".aeordb")).collect();
    let start = files.iter().rposition(|name| name.ends_with("-full.aeordb")).unwrap();
    let _ = fs::remove_file(sandbox.path("restored.aeordb"));
    let mut words =
        vec!["import".to_owned(), "-d".into(), "restored.aeordb".into(), "--promote".into()];
    for file in &files[start..] {
        words.extend(["--file".into(), format!("target/{file}")]);
    }
    sandbox.ok(&words);
    sandbox.ok(&["ls", "-r", "/", "-d", "restored.aeordb"]).lines().map(str::to_owned).collect()
}

#[test]
fn runs_make_full_files_and_patches_in_turn_and_remove_what_newer_ones_replace() {
    let sandbox = with_profile("[target]\nfull_every = 2\nkeep_fulls = 2\n");
    sandbox.write("target/notes.txt", "mine");
    sandbox.write("target/night-20200101T000000Z-full.aeordb", "not a backup at all");
    let mut kinds = Vec::new();
    for number in 0..5 {
        sandbox.write(format!("source/{number}"), [number]);
        let done = run(&sandbox);
        assert_eq!(done["outcome"], "done");
        let target = &done["targets"][0];
        assert_eq!(target["verified"], true);
        kinds.push(target["kind"].as_str().unwrap().to_owned());
        if number == 4 {
            let removed = target["removed"].as_array().unwrap();
            assert_eq!(removed.len(), 2, "{removed:?}");
            assert!(removed[0].as_str().unwrap().ends_with("-patch.aeordb"));
        }
    }
    assert_eq!(kinds, ["export", "patch", "export", "patch", "export"]);
    assert_eq!(targets(&sandbox).len(), 2 + 3);
    // Somebody else's, whatever it is called.
    assert_eq!(sandbox.read("target/night-20200101T000000Z-full.aeordb"), b"not a backup at all");
    assert_eq!(sandbox.read("target/notes.txt"), b"mine");
    let source = sandbox.path("source").display().to_string();
    assert!(restored(&sandbox).contains(&format!("{source}/4")));
    assert_eq!(sandbox.ok(&["snapshot", "list"]).lines().count(), 5);
    sandbox.ok(&["verify", "--deep"]);
}

#[test]
fn a_run_without_changes_is_a_backup_too() {
    let sandbox = with_profile("[target]\n");
    run(&sandbox);
    let again = run(&sandbox);
    assert_eq!(again["targets"][0]["kind"], "patch");
    assert_eq!(targets(&sandbox).len(), 2);
}

#[test]
fn a_patch_whose_base_the_database_no_longer_has_becomes_a_full_file() {
    let sandbox = with_profile("[target]\n");
    run(&sandbox);
    fs::remove_file(sandbox.path("data.aeordb")).unwrap();
    sandbox.write("source/c.txt", "other");
    assert_eq!(run(&sandbox)["targets"][0]["kind"], "export");
}

#[test]
fn a_hook_before_that_fails_stops_the_run_and_the_one_after_is_told() {
    let after = "after = [\"sh\", \"-c\", \"echo $AEORDB_OUTCOME $AEORDB_EXIT_CODE \
                 $AEORDB_SNAPSHOT > told\"]\n";
    let sandbox = with_profile(&format!("[target]\n[hooks]\nbefore = \"false\"\n{after}"));
    let run_of = sandbox.run(&["run", "./home.toml"]).expect(1);
    let done = report(&run_of);
    assert_eq!((&done["outcome"], &done["sources"]), (&"failed".into(), &Value::Array(vec![])));
    assert!(run_of.err.contains("hook `before`") && run_of.err.contains("exit code 1"));
    assert!(!sandbox.exists("data.aeordb") && targets(&sandbox).is_empty());
    assert_eq!(sandbox.read("told"), b"failed 1\n");
    profile(
        &sandbox,
        &format!(
            "[hooks]\nbefore = [\"sh\", \"-c\", \
         \"echo dump > source/dump; echo noise\"]\n{after}"
        ),
    );
    let done = run(&sandbox);
    let name = done["snapshot"].as_str().unwrap();
    assert_eq!(sandbox.read("told"), format!("done 0 {name}\n").as_bytes());
    assert_eq!(done["sources"][0]["files"], 3);
}

#[test]
fn a_source_that_is_gone_or_emptied_makes_no_version_and_removes_nothing() {
    let sandbox = with_profile("[target]\nkeep_fulls = 1\nfull_every = 1\n");
    run(&sandbox);
    let before = targets(&sandbox);
    fs::rename(sandbox.path("source"), sandbox.path("elsewhere")).unwrap();
    let done = report(&sandbox.run(&["run", "./home.toml"]).expect(10));
    assert_eq!(done["sources"][0]["error"]["exit_code"], 10);
    fs::create_dir(sandbox.path("source")).unwrap();
    let done = report(&sandbox.run(&["run", "./home.toml"]).expect(17));
    assert_eq!(done["sources"][0]["error"]["exit_code"], 17);
    assert!(done.get("snapshot").is_none());
    assert_eq!(targets(&sandbox), before);
    assert_eq!(sandbox.ok(&["snapshot", "list"]).lines().count(), 1);
}

#[test]
fn a_target_that_is_not_there_fails_and_the_others_get_theirs() {
    let sandbox = with_profile("");
    let gone = sandbox.path("gone").display().to_string();
    profile(&sandbox, &format!("[[target]]\ndirectory = \"{gone}\"\n[target]\n"));
    let done = report(&sandbox.run(&["run", "./home.toml"]).expect(10));
    assert_eq!(done["targets"][0]["error"]["exit_code"], 10);
    assert_eq!(done["targets"][1]["verified"], true);
    assert!(!sandbox.exists("gone"));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let sandbox = with_profile(
        "exclude = [\"*.txt\"]\n[target]\nfull_every = 1\n\
         keep_fulls = 1\n[hooks]\nbefore = [\"touch\", \"ran\"]\n",
    );
    let dry =
        |sandbox: &Sandbox| report(&sandbox.run(&["run", "./home.toml", "--dry-run"]).expect(0));
    let done = dry(&sandbox);
    assert_eq!((&done["dry_run"], &done["targets"][0]["kind"]), (&true.into(), &"export".into()));
    assert!(!sandbox.exists("data.aeordb") && !sandbox.exists("ran"));
    sandbox.write("source/c", "c");
    run(&sandbox);
    let (database, files) = (sandbox.read("data.aeordb"), targets(&sandbox));
    sandbox.write("source/d", "d");
    let done = dry(&sandbox);
    assert_eq!(done["sources"][0]["files_new"], 1);
    assert_eq!(done["targets"][0]["removed"], serde_json::json!(files));
    assert_eq!((sandbox.read("data.aeordb"), targets(&sandbox)), (database, files));
}

#[test]
fn two_runs_of_a_profile_do_not_overlap() {
    let sandbox = with_profile(
        "[target]\n[hooks]\n\
         before = [\"sh\", \"-c\", \"touch begun; while [ ! -e go ]; do sleep 0.05; done\"]\n",
    );
    let first = sandbox.command(&["run", "./home.toml"]).spawn().unwrap();
    while !sandbox.exists("begun") {
        std::thread::yield_now();
    }
    let second = sandbox.run(&["run", "./home.toml"]).expect(11);
    assert!(second.bytes.is_empty() && second.err.contains("under way"), "{}", second.err);
    sandbox.write("go", "");
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!(targets(&sandbox).len(), 1);
}

#[test]
fn a_run_that_was_killed_anywhere_goes_on_the_next_time() {
    let sandbox = with_profile("[target]\nfull_every = 3\nkeep_fulls = 2\n");
    run(&sandbox);
    for round in 0u32..12 {
        sandbox.write(format!("source/{round}"), trees::noise(round.into(), 400_000));
        let mut command = sandbox.command(&["run", "./home.toml"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(u64::from(round) * 40));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        // Whatever is there is whole.
        restored(&sandbox);
    }
    let done = run(&sandbox);
    assert_eq!(done["outcome"], "done");
    let source = sandbox.path("source").display().to_string();
    assert!(restored(&sandbox).contains(&format!("{source}/11")));
    let left = targets(&sandbox).into_iter().filter(|name| !name.starts_with("night-"));
    assert_eq!(left.collect::<Vec<_>>(), [] as [&str; 0]);
    sandbox.ok(&["verify", "--deep"]);
}

#[test]
fn a_damaged_file_of_the_chain_is_told_and_nothing_more_is_removed() {
    let sandbox = with_profile("[target]\nkeep_fulls = 1\n");
    run(&sandbox);
    let full = format!("target/{}", targets(&sandbox)[0]);
    let mut bytes = sandbox.read(&full);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write(&full, &bytes);
    sandbox.write("source/c.txt", "more");
    let done = report(&sandbox.run(&["run", "./home.toml"]).expect(14));
    assert_eq!(done["targets"][0]["error"]["exit_code"], 14);
    assert_eq!(sandbox.read(&full), bytes);
}

#[test]
fn check_tells_what_is_young_old_or_not_there() {
    let sandbox = with_profile("max_age = \"26h\"\n[target]\n");
    let check = |words: &[&str]| sandbox.run(&[&["check", "./home.toml"], words].concat());
    assert!(check(&[]).expect(10).out().starts_with("none"));
    run(&sandbox);
    let told = check(&[]).expect(0).out();
    assert!(told.lines().count() == 2 && told.lines().all(|line| line.starts_with("ok")), "{told}");
    // A file that is older by its name.
    let name = targets(&sandbox).remove(0);
    let old = "target/night-20200229T023000Z-full.aeordb";
    fs::rename(sandbox.path(format!("target/{name}")), sandbox.path(old)).unwrap();
    let found = check(&["--json"]).expect(18);
    let found: Value = serde_json::from_str(&found.out()).unwrap();
    assert_eq!((&found["state"], &found["places"][0]["state"]), (&"old".into(), &"ok".into()));
    assert_eq!(found["places"][1]["state"], "old");
    // What comes from the future says nothing.
    let future = "target/night-29990101T000000Z-full.aeordb";
    fs::rename(sandbox.path(old), sandbox.path(future)).unwrap();
    check(&[]).expect(10);
    profile(&sandbox, "");
    sandbox.run(&["check", "./home.toml"]).refused(2, "max_age", "--help");
}

#[test]
fn a_profile_is_found_by_its_name_and_one_that_is_wrong_is_told_by_its_line() {
    let sandbox = with_profile("");
    sandbox.write("config/aeordb/home.toml", sandbox.read("home.toml"));
    let by_name = |name: &str| {
        let mut command = sandbox.command(&["run", name]);
        let output = command.env("XDG_CONFIG_HOME", sandbox.path("config")).output().unwrap();
        Run::new(&["run", name], output)
    };
    by_name("home").expect(0);
    by_name("other").refused(10, "other.toml", "");
    sandbox.write("config/aeordb/bad.toml", "sources = [\"/a\"]\nsauces = 1\n");
    by_name("bad").refused(2, "bad.toml, line 2, sauces: unknown field", "");
}

#[test]
fn numbers_for_node_exporter_are_written_whole_and_keep_the_last_success() {
    let sandbox = with_profile("[target]\n");
    let words = ["run", "./home.toml", "--metrics-file", "home.prom"];
    sandbox.run(&words).expect(0);
    let success = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let start = "aeordb_run_last_success_timestamp_seconds{profile=\"home\"} ";
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned()
    };
    let first = sandbox.read("home.prom");
    fs::rename(sandbox.path("source"), sandbox.path("gone")).unwrap();
    sandbox.run(&words).expect(10);
    let second = sandbox.read("home.prom");
    assert_eq!(success(&first), success(&second));
    assert!(
        String::from_utf8(second.clone())
            .unwrap()
            .contains("aeordb_run_success{profile=\"home\"} 0")
    );
    let promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(sandbox.path("home.prom")).unwrap())
        .output();
    match promtool {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => eprintln!("NOT CHECKED by promtool: {error}"),
    }
}

#[test]
fn a_server_runs_profiles_on_their_schedule_with_its_own_database() {
    let sandbox =
        with_profile("schedule = \"* * * * * *\"\ntimezone = \"UTC\"\n[target]\nfull_every = 2\n");
    let mut served = Served::start_with(&sandbox, "", &["--profile", "./home.toml"]);
    for round in 0.. {
        if targets(&sandbox).len() >= 2 {
            break;
        }
        assert!(round < 3000, "the server ran nothing for a minute");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let metrics = served.get("/metrics");
    let exit = "aeordb_profile_exit_code{profile=\"home\"} 0";
    assert!(metrics.contains(exit) && metrics.contains("result=\"failed\"} 0"), "{metrics}");
    // Others write through the server meanwhile.
    sandbox.write("other", "other");
    served.ok(&["put", "other", "/other"]);
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
    restored(&sandbox);
    sandbox.ok(&["verify", "--deep"]);
    assert_eq!(sandbox.ok(&["cat", "/other"]), "other");
}

#[test]
fn a_server_refuses_profiles_that_it_cannot_run() {
    let sandbox = with_profile("");
    let serve = |database: &str| {
        sandbox.run(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "-d",
            database,
            "--profile",
            "./home.toml",
        ])
    };
    serve("other.aeordb").refused(2, "is what is served", "");
    serve("data.aeordb").refused(2, "has no `schedule`", "");
    assert!(!sandbox.exists("data.aeordb") && !sandbox.exists("other.aeordb"));
}

#[test]
fn the_units_of_systemd_are_what_systemd_takes_and_their_command_runs() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    let unit = fs::read_to_string(dist.join("aeordb@.service")).unwrap();
    let sandbox = with_profile("[target]\n");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let start = start.replace("/etc/aeordb/%i.toml", "./home.toml");
    let mut words = start.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/aeordb"));
    sandbox.run(&words.collect::<Vec<_>>()).expect(0);
    // It wants the program where the unit says that it is.
    let unit = unit.replace("/usr/local/bin/aeordb", env!("CARGO_BIN_EXE_aeordb"));
    sandbox.write("units/aeordb@.service", unit);
    fs::copy(dist.join("aeordb@.timer"), sandbox.path("units/aeordb@.timer")).unwrap();
    let verified = std::process::Command::new("systemd-analyze")
        .args(["verify", "--man=no", "aeordb@home.service", "aeordb@home.timer"])
        .env("SYSTEMD_UNIT_PATH", format!("{}:", sandbox.path("units").display()))
        .output();
    match verified {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !told.contains("aeordb@"), "{told}");
        }
        Err(error) => eprintln!("NOT CHECKED by systemd-analyze: {error}"),
    }
}

#[test]
fn the_rules_of_a_profile_take_the_names_of_its_own_versions_and_only_after_a_run_that_went_well() {
    let sandbox = with_profile("[target]\n[keep]\nlast = 2\n");
    let first = run(&sandbox);
    assert_eq!(first["kept"], serde_json::json!({"stay": 1, "removed": []}));
    sandbox.ok(&["snapshot", "create", "night-of-somebody-else"]);
    run(&sandbox);
    fs::rename(sandbox.path("target"), sandbox.path("unplugged")).unwrap();
    let failed = report(&sandbox.run(&["run", "./home.toml"]).expect(10));
    assert_eq!(failed["kept"], Value::Null);
    fs::rename(sandbox.path("unplugged"), sandbox.path("target")).unwrap();
    let foreseen = report(&sandbox.run(&["run", "./home.toml", "--dry-run"]).expect(0));
    assert_eq!(foreseen["kept"]["removed"], serde_json::json!([first["snapshot"]]));
    let last = run(&sandbox);
    assert_eq!(last["kept"]["stay"], 2);
    let removed = serde_json::json!([first["snapshot"], null]);
    assert_eq!(last["kept"]["removed"][0], removed[0]);
    let left = sandbox.ok(&["snapshot", "list"]);
    assert!(left.contains("night-of-somebody-else") && left.lines().count() == 3, "{left}");
    assert!(left.contains(last["snapshot"].as_str().unwrap()), "{left}");
    restored(&sandbox);
}

#[test]
fn a_profile_works_through_a_server_with_a_key_from_a_file() {
    let sandbox = with_profile("");
    let mut served = Served::start(&sandbox, "");
    let scopes = "read,write,snapshot,export";
    let key = served.ok(&["key", "create", "--name", "night", "--scope", scopes]);
    sandbox.write("key", key);
    let at = |name| sandbox.path(name).display().to_string();
    let (source, target, key, url) = (at("source"), at("target"), at("key"), &served.url);
    let text = format!(
        "sources = [\"{source}\"]\nserver = \"{url}\"\nkey_file = \"{key}\"\nname = \
         \"night-{{time}}\"\n[[target]]\ndirectory = \"{target}\"\n[keep]\nlast = 1\n"
    );
    sandbox.write("home.toml", text);
    let first = run(&sandbox);
    assert_eq!(first["targets"][0]["verified"], true);
    sandbox.write("source/later.txt", "later");
    let second = run(&sandbox);
    assert_eq!(second["targets"][0]["kind"], "patch");
    assert_eq!(second["kept"]["removed"], serde_json::json!([first["snapshot"]]));
    let check = sandbox.run(&["check", "./home.toml", "--max-age", "1h", "--json"]).expect(0);
    assert!(check.out().contains(second["snapshot"].as_str().unwrap()), "{}", check.out());
    // A key that is wrong is said to be, and nothing is done.
    sandbox.write("key", "aeor_no_such");
    let refused = report(&sandbox.run(&["run", "./home.toml"]).expect(12));
    assert_eq!(refused["targets"], Value::Array(vec![]));
    assert_eq!(served.signal(Signal::SIGTERM), Some(0));
    assert!(restored(&sandbox).contains(&format!("{source}/later.txt")));
}

#[test]
fn a_run_and_a_check_say_that_the_profile_names_the_database() {
    let sandbox = with_profile("");
    for words in [&["run", "./home.toml"][..], &["check", "./home.toml", "--max-age", "1h"]] {
        for flag in [["--database", "other.aeordb"], ["--server", "http://127.0.0.1:9"]] {
            let refused = sandbox.run(&[words, &flag].concat());
            let err = refused.expect(2).err;
            assert!(err.contains(&format!("{} cannot be given", flag[0])), "{err}");
        }
    }
    assert!(!sandbox.exists("other.aeordb") && !sandbox.exists("data.aeordb"));
}
