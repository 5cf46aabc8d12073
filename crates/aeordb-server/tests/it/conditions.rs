//! What a request demands before it is answered: nothing of that is ever silently passed over.

use std::io::{Read, Write};

use data_encoding::BASE64;
use sha2::{Digest, Sha256, Sha512};

use crate::served::{Reply, Served, noise};

#[test]
fn a_path_of_any_bytes_restricts_an_export_and_a_patch_to_what_is_there() {
    let served = Served::with_versions();
    served.put("/files/%FF/a", b"a");
    for at in ["/admin/export?path=%FF", "/admin/diff?from=HEAD~1&path=%FF"] {
        let target = Served::new();
        let part = served.get(at).expect(200).body;
        let reply = target.send("POST", "/admin/import?promote&force", &[], &part).expect(200);
        assert_eq!(reply.json()["files"], 1, "{at}");
        assert_eq!(target.get("/files/%FF/a").expect(200).text(), "a");
        target.get("/files/docs/a.txt").problem(404, "not-found");
    }
    served.get("/admin/export?path=%FE").problem(404, "not-found");
}

#[test]
fn a_parameter_that_is_no_text_is_refused_where_text_is_wanted() {
    let served = Served::with_versions();
    for at in [
        "/admin/export?snapshot=%FF",
        "/admin/diff?from=%FF",
        "/admin/diff?from=v1&to=%FF",
        "/admin/changes?from=v1&to=%FF",
        "/admin/snapshots?cursor=%FF",
        "/admin/history?limit=%FF",
        "/files/docs/a.txt?version=%FF",
        "/files/docs/?archive=%FF",
        "/files/docs/?recursive=%FF",
    ] {
        served.get(at).problem(400, "invalid");
    }
    let full = served.get("/admin/export").body;
    served.send("POST", "/admin/import?snapshot=%FF", &[], &full).problem(400, "invalid");
}

