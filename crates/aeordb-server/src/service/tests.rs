//! The service through a door that is no HTTP.

use std::collections::VecDeque;

use bytes::Bytes;

use super::conditions::{Conditions, Tags};
use super::listing::Listing;
use super::pieces::Pieces;
use super::upload::{Announced, Put, Stored};
use super::*;

/// What a sender sends that is a list.
struct Sent(VecDeque<Bytes>);

impl Sent {
    fn new(text: &str) -> Sent {
        let pieces = text.as_bytes().chunks(100_000).map(Bytes::copy_from_slice);
        Sent(pieces.collect())
    }
}

impl Pieces for Sent {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        Ok(self.0.pop_front())
    }

    async fn next_kept(&mut self) -> Result<Option<Bytes>, Problem> {
        self.next().await
    }
}

fn asker(append_only: bool) -> Asker {
    let mut rights = Rights::admin();
    rights.append_only = append_only;
    Asker { key: "door".into(), rights }
}

async fn put(
    service: &Arc<Service>,
    asker: &Asker,
    path: &str,
    text: &str,
    conditions: Conditions,
) -> Result<Stored, Problem> {
    let put = Put { path: Path::parse(path.as_bytes()).unwrap(), content_type: None, conditions };
    let announced = Announced { len: Some(text.len() as u64), waits: false };
    service.put(asker, put, announced, Sent::new(text)).await
}

async fn names(service: &Arc<Service>) -> Vec<String> {
    let reader = service.reader().unwrap();
    let (version, page) = (reader.head(), Listing { limit: 10, ..Listing::default() });
    let page = service.list(reader, version, Path::root(), page).await.unwrap();
    page.items.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn a_door_puts_lists_reads_and_removes_without_a_request() {
    let (_directory, runtime, app) = crate::testing::app();
    let service = &app.service;
    runtime.block_on(async {
        let large = "large ".repeat(100_000);
        for (path, text) in [("/a", "small"), ("/b", large.as_str())] {
            let stored = put(service, &asker(false), path, text, Conditions::default()).await;
            assert!(stored.unwrap().created);
        }
        assert_eq!(names(service).await, ["a", "b"]);
        let reader = service.reader().unwrap();
        let found = std::io::read_to_string(reader.open(&reader.head(), "/b").unwrap()).unwrap();
        assert!(found == large);
        let place = Place { path: Path::parse(b"/a").unwrap(), slash: false };
        service.remove(place, false, Conditions::default()).await.unwrap();
        assert_eq!(names(service).await, ["b"]);
        let stream = service.archive(service.reader().unwrap(), reader.head(), Path::root());
        let (mut written, monitor) = (Vec::new(), Monitor::new());
        stream.await.unwrap().write(&service.counters, &mut written, &monitor).unwrap();
        assert!(written.len() > large.len());
    });
}

#[test]
fn what_a_door_demands_and_what_its_key_may_not_do_is_refused_with_a_cause() {
    let (_directory, runtime, app) = crate::testing::app();
    let service = &app.service;
    let tags = |any, tags: &[&str]| {
        Some(Tags { any, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() })
    };
    runtime.block_on(async {
        let admin = asker(false);
        let new = Conditions { wanted: None, unwanted: tags(true, &[]) };
        let stored = put(service, &admin, "/a", "one", new.clone()).await.unwrap();
        let again = put(service, &admin, "/a", "two", new).await.err().unwrap();
        assert!(matches!(*again.cause, aeordb_api::Cause::Changed { .. }), "{again:?}");
        let known = stored.content_hash.to_string();
        let wanted = Conditions { wanted: tags(false, &["other", &known]), unwanted: None };
        put(service, &admin, "/a", "three", wanted.clone()).await.unwrap();
        assert!(put(service, &admin, "/a", "four", wanted).await.is_err());
        let refused = put(service, &asker(true), "/a", "five", Conditions::default()).await;
        let refused = refused.err().unwrap();
        assert!(matches!(*refused.cause, aeordb_api::Cause::Forbidden {}), "{refused:?}");
        let (from, to) = ("/a", "/b");
        let place =
            |path: &str| Place { path: Path::parse(path.as_bytes()).unwrap(), slash: false };
        let appender = asker(true);
        let moved = service.rename(&appender, place(from), place(to), false, Conditions::default());
        assert!(moved.await.is_err());
        assert_eq!(names(service).await, ["a"]);
    });
}
