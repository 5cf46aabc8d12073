//! Backups for those who are meant: recipients of age, keys of SSH, passphrases; read by a reader in
//! another language as well.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::sandbox::Sandbox;

/// Keys of age that nobody uses.
const OURS: &str = "AGE-SECRET-KEY-1NZQPPJYC7HPPDMYXLQV5MNNGJ054SMDNKDMY4PPN4ESLXY0MPR7QUH9M84\n";
const FOR_US: &str = "age17gzacz4m0pf9m7p3ka6s4h7sv06v2h9u38cr0ck2gzp6nauskgqqa3jfgq";
const THEIRS: &str = "AGE-SECRET-KEY-143XJ0JXHX27AMVW60TDKEHHUD3QMWWKRUXNPEFLL4U0R75H6W07QS6UNUT\n";
const FOR_THEM: &str = "age14ra6hejh59q7y4clrp55tchnpr75sv8gnh2k36rzu2caj6y9h58sr52a07";
/// A key of SSH that nobody uses.
const SSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz
c2gtZWQyNTUxOQAAACBndRO9waIS5XE234H74IeFeUSEAIEc/LiUlM2NdDXtNAAA
AIiZbPm9mWz5vQAAAAtzc2gtZWQyNTUxOQAAACBndRO9waIS5XE234H74IeFeUSE
AIEc/LiUlM2NdDXtNAAAAEDg7OgmQJpEDvoLXp3MjgEJlSiKk9vwqnpoKUBVfTdY
Q2d1E73BohLlcTbfgfvgh4V5RIQAgRz8uJSUzY10Ne00AAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";
const FOR_SSH: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIGd1E73BohLlcTbfgfvgh4V5RIQAgRz8uJSUzY10Ne00 nobody@nowhere";

/// A sandbox with two versions, and the keys.
fn with_keys() -> Sandbox {
    let sandbox = Sandbox::with_v2();
    sandbox.write("ours.key", OURS);
    sandbox.write("theirs.key", THEIRS);
    sandbox.write("ssh.key", SSH);
    sandbox.write("readers.txt", format!("# who may read\n{FOR_US}\n{FOR_SSH}\n"));
    sandbox.write("phrase", "correct horse battery staple\n");
    sandbox.write("wrong", "incorrect horse\n");
    sandbox
}

/// A program of the virtual environment that `.ci/run` makes, if it is there.
fn python() -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/crypt/bin/python");
    if !program.exists() {
        let what = "NOT TESTED: encrypted files with another reader \
             (pip install cryptography blake3 zstandard)";
        let _ = writeln!(std::io::stderr(), "{what}");
        return None;
    }
    let mut command = Command::new(program);
    command.arg("-W").arg("ignore").arg(root.join("crates/aeordb/tests/vectors.py"));
    Some(command)
}

#[test]
fn whoever_it_is_for_reads_it_by_every_verb_and_nobody_else_does() {
    let sandbox = with_keys();
    sandbox.ok(&["export", "v1", "--output", "full", "--encrypt-to", "readers.txt"]);
    let patch =
        ["diff", "v1", "v2", "--output", "patch", "--encrypt-to", FOR_US, "--encrypt-to", FOR_SSH];
    sandbox.ok(&patch);
    sandbox.ok(&["export", "v2", "--output", "plain"]);
    for key in ["ours.key", "ssh.key"] {
        let with = ["--identity", "theirs.key", "--identity", key];
        let read = |words: &[&str]| sandbox.ok(&[words, &with].concat());
        assert_eq!(read(&["cat", "/top.txt", "-d", "full"]), "top\n");
        assert_eq!(read(&["cat", "/docs/new.txt", "-d", "full", "--with", "patch"]), "new\n");
        let plain = sandbox.ok(&["ls", "-r", "/", "-d", "plain"]);
        assert_eq!(read(&["ls", "-r", "/", "-d", "full", "--with", "patch"]), plain);
        read(&["get", "/", &format!("out-{key}"), "-d", "full"]);
        assert_eq!(sandbox.read(&format!("out-{key}/docs/a.txt")), b"alpha\n");
        assert!(read(&["verify", "--deep", "full"]).contains("No damage found."));
        assert!(
            read(&["verify", "--deep", "patch", "--with", "full"]).contains("No damage found.")
        );
        assert!(read(&["info", "full"]).contains("Encrypted:"));
        assert!(read(&["info", "--changes", "patch"]).contains("new.txt"));
        let new = format!("new-{key}");
        read(&["import", "-d", &new, "--file", "full", "--file", "patch", "--promote"]);
        assert_eq!(sandbox.head_of(&new), sandbox.head_of("data.aeordb"));
    }
    for (with, why) in [
        (&["--identity", "theirs.key"] as &[&str], "is for other keys than those that were given"),
        (&[], "no key of those that it is for was given"),
    ] {
        for verb in [
            &["cat", "/top.txt", "-d", "full"] as &[&str],
            &["verify", "--deep", "full"],
            &["import", "-d", "none", "--file", "full", "--promote"],
            &["combine", "--output", "none", "full", "patch"],
            &["ls", "-d", "data.aeordb", "--with", "patch"],
        ] {
            let words = [verb, with].concat();
            sandbox.run(&words).refused(12, why, "--identity FILE");
        }
        let seen = sandbox.ok(&[&["info", "full"] as &[&str], with].concat());
        assert!(seen.contains("yes, and no key of it is at hand"), "{seen}");
        let sound = sandbox.ok(&[&["verify", "full"] as &[&str], with].concat());
        assert!(sound.contains("it is encrypted and stayed closed"), "{sound}");
    }
    assert!(!sandbox.exists("none"));
}

