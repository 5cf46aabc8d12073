//! A verification of the database, and what is counted and told of it.

use aeordb::backup::{self, Portion, VerifyReport};
use aeordb::error::Error;
use aeordb::monitor::Monitor;
use aeordb_api::jobs::Verification;
use serde_json::{Value, to_value};

use crate::log;
use crate::service::Service;
use crate::service::problem::Problem;

/// Damages that are told one by one.
const TOLD_MAX: usize = 20;

/// Verifies the database, or a part of it.
pub fn verify(
    service: &Service,
    deep: bool,
    portion: Option<Portion>,
    monitor: &Monitor,
) -> Result<VerifyReport, Problem> {
    // It is opened by its path, where nothing or another file may be by now.
    service.look_at_file()?;
    let path = service.database.path();
    let verified = match portion {
        Some(portion) => backup::verify_part(path, &portion, monitor),
        None => backup::verify(path, deep, monitor),
    };
    let report = verified.map_err(|error| match error {
        Error::NotFound(_) | Error::Foreign { .. } => Problem::read_only(),
        other => other.into(),
    })?;
    service.counters.verification(service.database.clock().now(), report.damages.len());
    for warning in monitor.take_warnings() {
        log::event("warning", &[("detail", warning.into())]);
    }
    tell(&Verification::from(&report));
    Ok(report)
}

/// What a verification found, as events of the log: one for itself, one for each damage.
fn tell(found: &Verification) {
    let Verification { deep, versions, objects, blocks, bytes, damages, sample, pass, .. } = found;
    let mut members: Vec<(&str, Value)> = vec![
        ("deep", (*deep).into()),
        ("versions", (*versions).into()),
        ("objects", (*objects).into()),
        ("blocks", (*blocks).into()),
        ("bytes", (*bytes).into()),
        ("damages", damages.len().into()),
    ];
    members.extend(sample.as_ref().map(|share| ("sample", share.as_str().into())));
    members.extend(pass.as_ref().and_then(|pass| Some(("pass", to_value(pass).ok()?))));
    log::event("verification", &members);
    for damage in damages.iter().take(TOLD_MAX) {
        let Ok(Value::Object(members)) = to_value(damage) else { continue };
        let members: Vec<_> =
            members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        log::event("damage", &members);
    }
}