#[test]
fn an_expected_head_that_cannot_be_meant_is_refused_and_nothing_happens() {
    let served = Served::with_versions();
    let head = served.head();
    let tag = format!("\"{head}\"");
    let full = served.get("/admin/export?snapshot=v1").body;
    let batch = br#"{"changes": [{"op": "put", "path": "/x", "content": "x"}]}"#;
    let calls: [(&str, &[u8]); 3] = [
        ("/admin/promote", br#"{"hash": "v1"}"#),
        ("/admin/import?promote", &full),
        ("/batch", batch),
    ];
    for (path, body) in calls {
        for headers in [
            vec![("if-match", "\"\u{fc}\"")],
            vec![("if-match", tag.as_str()), ("if-match", tag.as_str())],
            vec![("if-match", "\"other\"")],
            vec![("if-none-match", tag.as_str())],
            vec![("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        ] {
            let reply = served.send("POST", path, &headers, body);
            assert_eq!(reply.status, 400, "{path} {headers:?}");
            reply.problem(400, "invalid");
        }
    }
    assert_eq!(served.head(), head);
}

#[test]
fn directories_are_made_and_files_copied_and_moved_only_if_the_conditions_hold() {
    let served = Served::new();
    served.put("/files/a", b"a");
    let right = format!("\"{}\"", blake3::hash(b"a"));
    let call = |method: &str, path: &str, name: &str, tag: &str| {
        served.send(method, path, &[(name, tag)], b"")
    };
    call("PUT", "/files/dir/", "if-match", "*").problem(412, "changed");
    call("PUT", "/files/dir/", "if-none-match", "*").expect(201);
    call("PUT", "/files/dir/", "if-none-match", "*").problem(412, "changed");
    for to in ["copy-to=/b", "rename-to=/b"] {
        let path = format!("/files/a?{to}");
        call("POST", &path, "if-match", "\"other\"").problem(412, "changed");
        call("POST", &path, "if-none-match", &right).problem(412, "changed");
    }
    served.get("/files/b").problem(404, "not-found");
    call("POST", "/files/a?copy-to=/b", "if-match", &right).expect(200);
    call("POST", "/files/a?copy-to=/c&version=HEAD", "if-match", &right).expect(200);
    call("POST", "/files/a?rename-to=/d", "if-match", &right).expect(200);
    // An archive is put into a directory, which has the tag of no file.
    let archive = |name: &str, tag: &str| {
        served.send("PUT", "/files/dir/?archive=tar", &[(name, tag)], &[0; 1024])
    };
    archive("if-match", &right).problem(412, "changed");
    archive("if-none-match", "*").problem(412, "changed");
    archive("if-match", "*").expect(200);
    let name = br#"{"name": "s"}"#;
    served.send("POST", "/admin/snapshots", &[("if-match", "*")], name).problem(400, "invalid");
}

#[test]
fn a_head_request_tells_what_get_would_send_whole() {
    let served = Served::with_versions();
    let range = [("range", "bytes=0-1")];
    let head = served.send("HEAD", "/files/docs/b.txt", &range, b"").expect(200);
    assert_eq!(head.headers["content-length"], "4");
    assert!(!head.headers.contains_key("content-range"));
    let beyond = [("range", "bytes=100-")];
    served.send("HEAD", "/files/docs/b.txt", &beyond, b"").expect(200);
    for path in ["/admin/export", "/admin/diff?from=v1", "/files/docs/?archive=tar"] {
        let head = served.send("HEAD", path, &[], b"").expect(200);
        assert!(!head.headers.contains_key("content-length"), "{path}: {:?}", head.headers);
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let served = Served::new();
    served.put("/files/a", b"a");
    let fresh = served.get("/files/a");
    let (tag, date) = (&fresh.headers["etag"], &fresh.headers["last-modified"]);
    let weak = format!("\"x\", W/{tag}");
    let get = |headers: &[(&str, &str)]| served.send("GET", "/files/a", headers, b"");
    assert_eq!(get(&[("if-none-match", &weak)]).expect(304).headers["last-modified"], *date);
    get(&[("if-match", &weak)]).problem(412, "changed");
    get(&[("if-modified-since", date)]).expect(304);
    let old = "Sunday, 06-Nov-94 08:49:37 GMT";
    get(&[("if-modified-since", old)]).expect(200);
    get(&[("if-modified-since", "whenever")]).expect(200);
    // Of a version that HEAD came back from, the client may have something newer: it is not this.
    get(&[("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")]).expect(200);
    // A tag that is sent decides alone.
    get(&[("if-modified-since", date), ("if-none-match", "\"x\"")]).expect(200);
    get(&[("if-unmodified-since", date)]).expect(200);
    get(&[("if-unmodified-since", old)]).problem(412, "changed");
}

#[test]
fn a_part_of_a_file_or_one_of_another_digest_is_not_stored() {
    let served = Served::new();
    let head = served.head();
    let digest = |bytes: &[u8]| format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(bytes)));
    let put = |name: &str, value: &str, body: &[u8]| {
        served.send("PUT", "/files/a", &[(name, value)], body)
    };
    put("content-range", "bytes 0-3/10", b"part").problem(400, "invalid");
    for body in [b"small".to_vec(), noise(3_000_000)] {
        put("content-digest", &digest(b"other"), &body).problem(422, "damaged");
        put("content-digest", "sha-256=junk", &body).problem(400, "invalid");
        assert_eq!(served.head(), head);
    }
    served.get("/files/a").problem(404, "not-found");
    for body in [b"small".to_vec(), noise(3_000_000)] {
        let reply = put("content-digest", &digest(&body), &body);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        assert!(served.get("/files/a").body == body);
    }
}

#[test]
fn a_put_replies_with_the_type_that_is_stored() {
    let served = Served::new();
    let kind = [("content-type", "text/csv")];
    let made = served.send("PUT", "/files/a", &kind, b"a,b").expect(201).json();
    assert_eq!(made["content_type"], "text/csv");
    assert_eq!(served.put("/files/a", b"c,d")["content_type"], "text/csv");
    assert_eq!(served.put("/files/a", b"c,d")["content_type"], "text/csv");
}

#[test]
fn a_slash_at_the_end_means_a_directory_whatever_the_method() {
    let served = Served::new();
    served.put("/files/f.txt", b"f");
    for (method, path) in [
        ("GET", "/files/f.txt/"),
        ("GET", "/files/f.txt/?stat"),
        ("DELETE", "/files/f.txt/"),
        ("POST", "/files/f.txt/?copy-to=/g"),
        ("POST", "/files/f.txt/?rename-to=/g"),
        ("POST", "/files/f.txt?copy-to=/g/"),
        ("POST", "/files/f.txt?rename-to=/g/"),
    ] {
        served.send(method, path, &[], b"").problem(404, "not-found");
    }
    assert_eq!(served.get("/files/f.txt").expect(200).text(), "f");
    served.send("PUT", "/files/dir/", &[], b"a body").problem(400, "invalid");
    served.send("PUT", "/files/dir/", &[], b"").expect(201);
    served.send("POST", "/files/dir/?rename-to=/other/", &[], b"").expect(200);
    served.get("/files/other/?stat").expect(200);
    let moved = served.get("/files?recursive&limit=2").expect(308);
    assert_eq!(moved.headers["location"], "/files/?recursive&limit=2");
}

#[test]
fn a_request_that_two_servers_may_read_differently_is_refused() {
    let served = Served::new();
    let key = &served.key;
    let length = "content-length: 1\r\n";
    for (headers, status) in [
        (format!("host: x\r\n{length}"), 201),
        (length.to_owned(), 400),
        (format!("host: x\r\nhost: x\r\n{length}"), 400),
        ("host: x\r\ntransfer-encoding: gzip, chunked\r\n".to_owned(), 400),
        ("host: x\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n".to_owned(), 400),
    ] {
        let mut stream = served.connect();
        write!(
            stream,
            "PUT /files/a HTTP/1.1\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             {headers}\r\n"
        )
        .unwrap();
        let body: &[u8] = if headers.contains(length) { b"x" } else { b"1\r\nx\r\n0\r\n\r\n" };
        stream.write_all(body).unwrap();
        let reply = Reply::read(&mut stream, false);
        assert_eq!(reply.status, status, "{headers}");
    }
}

#[test]
fn the_version_that_was_read_is_the_tag_that_a_compare_and_swap_expects() {
    let served = Served::with_versions();
    let head = served.head();
    let tag = format!("\"{head}\"");
    for at in ["/files/", "/files/?stat", "/files/?recursive&limit=1"] {
        let reply = served.get(at).expect(200);
        assert_eq!((&reply.headers["aeordb-version"], &reply.headers["etag"]), (&head, &tag));
        let known = [("if-none-match", tag.as_str())];
        served.send("GET", at, &known, b"").expect(304);
    }
    for at in ["/files/docs/", "/files/docs/?stat", "/files/docs/a.txt", "/readyz"] {
        assert_eq!(served.get(at).expect(200).headers["aeordb-version"], head, "{at}");
    }
    assert!(!served.get("/files/docs/").headers.contains_key("etag"));
    let before = served.get("/files/?version=v1").expect(200).headers["aeordb-version"].clone();
    assert_ne!(before, head);
    let stale = format!("\"{before}\"");
    let clear =
        |tag: &str| served.send("DELETE", "/files/docs?recursive", &[("if-match", tag)], b"");
    clear(&tag).problem(412, "changed");
    let promote = |tag: &str| {
        served.send("POST", "/admin/promote", &[("if-match", tag)], br#"{"hash": "v1"}"#)
    };
    promote(&stale).problem(412, "head-moved");
    promote(&tag).expect(200);
}

#[test]
fn a_body_that_is_coded_is_refused() {
    let served = Served::new();
    for coding in ["gzip", "br", "identity, gzip", "GZIP", "aws-chunked"] {
        for (method, path) in
            [("PUT", "/files/a"), ("PUT", "/files/t/?archive=tar"), ("POST", "/batch")]
        {
            let reply = served.send(method, path, &[("content-encoding", coding)], b"{}");
            assert_eq!(reply.headers["accept-encoding"], "identity");
            reply.problem(415, "unsupported");
        }
    }
    served.get("/files/a").problem(404, "not-found");
    served.send("PUT", "/files/a", &[("content-encoding", "identity")], b"x").expect(201);
}

#[test]
fn a_digest_is_checked_in_every_form_or_refused() {
    let served = Served::new();
    let body = b"hello";
    let right = [
        ("content-digest", format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))),
        ("content-digest", format!("sha-512=:{}:", BASE64.encode(&Sha512::digest(body)))),
        ("repr-digest", format!("sha-512=:{}:", BASE64.encode(&Sha512::digest(body)))),
        ("repr-digest", format!("md5=:AA==:, sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))),
        ("digest", format!("SHA-256={}", BASE64.encode(&Sha256::digest(body)))),
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==".to_owned()),
    ];
    for (name, value) in &right {
        let send = |path: &str, body: &[u8]| served.send("PUT", path, &[(name, value)], body);
        let path = format!("/files/{}", value.len());
        send(&path, b"other").problem(422, "damaged");
        served.get(&path).problem(404, "not-found");
        send(&path, body).expect(201);
        served.send("DELETE", &path, &[], b"").expect(204);
        served.send("POST", "/batch", &[(name, value)], b"{}").problem(422, "damaged");
    }
    for (name, value) in [
        ("content-digest", "md5=:XUFAKrxLKna5cZ2REBfFkg==:"),
        ("content-digest", "sha-256"),
        ("content-digest", ""),
        ("repr-digest", "crc32c=:AAAAAA==:"),
        ("content-md5", "hello"),
        ("digest", "SHA=AAAA"),
    ] {
        served.send("PUT", "/files/a", &[(name, value)], body).problem(400, "invalid");
    }
}

#[test]
fn a_digest_behind_the_body_is_checked_if_it_was_announced_and_refused_otherwise() {
    let served = Served::new();
    let put = |head: &str, trailer: &str| {
        let mut stream = served.connect();
        let key = &served.key;
        let request = format!(
            "PUT /files/a HTTP/1.1\r\nhost: test\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             transfer-encoding: chunked\r\n{head}\r\n5\r\nhello\r\n0\r\n{trailer}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Reply::read(&mut stream, false)
    };
    let digest = |bytes: &[u8]| {
        format!("Content-Digest: sha-256=:{}:\r\n", BASE64.encode(&Sha256::digest(bytes)))
    };
    let announced = "Trailer: X-Other, content-digest\r\n";
    put(announced, &digest(b"other")).problem(422, "damaged");
    put("", &digest(b"other")).problem(400, "invalid");
    put("", &digest(b"hello")).problem(400, "invalid");
    put("", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n").problem(400, "invalid");
    served.get("/files/a").problem(404, "not-found");
    put("Trailer: content-md5\r\n", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n").expect(201);
    put(announced, &digest(b"hello")).expect(200);
    put("", "X-Other: 1\r\n").expect(200);
}

#[test]
fn what_cannot_succeed_is_refused_before_its_body_is_asked_for() {
    let served = Served::new();
    served.put("/files/there", b"there");
    served.put("/files/d/x", b"x");
    let appender = served.new_key("append-only");
    let answer = |key: &str, path: &str, headers: &str, len: u64| {
        let mut stream = served.connect();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\nexpect: 100-continue\r\n\
             authorization: Bearer {key}\r\ncontent-length: {len}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        String::from_utf8_lossy(&start[9..]).into_owned()
    };
    let key = served.key.as_str();
    for (key, path, headers, status) in [
        (key, "/files/there", "if-none-match: *\r\n", "412"),
        (key, "/files/new", "if-match: *\r\n", "412"),
        (key, "/files/there/below/it", "", "400"),
        (key, "/files/d", "", "409"),
        (key, "/files/there/?archive=tar", "", "400"),
        (key, "/files/d/?archive=tar", "if-none-match: *\r\n", "412"),
        (key, "/files/new", "content-encoding: gzip\r\n", "415"),
        (key, "/files/new", "content-md5: x\r\n", "400"),
        (&appender, "/files/there", "", "403"),
        (key, "/files/new", "", "100"),
        (key, "/files/there", "", "100"),
        (&appender, "/files/new", "", "100"),
    ] {
        assert_eq!(answer(key, path, headers, 1_000_000), status, "{path} {headers}");
    }
    // It may be the same.
    assert_eq!(answer(&appender, "/files/there", "", 5), "100");
}

#[test]
fn what_is_done_again_is_no_conflict_and_writes_nothing() {
    let served = Served::with_versions();
    let export = served.get("/admin/export").expect(200).body;
    let patch = served.get("/files/docs?archive=aeordb").expect(200).body;
    let key = format!("Bearer {}", served.new_key("append-only,import"));
    let send = |method: &str, path: &str, body: &[u8]| {
        let kind = ("content-type", "application/vnd.aeordb");
        served.bare(method, path, &[("authorization", &key), kind], body)
    };
    let size = || served.path("data.aeordb").metadata().unwrap().len();
    send("POST", "/admin/import?snapshot=kept", &export).expect(200);
    send("POST", "/admin/snapshots", br#"{"name": "named"}"#).expect(201);
    let before = size();
    send("POST", "/admin/import?snapshot=kept", &export).expect(200);
    send("POST", "/admin/snapshots", br#"{"name": "named"}"#).expect(200);
    send("PUT", "/files/docs?archive=aeordb", &patch).expect(200);
    assert_eq!((size(), served.head()), (before, served.head()));
    send("POST", "/admin/snapshots", br#"{"name": "named", "version": "v1"}"#)
        .problem(409, "exists");
    send("POST", "/admin/import?snapshot=v1", &export).problem(409, "exists");
}

#[test]
fn a_key_that_may_only_append_puts_the_same_again() {
    let served = Served::new();
    let key = format!("Bearer {}", served.new_key("append-only"));
    let put = |path: &str, body: &[u8]| served.bare("PUT", path, &[("authorization", &key)], body);
    for body in [b"small".to_vec(), noise(3_000_000)] {
        let path = format!("/files/{}", body.len());
        put(&path, &body).expect(201);
        let head = served.head();
        put(&path, &body).expect(200);
        put(&path, b"other").problem(403, "forbidden");
        put(&path, &noise(2_999_999)).problem(403, "forbidden");
        assert_eq!(served.head(), head);
    }
}