#[test]
fn a_passphrase_closes_what_is_made_and_opens_what_is_read() {
    let sandbox = with_keys();
    let phrase = ["--passphrase-file", "phrase"];
    sandbox.ok(&[&["export", "v1", "--output", "full"] as &[&str], &phrase].concat());
    sandbox.ok(&[&["diff", "v1", "v2", "--output", "patch"] as &[&str], &phrase].concat());
    let combine = ["combine", "--output", "whole", "full", "patch"];
    sandbox.ok(&[&combine as &[&str], &phrase].concat());
    assert_eq!(
        sandbox.ok(&[&["cat", "/docs/new.txt", "-d", "whole"] as &[&str], &phrase].concat()),
        "new\n"
    );
    let cat = ["cat", "/docs/new.txt", "-d", "whole"];
    sandbox.run(&cat).refused(12, "a passphrase, which was not given", "--passphrase-file");
    let wrong = [&cat as &[&str], &["--passphrase-file", "wrong"]].concat();
    sandbox.run(&wrong).refused(12, "another passphrase than", "--passphrase-file");
    // Given recipients, the passphrase only opens.
    let again = ["combine", "--output", "again", "full", "patch", "--encrypt-to", FOR_US];
    sandbox.ok(&[&again as &[&str], &phrase].concat());
    assert_eq!(
        sandbox.ok(&["cat", "/docs/new.txt", "-d", "again", "--identity", "ours.key"]),
        "new\n"
    );
}

#[test]
fn what_is_no_recipient_and_no_key_is_said_before_anything_is_made() {
    let sandbox = with_keys();
    let made = |to: &str| sandbox.run(&["export", "--output", "full", "--encrypt-to", to]);
    made("age1nonsense").refused(2, "is no recipient", "");
    made("ssh-rsa AAAA").refused(2, "ssh-ed25519", "");
    made("ours.key").refused(2, "a secret key", "");
    made("nowhere").refused(10, "nowhere", "");
    assert!(!sandbox.exists("full"));
    sandbox.ok(&["export", "--output", "full", "--encrypt-to", FOR_THEM]);
    let cat = |key: &str| sandbox.run(&["cat", "/docs/a.txt", "-d", "full", "--identity", key]);
    cat("readers.txt").refused(2, "holds no secret key", "");
    cat("nowhere").refused(10, "nowhere", "");
    assert!(!cat("readers.txt").err.contains(FOR_US));
}

#[test]
fn another_reader_by_the_text_of_the_format_reads_what_we_encrypt() {
    let Some(mut command) = python() else { return };
    let format = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../FORMAT.md");
    let made = command.arg("--vectors").arg(format).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let sandbox = with_keys();
    for number in 0..600 {
        sandbox.write(format!("many/{number}"), format!("file {number}\n").repeat(number));
    }
    sandbox.ok(&["put", "many", "/many"]);
    sandbox.ok(&["export", "--output", "full", "--encrypt-to", FOR_THEM, "--encrypt-to", FOR_US]);
    sandbox.ok(&["diff", "v1", "v2", "--output", "patch", "--encrypt-to", FOR_US]);
    for (file, chunks) in [("full", true), ("patch", false)] {
        let mut command = python().unwrap();
        let read = command.args([sandbox.path(file), sandbox.path("ours.key")]).output().unwrap();
        let said = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.status.success(), "{said}{}", String::from_utf8_lossy(&read.stderr));
        assert!(!chunks || said.contains("60"), "{said}");
    }
}

#[test]
fn a_machine_backs_up_to_a_target_that_it_cannot_read() {
    let sandbox = with_keys();
    sandbox.write("source/a.txt", "alpha\n");
    std::fs::create_dir(sandbox.path("target")).unwrap();
    let at = |name| sandbox.path(name).display().to_string();
    let text = format!(
        "sources = [\"{}\"]\ndatabase = \"{}\"\nname = \"night-{{time}}\"\n\
         [[target]]\ndirectory = \"{}\"\nencrypt_to = [\"{FOR_US}\", \"{}\"]\n",
        at("source"),
        at("night.aeordb"),
        at("target"),
        at("readers.txt"),
    );
    sandbox.write("home.toml", &text);
    for edit in ["alpha\n", "beta\n"] {
        sandbox.write("source/a.txt", edit);
        sandbox.ok(&["run", "./home.toml"]);
    }
    let mut files: Vec<String> = std::fs::read_dir(sandbox.path("target"))
        .unwrap()
        .map(|entry| format!("target/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.ends_with(".aeordb"))
        .collect();
    files.sort();
    let [full, patch] = &files[..] else { panic!("{files:?}") };
    assert!(full.ends_with("-full.aeordb") && patch.ends_with("-patch.aeordb"), "{files:?}");
    let path = at("source/a.txt");
    let cat = ["cat", &path, "-d", full, "--with", patch];
    sandbox.run(&cat).refused(12, "no key", "--identity");
    assert_eq!(sandbox.ok(&[&cat as &[&str], &["--identity", "ssh.key"]].concat()), "beta\n");
    sandbox.write("home.toml", text.replace(FOR_US, "age1nobody"));
    sandbox.run(&["run", "./home.toml"]).refused(2, "encrypt_to", "");
}
