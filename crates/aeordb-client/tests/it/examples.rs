//! The examples, run against a server of this test's own.

use aeordb_server::{Config, Level, Server};

#[path = "../../examples/http.rs"]
#[allow(dead_code, reason = "its `main` is run by cargo alone")]
mod http;

#[test]
fn the_example_over_http_reads_what_it_put_whatever_was_put_meanwhile() {
    let place = tempfile::tempdir().unwrap();
    let mut config = Config::new(place.path().join("data.aeordb"), "127.0.0.1:0".parse().unwrap());
    config.level = Level::Errors;
    let server = Server::start(config).unwrap();
    let url = format!("http://{}", server.address());
    let (key, stop) = (server.first_key().unwrap().to_owned(), server.stop());
    std::thread::scope(|scope| {
        let running = scope.spawn(move || server.run());
        let done = http::life(&url, &key, "first");
        // The name is taken by now.
        let again = http::life(&url, &key, "second");
        let refused = http::life(&url, "not a key", "third");
        stop.stop();
        running.join().unwrap().unwrap();
        assert_eq!(done.unwrap(), (b"first".to_vec(), vec!["/notes/a.txt".to_owned()]));
        assert!(matches!(again, Err(aeordb::Error::Exists(_))), "{again:?}");
        assert!(refused.is_err());
    });
}
