//! What the Python package `aeordb` stands on: one class over a file or a server, which takes paths as
//! bytes and gives reports as JSON, in the words of `aeordb-api`. The package makes them Python's own.

mod call;
mod content;
mod file;
mod handle;
mod home;
mod pages;
mod server;
mod wishes;

use pyo3::prelude::*;

/// The native part of the package `aeordb`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::content::Content;
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::pages::Pages;
}
