//! Damage that appears in the file while it is served: whatever is read then is what was stored, or
//! an error, or an answer that visibly breaks off.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aeordb::backup::verify;
use aeordb::monitor::Monitor;
use aeordb_api::endpoint::Method;
use aeordb_api::table::table;
use aeordb_server::Deadlines;
use tempfile::TempDir;

use crate::served::{Reply, Served, noise};

/// How an answer that came whole is proved.
#[derive(Clone, Copy)]
enum Proof {
    /// It is the answer of the sound file, byte for byte.
    Same,
    /// It is a sealed file, and proves itself.
    Sealed,
    /// It is a sealed file without the bytes of files.
    Outline,
    /// It differs from one to the next, and gives nothing out that is stored.
    Alive,
}

/// Every call that reads: the path of the table, what is asked, and how its answer is proved.
const READS: &[(&str, &str, Proof)] = &[
    ("/healthz", "/healthz", Proof::Alive),
    ("/readyz", "/readyz", Proof::Same),
    ("/metrics", "/metrics", Proof::Alive),
    ("/openapi.json", "/openapi.json", Proof::Same),
    ("/files/{*path}", "/files/docs/a.txt", Proof::Same),
    ("/files/{*path}", "/files/docs/a.txt?version=v1", Proof::Same),
    ("/files/{*path}", "/files/docs/a.txt?stat", Proof::Same),
    ("/files/{*path}", "/files/large", Proof::Same),
    ("/files/{*path}", "/files/?version=v1", Proof::Same),
    ("/files/{*path}", "/files/?recursive", Proof::Same),
    ("/files/{*path}", "/files/many/", Proof::Same),
    ("/files/{*path}", "/files/many/?after=f100&limit=50", Proof::Same),
    ("/files/{*path}", "/files/?recursive&prefix=many/f2", Proof::Same),
    ("/files/{*path}", "/files/?archive=tar", Proof::Same),
    ("/files/{*path}", "/files/docs?archive=aeordb", Proof::Sealed),
    ("/files/{*path}", "/files/many?archive=aeordb&outline", Proof::Outline),
    ("/admin/info", "/admin/info", Proof::Same),
    ("/admin/export", "/admin/export", Proof::Sealed),
    ("/admin/export", "/admin/export?snapshot=v1", Proof::Sealed),
    ("/admin/diff", "/admin/diff?from=v1", Proof::Sealed),
    ("/admin/backups", "/admin/backups", Proof::Same),
    ("/admin/backups/{name}", "/admin/backups/full.aeordb", Proof::Same),
    ("/admin/snapshots", "/admin/snapshots", Proof::Same),
    ("/admin/keep", "/admin/keep", Proof::Same),
    ("/admin/snapshots/{*name}", "/admin/snapshots/v1", Proof::Same),
    ("/admin/history", "/admin/history", Proof::Same),
    ("/admin/history", "/admin/history?limit=3", Proof::Same),
    ("/admin/changes", "/admin/changes?from=v1&to=HEAD", Proof::Same),
    ("/admin/jobs", "/admin/jobs", Proof::Alive),
    ("/admin/jobs/{id}", "/admin/jobs/1", Proof::Alive),
    ("/admin/keys", "/admin/keys", Proof::Same),
];

