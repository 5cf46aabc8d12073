//! What takes space, and parity.

use aeordb_api::command::{HealedPieces, Parity};
use aeordb_api::space::{Amount, Space};

use super::Report;
use crate::text;

/// What the kinds of entries are called.
const LABELS: [(&str, &str); 6] = [
    ("chunk", "Chunks"),
    ("chunk list", "Chunk lists"),
    ("directory index", "Directory nodes"),
    ("version", "Versions"),
    ("system map", "System maps"),
    ("attribute set", "Attribute sets"),
];

fn amount(amount: &Amount) -> String {
    let Amount { entries, stored_bytes, .. } = *amount;
    format!("{} in {entries} entries", text::exact_size(stored_bytes))
}

/// What takes the space of a database.
pub fn space(found: &Space) -> Report {
    let report = Report::new("Space.", found)
        .line("File size", text::exact_size(found.file_bytes))
        .line("On disk", text::exact_size(found.allocated_bytes))
        .line("Live", amount(&found.live))
        .line("Dead", amount(&found.dead))
        .line("Voids", text::exact_size(found.void_bytes))
        .line("Releasable", text::exact_size(found.releasable_bytes));
    found.kinds.iter().fold(report, |report, of| {
        let label =
            LABELS.iter().find(|(kind, _)| *kind == of.kind).map_or("Others", |(_, is)| *is);
        report.line(label, amount(&of.amount))
    })
}

/// What `parity` made.
pub fn parity(made: &Parity) -> Report {
    Report::new("Parity made.", made)
        .line("Bytes", text::exact_size(made.bytes))
        .line("Pieces", format!("{} of {} bytes", made.pieces, made.piece_bytes))
        .line("Pieces of parity", made.parity_pieces)
        .line("File", format!("{}, {}", made.file, text::exact_size(made.file_bytes)))
}

/// What parity healed.
pub fn healed(found: &HealedPieces) -> Report {
    let title = match (found.is_whole, found.bad) {
        (true, 0) => "Nothing to heal.",
        (true, _) => "Healed by parity.",
        (false, _) => "More is damaged than parity heals: nothing was changed.",
    };
    Report::new(title, found)
        .line("Pieces", found.pieces)
        .line("Bad", found.bad)
        .line("Healed", found.healed)
        .line("Bad parity", found.bad_parity)
}
