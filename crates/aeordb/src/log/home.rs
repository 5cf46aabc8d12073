//! A file of ours as a home: its log, and its appender where it was opened for writing.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::log::appender::Appender;
use crate::log::{Log, View};
use crate::store::{Home, Transaction};

/// An open file, and who may write to it.
pub struct LogHome {
    log: Log,
    appender: Option<Mutex<Appender>>,
}

/// Holds the appender; dropped without a commit, it takes everything back.
pub struct Appending<'h>(MutexGuard<'h, Appender>);

impl LogHome {
    /// A file that is only read.
    pub fn reading(log: Log) -> Self {
        LogHome { log, appender: None }
    }

    /// A file that is written to, whose writer's lock the appender holds.
    pub fn writing((log, appender): (Log, Appender)) -> Self {
        LogHome { log, appender: Some(Mutex::new(appender)) }
    }

    /// The file.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The appender, if the file was opened for writing.
    pub fn appender(&self) -> Option<&Mutex<Appender>> {
        self.appender.as_ref()
    }

    /// The appender of a file that nobody else uses any more.
    pub fn into_appender(self) -> Option<Appender> {
        let appender = self.appender?;
        Some(appender.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Home for LogHome {
    type View = View;
    type Changes = Appender;
    type Begun<'h> = Appending<'h>;

    fn view(&self) -> Result<View> {
        self.log.view()
    }

    fn begin(&self) -> Result<Appending<'_>> {
        let appender = self.appender.as_ref().ok_or_else(|| Error::ReadOnly {
            what: self.log.source().name().into(),
            why: "it was opened for reading".into(),
        })?;
        Ok(Appending(appender.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Deref for Appending<'_> {
    type Target = Appender;

    fn deref(&self) -> &Appender {
        &self.0
    }
}

impl DerefMut for Appending<'_> {
    fn deref_mut(&mut self) -> &mut Appender {
        &mut self.0
    }
}

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        self.0.rollback();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::media::simulated::SimulatedDisk;
    use crate::media::{FileMedia, Media, MemoryMedia};
    use crate::pool::Pool;
    use crate::store::conformance;

    fn open(media: Arc<dyn Media>) -> LogHome {
        let pool = Arc::new(Pool::new(1));
        let holder = || "somebody".to_owned();
        LogHome::writing(Log::open_writer(media, "it", pool, Clock::default(), holder).unwrap())
    }

    #[test]
    fn a_file_is_a_home() {
        conformance::check(&|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let file = FileMedia::create(&path).unwrap();
            file.publish().unwrap();
            Log::create(&file, "it", [1; 16]).unwrap();
            drop(file);
            Box::new(move || {
                let _alive = &folder;
                open(Arc::new(FileMedia::open_write(&path).unwrap()))
            })
        });
    }

    #[test]
    fn memory_with_a_log_in_it_is_a_home() {
        conformance::check(&|| {
            let memory = MemoryMedia::new();
            Log::create(&memory, "it", [1; 16]).unwrap();
            Box::new(move || open(Arc::new(memory.clone())))
        });
    }

    #[test]
    fn a_simulated_disk_is_a_home() {
        conformance::check(&|| {
            let disk = SimulatedDisk::new([]);
            Log::create(&disk.open(), "it", [1; 16]).unwrap();
            Box::new(move || open(Arc::new(disk.open())))
        });
    }
}
