//! Puts a file on a server, names the version, and reads the file and its directory back.
//!
//! ```text
//! cargo run -p aeordb-client --example http -- http://127.0.0.1:3000 aeor_…
//! ```

#![allow(clippy::print_stdout, reason = "a program of the terminal")]

use std::collections::BTreeMap;

use aeordb::{Monitor, Path, Result};
use aeordb_api::parameter::Word;
use aeordb_api::table::{
    CreateSnapshot, GetReady, NoQuery, PutFiles, PutQuery, ReadFiles, ReadQuery,
};
use aeordb_api::versions::NewSnapshot;
use aeordb_client::{Client, Payload, json, place, stream};

/// Does all of it with the key `key`, and gives what was read: the bytes, and the names beside them.
pub fn life(url: &str, key: &str, text: &str) -> Result<(Vec<u8>, Vec<String>)> {
    let client = Client::new(url, key.into())?;
    println!("HEAD is {}", client.ask::<GetReady>(b"", &NoQuery {})?.head);

    // Bytes of any length go out as they are read.
    let path = Path::try_from("/notes/a.txt")?;
    let mut bytes = text.as_bytes();
    let payload = Payload::Bytes(&mut bytes, "text/plain");
    client.open::<PutFiles>(&place::place_of(&path), &PutQuery::default(), &[], payload)?;

    let (name, metadata) = ("monday".to_owned(), BTreeMap::new());
    let snapshot = NewSnapshot { name: name.clone(), version: None, metadata };
    client.open::<CreateSnapshot>(b"", &NoQuery {}, &[], json(&snapshot)?)?;

    // What is read is what had that name, whatever was put meanwhile.
    let query = ReadQuery { version: Some(Word(name)), ..ReadQuery::default() };
    let reply = client.open::<ReadFiles>(&place::place_of(&path), &query, &[], Payload::Empty)?;
    let mut read = Vec::new();
    stream::copy(reply, &mut read, &Monitor::new())?;

    let mut names = Vec::new();
    place::list(&client, &Path::try_from("/notes")?, &query, None, 1000, |path, _| {
        names.push(path.to_string());
        Ok(true)
    })?;
    Ok((read, names))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, key] = arguments.as_slice() else {
        return Err(aeordb::Error::invalid("usage: http URL KEY"));
    };
    let (read, names) = life(url, key, "first")?;
    println!("{} bytes; {}", read.len(), names.join(" "));
    Ok(())
}