/// A database with some of everything, and the key to it.
fn stored() -> (TempDir, String) {
    let served = Served::new();
    served.put("/files/large", &noise(3_000_000));
    served.put("/files/docs/a.txt", b"alpha");
    let many: Vec<_> = (0..300)
        .map(|n| {
            let (path, content) = (format!("/many/f{n}"), format!("content {n}"));
            serde_json::json!({ "op": "put", "path": path, "content": content })
        })
        .collect();
    served.post("/batch", &serde_json::json!({ "changes": many }).to_string()).expect(200);
    served.post("/admin/snapshots", r#"{"name": "v1"}"#).expect(201);
    served.put("/files/docs/a.txt", b"alpha, changed");
    served.put("/files/docs/b.txt", b"beta");
    served.send("DELETE", "/files/many/f17", &[], b"").expect(204);
    served.post("/admin/export", r#"{"output": "full.aeordb"}"#).expect(201);
    let key = served.key.clone();
    (served.close(), key)
}

/// A server of a copy of `stored`.
fn copy(stored: &Path, key: &str) -> Served {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("backups")).unwrap();
    for name in ["data.aeordb", "backups/full.aeordb"] {
        let to = directory.path().join(name);
        fs::copy(stored.join(name), &to).unwrap();
        // Lists of backups tell it.
        let modified = fs::metadata(stored.join(name)).unwrap().modified().unwrap();
        File::options().write(true).open(&to).unwrap().set_modified(modified).unwrap();
    }
    Served::on(directory, key, Deadlines::default())
}

/// Fails unless an answer is the sound one, a problem that says what is wrong, or broken off.
fn check(served: &Served, place: &str, proof: Proof, reply: &Reply, sound: &Reply, damage: &str) {
    if !reply.complete {
        return;
    }
    if reply.status >= 400 {
        let told = reply.json();
        let kind = told["type"].as_str().unwrap();
        let is_damage = kind == "urn:aeordb:problem:stored-damaged";
        // The file is known not to be what was written.
        let is_lost = kind == "urn:aeordb:problem:read-only" && place == "/readyz";
        assert!(is_damage || is_lost, "{place} beside {damage}: {told}");
        return;
    }
    assert_eq!(reply.status, sound.status, "{place} beside {damage}");
    match proof {
        Proof::Alive => {}
        Proof::Same => assert!(
            reply.body == sound.body,
            "{place} beside {damage}: {:.600} instead of {:.600}",
            String::from_utf8_lossy(&reply.body),
            String::from_utf8_lossy(&sound.body)
        ),
        Proof::Sealed | Proof::Outline => {
            let path = served.path("came.aeordb");
            fs::write(&path, &reply.body).unwrap();
            let report = verify(&path, matches!(proof, Proof::Sealed), &Monitor::new()).unwrap();
            assert!(report.damages.is_empty(), "{place} beside {damage}: {report:?}");
            let versions = [reply, sound].map(|reply| reply.headers["aeordb-version"].clone());
            assert_eq!(versions[0], versions[1], "{place} beside {damage}");
        }
    }
}

#[test]
fn nothing_that_is_read_beside_new_damage_is_wrong_or_less_and_looks_whole() {
    let told = |path: &str| READS.iter().any(|(call, ..)| *call == path);
    let reads = table().into_iter().filter(|call| matches!(call.method, Method::Get));
    let missing: Vec<_> = reads.map(|call| call.path).filter(|path| !told(path)).collect();
    assert!(missing.is_empty(), "calls that read and are not tried: {missing:?}");

    let (stored, key) = stored();
    let read = |served: &Served| -> Vec<Reply> {
        served.post("/admin/gc", r#"{"dry_run": true}"#).expect(202);
        READS.iter().map(|(_, place, _)| served.get(place)).collect()
    };
    let sound = read(&copy(stored.path(), &key));
    for ((_, place, _), reply) in READS.iter().zip(&sound) {
        assert!(reply.complete && reply.status == 200, "{place}: {reply:?}");
    }
    let len = fs::metadata(stored.path().join("data.aeordb")).unwrap().len();
    // The chunks of the large file come first, everything else in the last part.
    let tail = len.saturating_sub(60_000);
    let places = (8192..tail).step_by(700_000).chain((tail..len).step_by(1_900));
    let mut cases: Vec<(u64, u64)> = places.map(|at| (at, 64)).collect();
    cases.extend([(8192, len - 8192), (tail, len - tail)]);
    let mut found = 0;
    for (at, count) in cases {
        let served = copy(stored.path(), &key);
        let file = File::options().read(true).write(true).open(served.path("data.aeordb")).unwrap();
        let mut bytes = vec![0; usize::try_from(count.min(len - at)).unwrap()];
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        file.write_all_at(&bytes, at).unwrap();
        let damage = format!("{count} bytes at {at} of {len}");
        for ((_, place, proof), (reply, sound)) in
            READS.iter().zip(read(&served).iter().zip(&sound))
        {
            found += usize::from(!reply.complete || reply.status >= 400);
            check(&served, place, *proof, reply, sound, &damage);
        }
    }
    assert!(found > 100, "the damage was met {found} times: too little was tried");
}
