//! Backup files that are called by URLs, where the program was built with what reaches them.

use std::ffi::OsStr;

pub use reach::{create, file, install, is_refused, is_url, stop};

/// True if this is the URL of a backup that no file of this machine is.
pub fn is_elsewhere(name: &OsStr) -> bool {
    is_url(name) && !name.to_string_lossy().to_ascii_lowercase().starts_with("file:")
}

#[cfg(feature = "remote")]
mod reach {
    use std::ffi::OsStr;
    use std::path::PathBuf;

    use aeordb::{Error, Result};
    use aeordb_remote::{Named, Refused};
    pub use aeordb_remote::{create, install, is_url, stop};

    /// The path that an argument is, or that `file://` names; `None` if it names something elsewhere.
    pub fn file(argument: &OsStr) -> Result<Option<PathBuf>> {
        Ok(match aeordb_remote::parse(argument)? {
            Named::File(path) => Some(path),
            Named::Object(_) => None,
        })
    }

    /// True if whoever keeps the object did not let us.
    pub fn is_refused(error: &Error) -> bool {
        let Error::Io { source, .. } = error else { return false };
        source.get_ref().is_some_and(|inner| inner.is::<Refused>())
    }
}

#[cfg(not(feature = "remote"))]
mod reach {
    use std::convert::Infallible;
    use std::ffi::OsStr;
    use std::io::{self, Write};
    use std::path::PathBuf;

    use aeordb::{Error, Result};

    pub fn install() {}

    pub fn stop() {}

    pub fn is_url(_: &OsStr) -> bool {
        false
    }

    pub fn is_refused(_: &Error) -> bool {
        false
    }

    pub fn file(argument: &OsStr) -> Result<Option<PathBuf>> {
        Ok(Some(argument.into()))
    }

    /// There is none.
    pub struct Output(Infallible);

    pub fn create(output: &OsStr, _: Option<u64>) -> Result<Output> {
        let output = output.to_string_lossy();
        Err(Error::invalid(format!("{output}: this aeordb was built without object storage")))
    }

    impl Output {
        pub fn publish(&mut self) -> Result<()> {
            match self.0 {}
        }
    }

    impl Write for Output {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            match self.0 {}
        }

        fn flush(&mut self) -> io::Result<()> {
            match self.0 {}
        }
    }
}
