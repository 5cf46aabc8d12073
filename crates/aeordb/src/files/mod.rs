//! Local trees in and out.

mod beneath;
mod bound;
mod cache;
mod choose;
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
mod resume;
mod rights;
mod scan;
mod temporary;
mod walk;

pub use bound::{MaxDelete, Replaced};
pub use cache::Ignored;
pub use choose::{Choice, Listed, Patterns, PatternsBuilder};
pub use extended::{KeepOptions, is_kept};
pub use get::{Foreseen, Found, GetOptions, GetReport, Getting, Overwrite, OwnerMap, Part, Wanted};
pub use get::{compare, get};
pub use owners::Numbers;
pub use put::{Did, PutOptions, PutReport, Source, Tell, Told, put, put_telling};
pub use resume::CHECKPOINT_INTERVAL;
pub use rights::with_list;

#[cfg(test)]
mod tests;
