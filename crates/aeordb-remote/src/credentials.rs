//! Who we are to S3, as people have it set up: the environment, a profile of `~/.aws` with keys or a
//! program that gives them, the command line of AWS for the rest (single sign-on, roles), the
//! container or the machine. What cannot be answered is said at once.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aeordb::{Error, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use object_store::CredentialProvider;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use serde::Deserialize;

use crate::place::Place;

/// What is known of an account before anybody is asked.
#[derive(Default)]
pub struct Account {
    /// Gives the keys, where the store does not find them by itself.
    pub provider: Option<AwsCredentialProvider>,
    /// The region of the profile.
    pub region: Option<String>,
    /// The server of the profile.
    pub endpoint: Option<String>,
}

/// The section of a profile, from both files.
type Profile = BTreeMap<String, String>;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Finds the account for `place`.
pub fn aws(place: &Place) -> Result<Account> {
    let named = variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE"));
    let profile = profile(named.as_deref().unwrap_or("default"))?;
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| variable(name));
    let of = |key: &str| profile.as_ref().and_then(|profile| profile.get(key)).cloned();
    let region = region.or_else(|| of("region"));
    let mut account = Account { provider: None, region, endpoint: of("endpoint_url") };
    let skips = variable("AWS_SKIP_SIGNATURE").is_some_and(|value| value == "true");
    let has = |names: &[&str]| names.iter().all(|name| variable(name).is_some());
    if skips
        || has(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
        || has(&["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"])
        || has(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
        || has(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    {
        return Ok(account);
    }
    match (profile, named) {
        (Some(profile), name) => {
            let name = name.unwrap_or_else(|| "default".into());
            if let Some(provider) = of_profile(&name, &profile)? {
                account.provider = Some(provider);
                return Ok(account);
            }
        }
        (None, Some(name)) => {
            return Err(Error::invalid(format!(
                "AWS_PROFILE is {name}, and neither ~/.aws/config nor ~/.aws/credentials has it"
            )));
        }
        (None, None) => {}
    }
    if machine_answers() {
        return Ok(account);
    }
    Err(Error::invalid(format!(
        "no credentials for {}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a \
         profile of ~/.aws (for a public bucket AWS_SKIP_SIGNATURE=true)",
        place.shown
    )))
}

/// Whether the machine has a service that gives keys, as those of a cloud have.
fn machine_answers() -> bool {
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true") {
        return false;
    }
    let endpoint = variable("AWS_METADATA_ENDPOINT");
    let url = endpoint.as_deref().unwrap_or("http://169.254.169.254");
    let Ok(url) = url::Url::parse(url) else { return false };
    let address = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let Ok(found) = address.to_socket_addrs() else { return false };
    found.into_iter().any(|address| gives_a_token(address).unwrap_or(false))
}

/// Whether the first thing that is asked of such a service is answered as it does. Where there is none,
/// something of the network may still answer.
fn gives_a_token(address: SocketAddr) -> io::Result<bool> {
    let wait_max = Duration::from_millis(500);
    let mut service = TcpStream::connect_timeout(&address, wait_max)?;
    service.set_read_timeout(Some(wait_max))?;
    service.set_write_timeout(Some(wait_max))?;
    let request = "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 0\r\n\
                   X-aws-ec2-metadata-token-ttl-seconds: 60\r\nConnection: close\r\n\r\n";
    service.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    service.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

/// The keys of a profile; none if it has nothing to do with keys.
fn of_profile(name: &str, profile: &Profile) -> Result<Option<AwsCredentialProvider>> {
    let of = |key: &str| profile.get(key).filter(|value| !value.is_empty());
    if let (Some(key_id), Some(secret_key)) = (of("aws_access_key_id"), of("aws_secret_access_key"))
    {
        let token = of("aws_session_token").cloned();
        let key = AwsCredential { key_id: key_id.clone(), secret_key: secret_key.clone(), token };
        return Ok(Some(Arc::new(object_store::StaticCredentialProvider::new(key))));
    }
    let mut command = match of("credential_process") {
        Some(line) => {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            command
        }
        None if profile.keys().any(|key| key.starts_with("sso_") || key == "role_arn") => {
            let mut command = Command::new("aws");
            command.args(["configure", "export-credentials", "--format", "process"]);
            command.args(["--profile", name]);
            command
        }
        None => return Ok(None),
    };
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let program =
        Program { name: name.to_owned(), command: Mutex::new(command), last: Mutex::default() };
    // What is wrong with it is said before any work is done.
    program.keys().map_err(|why| Error::invalid(format!("profile {name} of ~/.aws: {why}")))?;
    Ok(Some(Arc::new(program)))
}

/// A program that prints keys.
struct Program {
    name: String,
    command: Mutex<Command>,
    last: Mutex<Option<(Arc<AwsCredential>, Option<Timestamp>)>>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program of profile {}", self.name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Keys that are good for less than this are asked for anew.
const MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

impl Program {
    fn keys(&self) -> std::result::Result<Arc<AwsCredential>, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, until)) = &*last
            && until.is_none_or(|until| until.duration_since(Timestamp::now()) > MARGIN)
        {
            return Ok(key.clone());
        }
        let mut command = self.command.lock().unwrap_or_else(PoisonError::into_inner);
        let program = command.get_program().to_string_lossy().into_owned();
        let run = command.output().map_err(|error| match program.as_str() {
            "aws" => format!(
                "it needs the command line of AWS (version 2), which cannot be run: {error}; or set \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
            _ => format!("credential_process cannot be run: {error}"),
        })?;
        if !run.status.success() {
            let hint = if program == "aws" { "; `aws sso login` may help" } else { "" };
            return Err(format!("the program that gives the keys ended with {}{hint}", run.status));
        }
        // Why it cannot be read might quote the secret.
        let printed: Printed = serde_json::from_slice(&run.stdout).map_err(|_| {
            "the program printed no AccessKeyId and SecretAccessKey as JSON".to_owned()
        })?;
        let key = Arc::new(AwsCredential {
            key_id: printed.access_key_id,
            secret_key: printed.secret_access_key,
            token: printed.session_token,
        });
        // A time that cannot be read is taken for one that is over: the program is asked again.
        let until = printed.expiration.map(|time| time.parse().unwrap_or(Timestamp::UNIX_EPOCH));
        *last = Some((key.clone(), until));
        Ok(key)
    }
}

#[async_trait]
impl CredentialProvider for Program {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.keys().map_err(|why| object_store::Error::Generic { store: "S3", source: why.into() })
    }
}

