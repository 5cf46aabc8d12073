//! What a shell is offered while a command is typed: by a real bash, on a file and through a server.

use std::process::Command;

use crate::remote_trees::Pair;
use crate::sandbox::Sandbox;
use crate::server::Served;

/// Gives bash the script and the words, and prints what it would offer, sorted. The last word is the
/// one that is completed; words are as bash makes them.
const BASH: &str = r#"
eval "$(aeordb completions bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_TYPE=9
_clap_complete_aeordb aeordb "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort
"#;

fn offered(sandbox: &Sandbox, environment: &[(&str, &str)], words: &[&str]) -> Vec<String> {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_aeordb")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", BASH, "bash", "aeordb"]).args(words).current_dir(sandbox.path(""));
    bash.env("PATH", format!("{}:{path}", program.display()));
    bash.env_remove("AEORDB_DATABASE").env_remove("AEORDB_SERVER").envs(environment.to_vec());
    let output = bash.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_shell_is_offered_verbs_flags_snapshots_and_paths_of_the_database() {
    let (local, remote) = (Sandbox::with_v2(), Sandbox::with_v2());
    let pair = Pair { local: &local, served: Served::start(&remote, "") };
    let (url, key) = (pair.served.url.as_str(), pair.served.key.as_str());
    let server = [("AEORDB_SERVER", url), ("AEORDB_API_KEY", key)];
    assert_eq!(offered(&local, &[], &["promo"]), ["promote"]);
    assert_eq!(offered(&local, &[], &["diff", "--name"]), ["--name-only"]);
    for environment in [&[][..], &server] {
        let offered = |words: &[&str]| offered(&local, environment, words);
        assert_eq!(offered(&["promote", "v"]), ["v1", "v2"]);
        assert_eq!(offered(&["export", "--snapshot", "v"]), ["v1", "v2"]);
        assert!(offered(&["diff", ""]).contains(&"HEAD".to_owned()));
        assert_eq!(offered(&["snapshot", "delete", "v"]), ["v1", "v2"]);
        assert_eq!(offered(&["cat", "/"]), ["/docs/"]);
        assert_eq!(offered(&["cat", "/docs/"]), ["/docs/a.txt", "/docs/b.txt", "/docs/new.txt"]);
        assert_eq!(offered(&["ls", "--at", "v1", "/t"]), ["/top.txt"]);
        assert_eq!(offered(&["cat", "v1", ":", "/t"]), ["/top.txt"]);
        assert_eq!(offered(&["get", "/docs/n"]), ["/docs/new.txt"]);
        assert_eq!(offered(&["cat", "/nothing/"]), [""; 0]);
    }
    let elsewhere = local.path("data.aeordb");
    let (elsewhere, empty) = (elsewhere.to_str().unwrap(), Sandbox::new());
    assert_eq!(offered(&empty, &[], &["-d", elsewhere, "promote", "v"]), ["v1", "v2"]);
    assert_eq!(offered(&empty, &[], &["promote", "v"]), [""; 0]);
    assert!(!empty.exists("data.aeordb"));
}
