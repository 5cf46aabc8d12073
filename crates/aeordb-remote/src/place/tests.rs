#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn object_at(text: &str) -> Place {
    match parse(OsStr::new(text)).unwrap() {
        Named::Object(place) => place,
        Named::File(path) => panic!("{text} became the file {}", path.display()),
    }
}

fn refusal(text: &str) -> String {
    parse(OsStr::new(text)).unwrap_err().to_string()
}

#[test]
fn urls_name_objects_and_paths_stay_paths() {
    let place = object_at("s3://bucket/a/b c.aeordb");
    assert_eq!((place.keeper, place.bucket.as_str()), (Keeper::S3, "bucket"));
    assert_eq!((place.key.as_str(), place.endpoint), ("a/b c.aeordb", None));
    assert_eq!(object_at("gs://b/k").keeper, Keeper::Google);
    assert_eq!(object_at("az://c/k").keeper, Keeper::Azure);
    assert_eq!(object_at("https://host/dir/k").key, "dir/k");
    for path in ["full.aeordb", "./s3://x/y", "s3:name/12:30", "12:30/full.aeordb", "s3:x"] {
        assert_eq!(parse(OsStr::new(path)).unwrap(), Named::File(path.into()), "{path}");
    }
    let local = Named::File("/tmp/a b.aeordb".into());
    assert_eq!(parse(OsStr::new("file:///tmp/a%20b.aeordb")).unwrap(), local);
}

#[test]
fn the_form_that_names_the_server_first_is_understood() {
    let place = object_at("s3:minio.example:9000/bucket/dir/k");
    assert_eq!(place.endpoint.as_deref(), Some("https://minio.example:9000"));
    assert_eq!((place.bucket.as_str(), place.key.as_str()), ("bucket", "dir/k"));
    assert_eq!(place.shown, "s3:https://minio.example:9000/bucket/dir/k");
    let place = object_at("s3:http://127.0.0.1:9000/bucket/k");
    assert_eq!(place.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
}

#[test]
fn no_secret_in_a_url_is_taken_or_repeated() {
    for text in [
        "s3://key:sesame@bucket/k",
        "https://me:sesame@host/k",
        "https://host/k?sig=sesame",
        "s3:https://me:sesame@host/bucket/k",
    ] {
        let said = refusal(text);
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn a_bucket_alone_an_odd_key_and_plain_http_are_refused() {
    assert!(refusal("s3://bucket").contains("names no object"));
    assert!(refusal("s3://bucket/dir/").contains("names no object"));
    assert!(refusal("s3://bucket/a/../b").contains("no . or .."));
    assert!(refusal("s3:///key").contains("bucket's name"));
    assert!(refusal("http://backup.example/k").contains("plain text"));
    assert!(refusal("file://elsewhere/k").contains("three slashes"));
    assert_eq!(object_at("http://127.0.0.1:8000/k").bucket, "http://127.0.0.1:8000");
    assert_eq!(object_at("http://[::1]:8000/k").bucket, "http://[::1]:8000");
}