/// The profile from both files, keys of `credentials` first; none if neither has it.
fn profile(name: &str) -> Result<Option<Profile>> {
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let file = |variable_name: &str, usual: &str| {
        variable(variable_name).map_or_else(|| home.join(".aws").join(usual), PathBuf::from)
    };
    let config = read(file("AWS_CONFIG_FILE", "config"))?;
    let keys = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
    let mut found = section(&config, &format!("profile {name}"));
    if name == "default" && found.is_none() {
        found = section(&config, name);
    }
    match (found, section(&keys, name)) {
        (Some(mut config), Some(keys)) => {
            config.extend(keys);
            Ok(Some(config))
        }
        (config, keys) => Ok(config.or(keys)),
    }
}

fn read(path: PathBuf) -> Result<String> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Error::Io { what: format!("reading {}", path.display()), source }),
    }
}

/// The keys of a section. What is indented belongs to the key before it and is none of ours.
fn section(text: &str, name: &str) -> Option<Profile> {
    let mut found: Option<Profile> = None;
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(head) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let words: Vec<&str> = head.split_whitespace().collect();
            inside = words.join(" ") == name;
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        let ours = inside && !line.starts_with([' ', '\t']) && !trimmed.starts_with(['#', ';']);
        if let (true, Some((key, value)), Some(found)) =
            (ours, trimmed.split_once('='), found.as_mut())
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_and_what_is_nested_or_commented_is_not() {
        let text = "[default]\nregion = eu-west-1\ns3 =\n  endpoint_url = http://no\n# region = x\n\
                    [profile  work]\ncredential_process = /bin/keys a=b\n";
        let default = section(text, "default").unwrap_or_default();
        assert_eq!(default.get("region").map(String::as_str), Some("eu-west-1"));
        assert_eq!(default.get("endpoint_url"), None);
        let work = section(text, "profile work").unwrap_or_default();
        let process = work.get("credential_process").map(String::as_str);
        assert_eq!(process, Some("/bin/keys a=b"));
        assert!(section(text, "profile play").is_none());
    }
}
