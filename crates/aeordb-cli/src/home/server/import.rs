//! `import` through a server.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use aeordb::backup;
use aeordb::hash::VersionId;
use aeordb::media::NewFile;
use aeordb::monitor::Monitor;
use aeordb_api::backups::{Import, OnConflict, Side};
use aeordb_api::parameter::Word;
use aeordb_api::table::{DiffQuery, GetReady, ImportQuery, NoQuery, StreamPatch};
use aeordb_client::import;
use aeordb_client::stream::fetch;

use super::Server;
use crate::app::App;
use crate::args;
use crate::cmd;
use crate::exit::{About, Attempt, Subject};

impl Server {
    /// Imports without moving HEAD, fetches the patch that leads back, then moves HEAD if it is
    /// still what the patch leads to.
    pub fn import_with_undo(
        &self,
        app: &mut App,
        args: &args::Import,
        undo: &Path,
    ) -> Attempt<Import> {
        let client = &self.client;
        let mut file = NewFile::create(undo).about(Subject::Backup)?;
        let head = client.ask::<GetReady>(b"", &NoQuery {}).about(Subject::Database)?.head;
        let head = VersionId::from(head);
        app.watched(|_, monitor| {
            let mut report = self.send(args, false, Some(head), monitor)?;
            let (from, to) = (Word(report.version.to_string()), Some(Word(head.to_string())));
            let query = DiffQuery { from, to, ..DiffQuery::default() };
            let fetched = fetch::<StreamPatch>(client, &query, &mut file, monitor);
            let (_, bytes) = fetched.about(Subject::Version)?;
            file.publish().about(Subject::Backup)?;
            let promoted = import::promote(client, &report.version.to_string(), Some(head));
            if let Err(failure) = promoted.about(Subject::Version) {
                // There is nothing to undo.
                let _ = fs::remove_file(undo);
                return Err(failure);
            }
            (report.promoted, report.undo_bytes) = (true, Some(bytes));
            Ok(report)
        })
    }

    pub fn send(
        &self,
        args: &args::Import,
        promote: bool,
        expect: Option<VersionId>,
        monitor: &Arc<Monitor>,
    ) -> Attempt<Import> {
        let query = ImportQuery {
            promote,
            force: args.force,
            merge: args.merge.then_some(match (args.theirs, args.ours) {
                (true, _) => OnConflict::Side(Side::Theirs),
                (_, true) => OnConflict::Side(Side::Ours),
                _ => OnConflict::Merge(true),
            }),
            snapshot: args.snapshot.clone().map(Word),
            undo: None,
        };
        let inputs = cmd::import::inputs(args.given().to_vec(), monitor)?;
        backup::look_ahead(&inputs).about(Subject::Backup)?;
        import::import(&self.client, inputs, args.given(), &query, expect).about(Subject::Backup)
    }
}
