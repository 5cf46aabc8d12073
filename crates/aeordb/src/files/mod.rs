//! Local trees in and out.

mod attributes;
mod beneath;
mod bound;
mod cache;
mod clocks;
mod count;
mod get;
mod load;
mod old;
mod put;
mod read;
mod rights;
mod scan;
mod temporary;
mod walk;

pub use bound::{MaxDelete, Replaced};
pub use get::{GetOptions, GetReport, Overwrite, get};
pub use put::{PutOptions, PutReport, Source, put};

#[cfg(test)]
mod tests;
