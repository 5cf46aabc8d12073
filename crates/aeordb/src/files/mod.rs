//! Local trees in and out.

mod beneath;
mod bound;
mod cache;
mod clocks;
mod count;
mod extended;
mod get;
mod links;
mod load;
mod old;
mod owners;
mod put;
mod read;
mod rights;
mod scan;
mod temporary;
mod walk;

pub use bound::{MaxDelete, Replaced};
pub use extended::KeepOptions;
pub use get::{GetOptions, GetReport, Overwrite, OwnerMap, Wanted, get};
pub use put::{PutOptions, PutReport, Source, put};

#[cfg(test)]
mod tests;
