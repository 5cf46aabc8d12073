//! Backups that no file system has: on a web server and in object storage.

mod keepers;
mod liars;

use std::process::Command;

use crate::sandbox::Sandbox;
use keepers::{Bucket, Lossy, Web};

/// A sandbox with a database of 3,000 small files in 30 directories.
fn with_many_files() -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..3000 {
        let name = format!("tree/d{}/file-{number}.txt", number % 30);
        sandbox.write(name, format!("this is file number {number}\n").repeat(5));
    }
    sandbox.ok(&["put", "tree", "/"]);
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    sandbox
}

#[test]
fn a_web_server_is_read_in_place_by_few_requests() {
    let sandbox = with_many_files();
    let web = Web::start(sandbox.path("."));
    let url = web.url("full.aeordb");
    for (verb, most) in [
        (&["info", &url] as &[&str], 3),
        (&["cat", "/d7/file-7.txt", "-d", &url], 6),
        (&["ls", "-l", "/d7", "-d", &url], 6),
    ] {
        let before = web.requests();
        let local: Vec<&str> =
            verb.iter().map(|word| if *word == url { "full.aeordb" } else { word }).collect();
        let said = sandbox.ok(verb).replace(&url, "full.aeordb");
        assert_eq!(said, sandbox.ok(&local));
        let sent = web.requests() - before;
        assert!(sent <= most, "{verb:?} took {sent} requests");
    }
    sandbox.ok(&["import", "-d", "new.aeordb", "--file", &url, "--promote"]);
    assert_eq!(sandbox.head_of("new.aeordb"), sandbox.head_of("data.aeordb"));
    sandbox.ok(&["verify", "--deep", &url]);
}

#[test]
fn a_backup_elsewhere_is_only_read_and_one_that_is_not_there_is_said_to_be_missing() {
    let sandbox = Sandbox::with_v1();
    sandbox.ok(&["export", "--output", "full.aeordb"]);
    let web = Web::start(sandbox.path("."));
    let url = web.url("full.aeordb");
    sandbox.run(&["put", "tree", "/", "-d", &url]).refused(1, "is only read", "import");
    sandbox.run(&["ls", "-d", &web.url("none.aeordb")]).refused(10, "not found", "");
    sandbox.run(&["export", "--output", &url]).expect(2);
}

