use std::thread;

use aeordb::db::Options;
use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;

use super::*;
use crate::routes::router;
use crate::service::WRITERS_MAX;

/// What all requests to a new database share, and a key that may do everything.
fn app() -> (TempDir, Arc<App>, String) {
    app_with(&Options::default())
}

fn app_with(options: &Options) -> (TempDir, Arc<App>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.aeordb");
    let database = Database::open_or_create(&path, options).unwrap();
    let backups = BackupDirectory::open(
        &directory.path().join("backups"),
        &directory.path().join("data.aeordb"),
    )
    .unwrap();
    let deadlines = Deadlines { turn: Duration::from_millis(50), ..Deadlines::default() };
    let app = App::new(Arc::new(database), backups, deadlines, log::Level::Errors).unwrap();
    let (_, key) = app.create_key(new("first")).unwrap();
    (directory, app, key)
}

fn new(name: &str) -> NewKey {
    NewKey { name: name.into(), rights: Rights::admin(), within: None, expires_at: None }
}

async fn send(router: Router, key: String, method: Method, path: String, body: String) -> Response {
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header("host", "test")
        .body(Body::from(body))
        .unwrap();
    TowerToHyperService::new(router).call(request).await.unwrap()
}

#[test]
fn whoever_makes_and_revokes_keys_at_once_finds_every_one_as_it_was_committed() {
    let (_directory, app, first) = app();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let (key, text) = app.create_key(new("short")).unwrap();
                    let now = app.service.database.clock().now();
                    assert!(app.keys().open(&text, now).is_some());
                    app.revoke_key(&key.id, &Rights::admin()).unwrap().unwrap();
                    assert!(app.keys().open(&text, now).is_none());
                }
            });
        }
    });
    assert!(app.keys().open(&first, app.service.database.clock().now()).is_some());
}

/// As many requests as there are threads, and more, wait for a writer that is not given up before
/// a reader was served.
#[test]
fn a_reader_never_waits_for_those_who_wait_for_the_writer() {
    let (_directory, app, key) = app();
    let router = router(&app);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(WRITERS_MAX + 8)
        .enable_all()
        .build()
        .unwrap();
    let writer = app.service.database.writer().unwrap();
    runtime.block_on(async {
        let mut waiting = tokio::task::JoinSet::new();
        for n in 0..300 {
            let (path, body) = match n % 3 {
                0 => ("/admin/snapshots", format!("{{\"name\": \"s{n}\"}}")),
                1 => ("/admin/keys", format!("{{\"name\": \"k{n}\", \"scopes\": [\"read\"]}}")),
                _ => ("/admin/promote", format!("{{\"hash\": \"{}\"}}", "0".repeat(64))),
            };
            let (router, key) = (router.clone(), key.clone());
            waiting.spawn(send(router, key, Method::POST, path.into(), body));
        }
        for _ in 0..300 - WRITERS_MAX {
            let reply = waiting.join_next().await.unwrap().unwrap();
            // Of the versions, one is unknown without asking the writer.
            if reply.status() != StatusCode::NOT_FOUND {
                assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert!(reply.headers().contains_key(RETRY_AFTER));
            }
        }
        let path = "/files/".to_owned();
        let read = send(router.clone(), key.clone(), Method::GET, path, String::new());
        assert_eq!(read.await.status(), StatusCode::OK);
        drop(writer);
        while let Some(reply) = waiting.join_next().await {
            assert_ne!(reply.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    });
}

#[test]
fn whatever_is_put_behind_a_long_writer_is_told_in_bounds_and_not_made_later() {
    let wait_max = Some(Duration::from_millis(50));
    let (_directory, app, key) = app_with(&Options { wait_max, ..Options::default() });
    let router = router(&app);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let writer = app.service.database.writer().unwrap();
    runtime.block_on(async {
        let ask = |method: Method, path: &str, body: String| {
            send(router.clone(), key.clone(), method, path.to_owned(), body)
        };
        let large = "x".repeat(3_000_000);
        for (method, path, body) in [
            (Method::PUT, "/files/small", "small".to_owned()),
            (Method::PUT, "/files/large", large.clone()),
            (Method::DELETE, "/files/nothing", String::new()),
            (Method::POST, "/admin/keys", "{\"name\": \"k\", \"scopes\": [\"read\"]}".to_owned()),
        ] {
            let reply = ask(method, path, body).await;
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(reply.headers().contains_key(RETRY_AFTER));
        }
        drop(writer);
        for path in ["/files/small", "/files/large"] {
            let read = ask(Method::GET, path, String::new()).await;
            assert_eq!(read.status(), StatusCode::NOT_FOUND, "{path}");
            let put = ask(Method::PUT, path, large.clone()).await;
            assert_eq!(put.status(), StatusCode::CREATED, "{path}");
        }
    });
}
