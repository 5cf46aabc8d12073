//! `keep [RULES] [--dry-run] | --set RULES | --show | --unset`

use aeordb_api::retention::{Keep as Asked, Policies, Policy};
use clap::{ArgGroup, Args};

use crate::app::{App, Outcome};
use crate::args::key_value;
use crate::exit;
use crate::home::Home;
use crate::render;

const HELP: &str = "\
Of each hour, day, week (from Monday), month or year that has any snapshots the newest stays, for as \
many of them as the rule says; `unlimited` or -1 is without end. Where a rule could count more, the \
oldest snapshot stays as well. A snapshot stays that any rule keeps, or that is held. Snapshots that \
no pattern takes are left alone.

Newer is what was made later, whatever the clock said; hours and days are those of this machine, or of \
the server, by its time zone (TZ). A DURATION is 12h, 30d, 8w, 6mo or 1y; m are minutes.

Without rules those apply that --set stored in the database, one set for each pattern of --name. Where \
several take a snapshot, it stays if any of them keeps it. Only names go: the bytes come back with a \
`gc`, once history lets go of them too.

Examples:
  aeordb keep --last 7 --daily 30 --monthly 24 --dry-run
  aeordb keep --set --name 'host/*' --group-by prefix --daily 30 --weekly 8 --yearly unlimited
  aeordb keep --show
  aeordb keep";

/// Remove the snapshots that rules of retention do not keep
#[derive(Args, Debug)]
#[command(after_help = HELP)]
#[command(group = ArgGroup::new("rules").multiple(true).args(
    ["last", "within", "hourly", "daily", "weekly", "monthly", "yearly"]))]
pub struct Keep {
    /// Keep so many of the newest
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub last: Option<i64>,
    /// Keep all that are no older than this, seen from the newest
    #[arg(long, value_name = "DURATION")]
    pub within: Option<String>,
    /// Keep the newest of each of so many hours
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub hourly: Option<i64>,
    /// Keep the newest of each of so many days
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub daily: Option<i64>,
    /// Keep the newest of each of so many weeks
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub weekly: Option<i64>,
    /// Keep the newest of each of so many months
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub monthly: Option<i64>,
    /// Keep the newest of each of so many years
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub yearly: Option<i64>,
    /// Only snapshots whose name fits; `*` stands for anything, `/` too
    #[arg(long, value_name = "GLOB")]
    pub name: Option<String>,
    /// Only snapshots that have this metadata; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, requires = "rules")]
    pub meta: Vec<(String, String)>,
    /// Judge groups by themselves: `prefix`, a name up to its last slash, or keys of metadata
    #[arg(long, value_name = "KEY,...", value_delimiter = ',', requires = "rules")]
    pub group_by: Vec<String>,
    /// Only say what stays, and why, and what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Store the rules in the database, in the place of those for the same --name
    #[arg(long, requires = "rules", conflicts_with_all = ["dry_run", "show", "unset"])]
    pub set: bool,
    /// Show the rules that are stored
    #[arg(long, conflicts_with_all = ["rules", "name", "dry_run", "unset"])]
    pub show: bool,
    /// Remove the stored rules for this --name, or those without one
    #[arg(long, conflicts_with_all = ["rules", "dry_run"])]
    pub unset: bool,
}

/// A number, or no end.
fn count(text: &str) -> Result<i64, String> {
    match text {
        "unlimited" | "-1" => Ok(-1),
        text => match text.parse() {
            Ok(count) if count >= 0 => Ok(count),
            _ => Err("a number or `unlimited` is expected".into()),
        },
    }
}

pub fn run(app: &mut App, home: &dyn Home, args: Keep) -> Outcome {
    let Keep { last, within, hourly, daily, weekly, monthly, yearly, .. } = args;
    let counts = [last, hourly, daily, weekly, monthly, yearly];
    let has_rules = within.is_some() || counts.iter().any(Option::is_some);
    let [last, hourly, daily, weekly, monthly, yearly] = counts.map(Option::unwrap_or_default);
    let (name, metadata) = (args.name, args.meta.into_iter().collect());
    if args.show {
        let stored = home.policies(app)?;
        return show(app, &stored);
    }
    if args.unset {
        let left = home.remove_policy(app, name.as_deref())?;
        return show(app, &left);
    }
    if name.is_some() && !has_rules {
        return Err(aeordb::Error::invalid("--name says which snapshots, rules what stays").into());
    }
    let group_by = args.group_by;
    let policy =
        Policy { name, metadata, group_by, last, hourly, daily, weekly, monthly, yearly, within };
    if args.set {
        let stored = home.set_policy(app, policy)?;
        return show(app, &stored);
    }
    let asked = Asked { policy: has_rules.then_some(policy), dry_run: args.dry_run };
    let kept = home.keep(app, asked)?;
    app.report(&render::kept(&kept))?;
    Ok(exit::DONE)
}

/// Prints stored rules, as they are typed.
fn show(app: &mut App, policies: &Policies) -> Outcome {
    for policy in &policies.items {
        match app.global.json {
            true => app.out.json(policy)?,
            false if app.global.quiet => {}
            false => app.out.line(&render::policy(policy))?,
        }
    }
    Ok(exit::DONE)
}