#[test]
fn without_credentials_the_sentence_that_helps_comes_at_once() {
    let sandbox = Sandbox::with_v1();
    let mut command = sandbox.command(&["export", "--output", "s3://bucket/full.aeordb"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    // Something answers there that is no such service.
    let web = Web::start(sandbox.path("."));
    command.env("HOME", sandbox.path("nobody")).env("AWS_METADATA_ENDPOINT", web.url(""));
    let run = crate::sandbox::Run::new(&["export"], command.output().unwrap()).expect(2);
    assert!(run.err.contains("AWS_ACCESS_KEY_ID"), "{}", run.err);
    command.env("AWS_PROFILE", "none");
    let run = crate::sandbox::Run::new(&["export"], command.output().unwrap()).expect(2);
    assert!(run.err.contains("AWS_PROFILE is none"), "{}", run.err);
}

#[test]
fn a_bucket_takes_exports_and_patches_gives_them_back_and_replaces_nothing() {
    let Some(bucket) = Bucket::start() else { return };
    let sandbox = Sandbox::with_v2();
    // More than one part, and nothing that compresses.
    let noise: Vec<u8> = (0..600_000_u64).flat_map(|n| blend(n).to_le_bytes()).collect();
    sandbox.write(
        "noise",
        [noise.as_slice(), &noise.iter().map(|b| b ^ 0x5a).rev().collect::<Vec<_>>()].concat(),
    );
    sandbox.ok(&["put", "noise", "/noise"]);
    let run = |arguments: &[&str]| bucket.run(&sandbox, arguments);
    run(&["export", "--output", "s3://bucket/dir/full.aeordb", "--snapshot", "v1"]).expect(0);
    run(&["diff", "v1", "--output", "s3://bucket/dir/patch.aeordb"]).expect(0);
    run(&["export", "--output", "s3://bucket/dir/large.aeordb"]).expect(0);
    let again = run(&["export", "--output", "s3://bucket/dir/large.aeordb"]);
    again.refused(15, "already exists", "--output");
    let files = ["s3://bucket/dir/full.aeordb", "s3://bucket/dir/patch.aeordb"];
    run(&["combine", "--output", "s3://bucket/dir/one.aeordb", files[0], files[1]]).expect(0);
    for name in ["large", "one"] {
        let (new, url) = (format!("{name}.aeordb"), format!("s3://bucket/dir/{name}.aeordb"));
        run(&["import", "-d", &new, &url, "--promote"]).expect(0);
        assert_eq!(sandbox.head_of(&new), sandbox.head_of("data.aeordb"));
        run(&["verify", "--deep", &url]).expect(0);
    }
    let seen = run(&["cat", "/docs/a.txt", "-d", files[0], "--with", files[1]]).expect(0);
    assert_eq!(seen.out(), "alpha, changed\n");
    run(&["info", files[0], files[1]]).expect(0);
}

/// Numbers without a pattern.
fn blend(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// A sandbox whose export is one request, or several parts.
fn with_bytes(count: u64) -> Sandbox {
    let sandbox = Sandbox::with_v1();
    let noise: Vec<u8> = (0..count / 8).flat_map(|number| blend(number).to_le_bytes()).collect();
    sandbox.write("noise", noise);
    sandbox.ok(&["put", "noise", "/noise"]);
    sandbox
}

#[test]
fn of_sixteen_writers_of_one_name_exactly_one_wins_in_one_request_and_in_parts() {
    let Some(bucket) = Bucket::start() else { return };
    for (bytes, url) in [(8, "s3://bucket/small.aeordb"), (9_000_000, "s3://bucket/parts.aeordb")] {
        let sandbox = with_bytes(bytes);
        let arguments = ["export", "--output", url];
        let children: Vec<_> =
            (0..16).map(|_| bucket.command(&sandbox, &arguments).spawn().unwrap()).collect();
        let ended = children.into_iter().map(|child| child.wait_with_output().unwrap());
        let codes: Vec<_> = ended.map(|ended| ended.status.code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 15))), "{codes:?}");
        bucket.run(&sandbox, &["verify", "--deep", url]).expect(0);
        // What the others had sent in parts is not kept, and billed.
        let kept = bucket.ask("GET /bucket?uploads");
        assert!(kept.contains(" 200 ") && !kept.contains("<UploadId>"), "{kept}");
    }
}

#[test]
fn an_answer_that_is_lost_is_no_conflict() {
    let Some(bucket) = Bucket::start() else { return };
    let cases = [(8, "PUT /bucket/"), (9_000_000, "POST /bucket/x.aeordb?uploadId=")];
    for (number, (bytes, lost)) in cases.into_iter().enumerate() {
        let sandbox = with_bytes(bytes);
        let lossy = Lossy::start(bucket.address(), lost.replace("x.", &format!("x{number}.")));
        let url = format!("s3://bucket/x{number}.aeordb");
        let mut command: Command = bucket.command(&sandbox, &["export", "--output", &url]);
        command.env("AWS_ENDPOINT_URL", lossy.url());
        crate::sandbox::Run::new(&["export"], command.output().unwrap()).expect(0);
        assert!(lossy.lost(), "no answer was lost");
    }
}

#[test]
fn keys_come_from_the_program_of_a_profile() {
    let Some(bucket) = Bucket::start() else { return };
    let sandbox = Sandbox::with_v1();
    let process = r#"echo '{"Version":1,"AccessKeyId":"k","SecretAccessKey":"s"}'"#;
    sandbox.write(
        "home/.aws/config",
        format!("[profile p]\nregion=us-east-1\ncredential_process={process}\n"),
    );
    let mut command = bucket.command(&sandbox, &["export", "--output", "s3://bucket/p.aeordb"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("HOME", sandbox.path("home")).env("AWS_PROFILE", "p");
    crate::sandbox::Run::new(&["export"], command.output().unwrap()).expect(0);
}
