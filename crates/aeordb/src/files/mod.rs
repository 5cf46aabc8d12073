//! Local trees in and out.

mod cache;
mod get;
mod load;
mod put;
mod scan;

pub use get::{GetOptions, GetReport, Overwrite, get};
pub use put::{PutOptions, PutReport, Source, put};
