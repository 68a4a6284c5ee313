//! Footfall's client for Rust: one file, standard library only (1.63 or later), and `curl` to send with. Copy it to `src/footfall.rs`:
//!
//! ```ignore
//! mod footfall;
//!
//! fn main() {
//!     let telemetry = footfall::Footfall::new("mytool", "https://stats.example.com", footfall::Options { version: "1.4.0", ..Default::default() });
//!     let command = telemetry.start("build", std::env::args().skip(1));
//!     let result = build();
//!     command.end(&result);
//! }
//! ```
//!
//! Call `Footfall::new` first in `main`: an event is written to a small queue in the user's configuration folder, and a detached process sends
//! it, which is this program started again; `new` turns that one into the sender and never returns there. The host program never waits for the
//! network. Nothing is written or sent before the first-run notice was shown, nothing is printed but that notice, and no error reaches the host
//! program. docs/clients.md of Footfall describes the rules that all clients share.
#![allow(dead_code)]

use std::collections::hash_map::RandomState;
use std::env;
use std::fmt::Display;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const MAX_EVENTS: usize = 100;
const MAX_EVENT: usize = 8 * 1024;
const MAX_LOCAL: u64 = 256 * 1024;
const MAX_AGE: u64 = 7 * 86400;
const MAX_ATTEMPTS: u64 = 100;
const CLAIMED_FOR: u64 = 60;
const VARIABLE: &str = "FOOTFALL_SENDER";
const NOT_SHOWN: &str = "the notice was not shown yet";

const CI_SYSTEMS: [(&str, &str); 20] = [
    ("GITHUB_ACTIONS", "github"), ("GITLAB_CI", "gitlab"), ("TF_BUILD", "azure"), ("JENKINS_URL", "jenkins"), ("CIRCLECI", "circle"),
    ("TRAVIS", "travis"), ("BUILDKITE", "buildkite"), ("TEAMCITY_VERSION", "teamcity"), ("BITBUCKET_BUILD_NUMBER", "bitbucket"),
    ("CODEBUILD_BUILD_ID", "codebuild"), ("APPVEYOR", "appveyor"), ("DRONE", "drone"), ("CIRRUS_CI", "cirrus"), ("SEMAPHORE", "semaphore"),
    ("GITEA_ACTIONS", "gitea"), ("FORGEJO_ACTIONS", "forgejo"), ("NETLIFY", "netlify"), ("HUDSON_URL", "hudson"), ("CI", "other"),
    ("CONTINUOUS_INTEGRATION", "other"),
];
const AGENTS: [(&str, &str); 15] = [
    ("CLAUDECODE", "claude-code"), ("CURSOR_AGENT", "cursor"), ("GEMINI_CLI", "gemini-cli"), ("CODEX_SANDBOX", "codex"),
    ("CODEX_THREAD_ID", "codex"), ("OPENCODE", "opencode"), ("CLINE_ACTIVE", "cline"), ("AUGMENT_AGENT", "augment"),
    ("GOOSE_TERMINAL", "goose"), ("QWEN_CODE", "qwen-code"), ("COPILOT_CLI", "copilot-cli"), ("AMP_CURRENT_THREAD_ID", "amp"),
    ("REPLIT_AGENT", "replit"), ("ANTIGRAVITY_AGENT", "antigravity"), ("AI_AGENT", "other"),
];

/// A value of a property.
#[derive(Clone)]
pub enum Value {
    Text(String),
    Number(f64),
    Flag(bool),
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_string())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Number(f64::from(value))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Flag(value)
    }
}

/// The fields of an event besides its name.
#[derive(Clone, Default)]
pub struct Event {
    outcome: Option<&'static str>,
    duration_ms: Option<f64>,
    error: Option<(String, Option<String>)>,
    target: Option<(String, String)>,
    properties: Vec<(String, Value)>,
}

impl Event {
    pub fn new() -> Self {
        Event::default()
    }
    pub fn success(mut self) -> Self {
        self.outcome = Some("success");
        self
    }
    pub fn failure(mut self, kind: &str, message: Option<&str>) -> Self {
        self.outcome = Some("failure");
        self.error = Some((kind.to_string(), message.map(scrub)));
        self
    }
    pub fn duration_ms(mut self, duration: f64) -> Self {
        self.duration_ms = Some(duration);
        self
    }
    pub fn target(mut self, kind: &str, id: &str) -> Self {
        self.target = Some((kind.to_string(), id.to_string()));
        self
    }
    pub fn property(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::Text(text) => Value::Text(scrub(&text)),
            other => other,
        };
        self.properties.push((name.to_string(), value));
        self
    }
}

/// `key` is a write key, if the project requires one; `command` the tool's own telemetry command as users type it, and `about` a page on what
/// is sent: the notice names both. `no_notice` says that users are informed elsewhere, before the first run. `sample_rate` is the share of
/// events that is sent, chosen at random: 0.1 is one in ten. Empty texts and a rate of 0 count as none.
#[derive(Clone, Default)]
pub struct Options {
    pub version: &'static str,
    pub key: &'static str,
    pub command: &'static str,
    pub about: &'static str,
    pub environment: &'static str,
    pub install_source: &'static str,
    pub no_notice: bool,
    pub sample_rate: f64,
}

/// The telemetry of one tool.
pub struct Footfall {
    tool: String,
    url: String,
    prefix: String,
    folder: Option<PathBuf>,
    options: Options,
}

/// A running command.
pub struct Running<'a> {
    footfall: &'a Footfall,
    name: String,
    flags: String,
    began: Instant,
}

impl Running<'_> {
    /// Record the command's event: duration, outcome, type of the error and its scrubbed message.
    pub fn end<T, E: Display>(self, result: &Result<T, E>) {
        let event = match result {
            Ok(_) => Event::new().success(),
            Err(error) => {
                let kind = std::any::type_name::<E>().split('<').next().unwrap_or("").rsplit("::").next().unwrap_or("");
                Event::new().failure(kind, Some(&error.to_string()))
            }
        };
        self.record(event);
    }

    /// Record the command's event and end the program with the code.
    pub fn exit(self, code: i32) -> ! {
        let event = if code == 0 { Event::new().success() } else { Event::new().failure(&format!("exit {}", code), None) };
        self.record(event);
        std::process::exit(code)
    }

    fn record(self, mut event: Event) {
        event.duration_ms = Some(self.began.elapsed().as_micros() as f64 / 1000.0);
        if !self.flags.is_empty() {
            event.properties.push(("flags".to_string(), Value::Text(self.flags)));
        }
        self.footfall.track(&self.name, event);
    }
}

impl Footfall {
    /// `url` is the server's address, with `/p/PROJECT` if the project has one. In the process that sends, this does not return.
    pub fn new(tool: &str, url: &str, options: Options) -> Self {
        if let Ok(settings) = env::var(VARIABLE) {
            let parts: Vec<&str> = settings.splitn(3, '\n').collect();
            if parts.len() == 3 {
                drain(parts[0], parts[1], Path::new(parts[2]));
            }
            std::process::exit(0);
        }
        let prefix = tool.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        Footfall { tool: tool.to_string(), url: url.trim_end_matches('/').to_string(), prefix, folder: folder(tool), options }
    }

    /// Begin a command. Names of options among the flags are kept, never their values.
    pub fn start(&self, name: &str, flags: impl Iterator<Item = String>) -> Running<'_> {
        Running { footfall: self, name: name.to_string(), flags: flag_names(flags), began: Instant::now() }
    }

    /// Record one event. Never fails, never waits.
    pub fn track(&self, name: &str, event: Event) {
        let (mut state, reason) = self.state();
        if reason == NOT_SHOWN && self.show_notice() {
            state = self.state().0;
        }
        let folder = match &self.folder {
            Some(folder) if state != "off" => folder,
            _ => return,
        };
        let drawn = u32::from_str_radix(&uuid()[..8], 16).unwrap_or(0);
        if state == "on" && self.sample_rate().map_or(false, |rate| f64::from(drawn) >= rate * 4294967296.0) {
            return;
        }
        let mut body = self.event(name, &event);
        if body.len() > MAX_EVENT {
            let properties = vec![("cut".to_string(), Value::Flag(true))];
            body = self.event(name, &Event { properties, ..event });
        }
        if body.len() > MAX_EVENT {
            return;
        }
        if state == "local" {
            append(&folder.join("local.jsonl"), &body);
        } else if put(&folder.join("queue"), &body) {
            self.start_sender(&folder.join("queue"));
        }
    }

    fn sample_rate(&self) -> Option<f64> {
        Some(self.options.sample_rate).filter(|rate| *rate > 0.0 && *rate < 1.0)
    }

    /// "on", "local" or "off", and the reason.
    pub fn state(&self) -> (&'static str, String) {
        for name in ["DO_NOT_TRACK".to_string(), format!("{}_NO_TELEMETRY", self.prefix)] {
            if is_set(&name) {
                return ("off", format!("{} is set", name));
            }
        }
        let name = format!("{}_TELEMETRY", self.prefix);
        let setting = env::var(&name).unwrap_or_default().trim().to_lowercase();
        let is_on = ["1", "true", "on", "yes"].contains(&setting.as_str());
        if !setting.is_empty() && !is_on {
            return (if setting == "local" && self.folder.is_some() { "local" } else { "off" }, format!("{} is set", name));
        }
        let folder = match &self.folder {
            Some(folder) => folder,
            None => return ("off", "there is no home folder".to_string()),
        };
        if let Ok(choice) = fs::read(folder.join("choice")) {
            let state = match String::from_utf8_lossy(&choice).trim() {
                "on" => "on",
                "local" => "local",
                _ => "off",
            };
            return (state, "your choice".to_string());
        }
        if is_on {
            return ("on", format!("{} is set", name));
        }
        if self.options.no_notice || folder.join("notice").exists() {
            return ("on", "the default".to_string());
        }
        ("off", NOT_SHOWN.to_string())
    }

    /// The event as it is sent, as JSON.
    pub fn event(&self, name: &str, event: &Event) -> String {
        let id = self.folder.as_ref().and_then(|folder| installation_id(folder, self.state().0 == "on")).unwrap_or_default();
        let mut fields = vec![format!("\"name\":{}", quoted(name)), format!("\"id\":{}", quoted(&uuid())), format!("\"timestamp\":{}", milliseconds())];
        let mut added = surroundings();
        added.push(("installation_id", id));
        added.push(("version", self.options.version.to_string()));
        for (field, value) in [("environment", self.options.environment), ("install_source", self.options.install_source)] {
            if !value.is_empty() {
                added.retain(|(name, _)| *name != field);
                added.push((field, value.to_string()));
            }
        }
        if let Some(outcome) = event.outcome {
            added.push(("outcome", outcome.to_string()));
        }
        fields.extend(added.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("\"{}\":{}", name, quoted(value))));
        fields.push(format!("\"interactive\":{}", is_terminal(0) && is_terminal(1)));
        if let Some(rate) = self.sample_rate() {
            fields.push(format!("\"sample_rate\":{}", number(rate)));
        }
        if let Some(duration) = event.duration_ms {
            fields.push(format!("\"duration_ms\":{}", number(duration)));
        }
        if let Some((kind, message)) = &event.error {
            let message = message.as_ref().map(|text| format!(",\"message\":{}", quoted(text))).unwrap_or_default();
            fields.push(format!("\"error\":{{\"type\":{}{}}}", quoted(kind), message));
        }
        if let Some((kind, id)) = &event.target {
            fields.push(format!("\"target\":{{\"type\":{},\"id\":{}}}", quoted(kind), quoted(id)));
        }
        if !event.properties.is_empty() {
            let pairs: Vec<String> = event.properties.iter().map(|(name, value)| {
                let text = match value {
                    Value::Text(text) => quoted(text),
                    Value::Number(value) => number(*value),
                    Value::Flag(value) => value.to_string(),
                };
                format!("{}:{}", quoted(name), text)
            }).collect();
            fields.push(format!("\"properties\":{{{}}}", pairs.join(",")));
        }
        format!("{{{}}}", fields.join(","))
    }

    /// The tool's `telemetry` command: status, on, local, off, show, erase. Prints, and returns the exit code.
    pub fn cli(&self, words: &[String]) -> i32 {
        let verb = words.first().map_or("status", String::as_str);
        let queue = self.folder.as_ref().map(|folder| folder.join("queue")).unwrap_or_default();
        match verb {
            "status" => println!("telemetry: {} ({})", self.state().0, self.state().1),
            "on" | "local" | "off" => {
                if !self.folder.as_ref().map_or(false, |folder| write(&folder.join("choice"), &format!("{}\n", verb))) {
                    eprintln!("The choice cannot be stored. Set {}_TELEMETRY={} instead.", self.prefix, verb);
                    return 1;
                }
                if verb != "on" {
                    listed(&queue).iter().for_each(|path| drop(fs::remove_file(path)));
                }
                println!("telemetry: {} ({})", self.state().0, self.state().1);
            }
            "show" => {
                println!("{}", self.event("example", &Event::new().success().duration_ms(0.0)));
                let local = self.folder.as_ref().map(|folder| folder.join("local.jsonl"));
                for path in listed(&queue).into_iter().chain(local) {
                    fs::read_to_string(path).into_iter().for_each(|content| println!("{}", content.trim()));
                }
            }
            "erase" => return self.erase(&queue),
            _ => {
                eprintln!("usage: telemetry status|on|local|off|show|erase");
                return 2;
            }
        }
        0
    }

    fn erase(&self, queue: &Path) -> i32 {
        if let Some(folder) = &self.folder {
            if let Some(id) = installation_id(folder, false) {
                for _ in 0..3 {
                    finish_sending(queue);
                    let before = listed(queue);
                    let (status, _, _) = request("DELETE", &format!("{}/v1/installs/{}", self.url, id), self.options.key, "");
                    if !(200..300).contains(&status) && status != 404 {
                        eprintln!("The server could not be asked to erase; nothing was changed. Try again later.");
                        return 1;
                    }
                    if listed(queue) == before {
                        break;
                    }
                }
            }
            for path in listed(queue).into_iter().chain(["id", "local.jsonl", "local.jsonl.old"].iter().map(|name| folder.join(name))) {
                let _ = fs::remove_file(path);
            }
        }
        println!("Erased: the id, the events that waited, and what the server held of this installation.");
        0
    }

    fn show_notice(&self) -> bool {
        if !ci_system().is_empty() || !is_terminal(1) || !is_terminal(2) || env::args().any(|word| word.starts_with("--json")) {
            return false;
        }
        let host = self.url.split("//").last().unwrap_or("").split('/').next().unwrap_or("");
        let command = if self.options.command.is_empty() { String::new() } else { format!("{} off, or ", self.options.command) };
        let about = if self.options.about.is_empty() { String::new() } else { format!("More: {}\n", self.options.about) };
        let text = format!(
            "{} sends anonymous usage data to {}: commands, durations, outcomes, version and system,\nunder a random id; no names, paths or \
             contents. To stop it: {}{}_TELEMETRY=off, or DO_NOT_TRACK=1.\n{}",
            self.tool, host, command, self.prefix, about
        );
        let show = || drop(std::io::stderr().write_all(text.as_bytes()));
        self.folder.as_ref().map_or(false, |folder| write_after(&folder.join("notice"), "shown\n", show))
    }

    fn start_sender(&self, queue: &Path) {
        let program = match env::current_exe() {
            Ok(program) if !must_wait(queue, self.options.key) => program,
            _ => return,
        };
        let mut command = if cfg!(unix) {
            let script = "trap '' INT HUP; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; cd /
                { if command -v nice; then exec nice -n 19 \"$1\"; else exec \"$1\"; fi; } &";
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", script, "sh"]).arg(program);
            shell
        } else {
            Command::new(program)
        };
        // Through the environment, where other users of the machine cannot read the key.
        command.env(VARIABLE, format!("{}\n{}\n{}", self.url, self.options.key, queue.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            if cfg!(unix) {
                let _ = child.wait(); // for the shell, which ends at once: the sender is not a child of the host program
            }
        }
    }
}

fn is_set(name: &str) -> bool {
    !["", "0", "false", "off", "no"].contains(&env::var(name).unwrap_or_default().trim().to_lowercase().as_str())
}

// Fields that the client adds

fn ci_system() -> &'static str {
    CI_SYSTEMS.iter().find(|(name, _)| is_set(name)).map_or("", |(_, system)| system)
}

fn container() -> &'static str {
    if is_set("KUBERNETES_SERVICE_HOST") {
        return "kubernetes";
    }
    if Path::new("/.dockerenv").exists() {
        return "docker";
    }
    if Path::new("/run/.containerenv").exists() {
        return "podman";
    }
    match env::var("container").unwrap_or_default().as_str() {
        "" => "",
        "docker" => "docker",
        "podman" => "podman",
        "lxc" => "lxc",
        "oci" => "oci",
        "systemd-nspawn" => "systemd-nspawn",
        _ => "other",
    }
}

fn surroundings() -> Vec<(&'static str, String)> {
    let (ci, found) = (ci_system(), container());
    let is_of_a_person = ["CODESPACES", "REMOTE_CONTAINERS", "GITPOD_WORKSPACE_ID", "TOOLBOX_PATH", "DISTROBOX_ENTER_PATH"].iter().any(|name| is_set(name));
    let environment = if !ci.is_empty() { "ci" } else if !found.is_empty() && !is_of_a_person { "container" } else { "person" };
    let mut agents: Vec<&str> = Vec::new();
    for (name, agent) in AGENTS {
        if is_set(name) && !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    let os = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    vec![
        ("os", os.to_string()), ("arch", env::consts::ARCH.to_string()), ("runtime", "rust".to_string()),
        ("environment", environment.to_string()), ("ci_system", ci.to_string()), ("container", found.to_string()),
        ("agent", agents.join(" ")), ("install_source", install_source().to_string()),
    ]
}

#[cfg(unix)]
fn is_terminal(descriptor: u32) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    match (fs::metadata(format!("/dev/fd/{}", descriptor)), fs::metadata("/dev/null")) {
        (Ok(found), Ok(null)) => found.file_type().is_char_device() && found.rdev() != null.rdev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_terminal(_: u32) -> bool {
    false
}

fn install_source() -> &'static str {
    let place = env::current_exe().and_then(fs::canonicalize).unwrap_or_default().to_string_lossy().replace('\\', "/");
    let parts = [
        ("/Cellar/", "homebrew"), ("/nix/store/", "nix"), ("/snap/", "snap"), ("/scoop/", "scoop"), ("/chocolatey/", "chocolatey"),
        ("/node_modules/", "npm"), ("/.cargo/bin/", "cargo"), ("/target/", "source"), ("/usr/bin/", "system"),
    ];
    parts.iter().find(|(part, _)| place.contains(part)).map_or("binary", |(_, source)| source)
}

fn flag_names(words: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = words.take_while(|word| word != "--").filter_map(|word| {
        let name: String = if word.starts_with("--") { word.split('=').next()?.to_string() } else { word.chars().take(2).collect() };
        let rest = name.strip_prefix("--").or_else(|| name.strip_prefix('-'))?;
        let is_name = rest.len() < 39 && rest.starts_with(|c: char| c.is_ascii_alphabetic()) && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_name.then(|| name.clone())
    }).collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

// Privacy

/// Text without home folders, e-mail addresses, credentials, IP addresses, this user's or this machine's name.
fn scrub(text: &str) -> String {
    let mut text: String = text.chars().take(8000).collect();
    for home in ["HOME", "USERPROFILE"].iter().filter_map(|name| env::var(name).ok()).filter(|home| home.len() > 2) {
        text = text.replace(&home, "~");
    }
    for start in ["/home/", "/Users/", ":\\Users\\", ":/Users/"] {
        while let Some(at) = text.find(start) {
            let from = if start.starts_with(':') { at.saturating_sub(1) } else { at };
            let rest = &text[at + start.len()..];
            let end = rest.find(|c: char| "\\/'\":".contains(c) || c.is_whitespace()).unwrap_or(rest.len());
            text = format!("{}~{}", &text[..from], &rest[end..]);
        }
    }
    if let Some(at) = text.find("-----BEGIN ") {
        text = format!("{}[secret]", &text[..at]);
    }
    let names: Vec<String> = ["USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"].iter().filter_map(|name| env::var(name).ok())
        .chain(fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_string()))
        .filter(|name| name.len() > 2 && !["root", "runner", "user", "localhost"].contains(&name.as_str())).collect();
    let mut out = String::new();
    let mut before = String::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "'\"(),;<>[]{}&".contains(c)) {
        let end = word.len() - word.chars().last().filter(|c| c.is_whitespace() || "'\"(),;<>[]{}&".contains(*c)).map_or(0, char::len_utf8);
        let (inner, separator) = word.split_at(end);
        out.push_str(&scrub_word(inner, &before, &names));
        out.push_str(separator);
        if !inner.is_empty() {
            before = inner.to_lowercase();
        }
    }
    out.chars().take(1000).collect()
}

fn scrub_word(word: &str, before: &str, names: &[String]) -> String {
    let lower = word.to_lowercase();
    let is_secret = |name: &str| {
        ["token", "secret", "password", "passwd", "pwd", "api_key", "api-key", "apikey", "access_key", "access-key", "authorization"].iter().any(|part| name.contains(part))
    };
    if before == "bearer" || before == "basic" || (before.ends_with(|c| c == '=' || c == ':') && is_secret(before) && !word.is_empty()) {
        return if lower == "bearer" || lower == "basic" || word.is_empty() { word.to_string() } else { "[secret]".to_string() };
    }
    if let Some(at) = word.find("//") {
        let rest = &word[at + 2..];
        if let Some(end) = rest.split('/').next().and_then(|host| host.rfind('@')) {
            return format!("{}//[credentials]@{}", &word[..at], scrub_word(&rest[end + 1..], "", names));
        }
    }
    if let Some(at) = word.find(|c| c == '=' || c == ':') {
        if is_secret(&lower[..at]) && at + 1 < word.len() {
            return format!("{}[secret]", &word[..at + 1]);
        }
        if word.as_bytes()[at] == b'=' {
            return format!("{}={}", &word[..at], scrub_word(&word[at + 1..], "", names));
        }
    }
    let plain = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_email = word.find('@').map_or(false, |at| at > 0 && word[at..].contains('.'));
    let is_known_token = [
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "sk-", "pk_live_", "sk_live_", "npm_", "pypi-",
        "hf_", "ff_", "AIza", "AKIA", "ASIA",
    ].iter().any(|start| plain.strip_prefix(start).map_or(false, |rest| rest.len() >= 8));
    let is_long = |part: &str| part.len() >= 40 && part.chars().all(|c| c.is_ascii_alphanumeric() || "+_-=".contains(c));
    let is_jwt = plain.starts_with("eyJ") && plain.contains('.');
    let parts: Vec<&str> = plain.split('.').collect();
    let is_v4 = parts.len() >= 4 && parts.iter().take(3).all(|part| !part.is_empty() && part.len() < 4 && part.chars().all(|c| c.is_ascii_digit()))
        && parts[3].starts_with(|c: char| c.is_ascii_digit());
    let is_v6 = plain.matches(':').count() >= 3 && plain.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    if is_email {
        "[email]".to_string()
    } else if is_known_token || is_jwt || word.split('/').any(is_long) {
        "[token]".to_string()
    } else if is_v4 || is_v6 {
        "[ip]".to_string()
    } else if names.iter().any(|name| name == plain) {
        word.replace(plain, "[name]")
    } else {
        word.to_string()
    }
}

// JSON

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{}", value) } else { "null".to_string() }
}

// Files

fn folder(tool: &str) -> Option<PathBuf> {
    let is_name = !tool.is_empty() && tool.len() <= 64 && !tool.starts_with('.') && tool.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let home = || env::var("HOME").ok().map(PathBuf::from);
    let base = if cfg!(windows) {
        env::var("APPDATA").ok().map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        env::var("XDG_CONFIG_HOME").ok().map(PathBuf::from).filter(|base| base.is_absolute()).or_else(|| home().map(|home| home.join(".config")))
    };
    let base = base.filter(|base| is_name && base.is_absolute())?;
    let folder = base.join(tool).join("telemetry");
    let is_own = home().iter().chain([&base, &base.join(tool), &folder]).all(|path| is_own(path));
    is_own.then(|| folder)
}

/// Reports whether a folder is this user's or does not exist: root could write into another user's, who could not change files of root. Known on Linux only.
#[cfg(unix)]
fn is_own(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(path), fs::metadata("/proc/self")) {
        (Ok(found), Ok(process)) => found.uid() == process.uid(),
        _ => true,
    }
}

#[cfg(not(unix))]
fn is_own(_: &Path) -> bool {
    true
}

fn milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn private_file(path: &Path, append: bool) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(append).write(true).truncate(!append);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Write a file atomically.
fn write(path: &Path, body: &str) -> bool {
    write_after(path, body, || ())
}

/// Write a file atomically. `before` runs when only the renaming is left to do. Leaves no file if the disk is full.
fn write_after(path: &Path, body: &str, before: impl FnOnce()) -> bool {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.tmp", uuid()));
    let make = || -> std::io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        private_file(Path::new(&part), false)?.write_all(body.as_bytes())?;
        before();
        fs::rename(&part, path)
    };
    make().map_err(|_| fs::remove_file(&part)).is_ok()
}

fn append(path: &Path, line: &str) {
    let _ = fs::create_dir_all(path.parent().unwrap_or(path));
    if fs::metadata(path).map_or(0, |found| found.len()) > MAX_LOCAL {
        let _ = fs::rename(path, path.with_extension("jsonl.old"));
    }
    if let Ok(mut file) = private_file(path, true) {
        let _ = file.write_all(format!("{}\n", line).as_bytes());
    }
}

fn uuid() -> String {
    let mut bytes = [0u8; 16];
    if fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).is_err() {
        for half in bytes.chunks_mut(8) {
            let mut hasher = RandomState::new().build_hasher(); // with random keys from the system
            hasher.write_u64(milliseconds());
            half.copy_from_slice(&hasher.finish().to_ne_bytes());
        }
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text: String = bytes.iter().map(|byte| format!("{:02x}", byte)).collect();
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// The random id, created once: if several processes create it at the same time, one wins and the others use its id.
fn installation_id(folder: &Path, make: bool) -> Option<String> {
    let path = folder.join("id");
    for _ in 0..3 {
        let found = fs::read_to_string(&path);
        if let Ok(text) = &found {
            if text.trim().len() == 36 {
                return Some(text.trim().to_string());
            }
        }
        if !make {
            return None;
        }
        let part = folder.join(format!("id.{}.new", uuid()));
        if !write(&part, &format!("{}\n", uuid())) {
            return None;
        }
        if path.exists() && found.is_ok() {
            let _ = fs::rename(&part, &path); // no id in it
        } else if fs::hard_link(&part, &path).is_err() && !path.exists() {
            let _ = fs::rename(&part, &path); // no hard links here
        }
        let _ = fs::remove_file(&part);
    }
    None
}

// The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `….json.{seconds}`.

fn listed(queue: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(queue).into_iter().flatten().flatten().map(|entry| entry.path())
        .filter(|path| path.file_name().map_or(false, |name| parts_of(&name.to_string_lossy()).is_some())).collect();
    paths.sort();
    paths
}

/// The stem of an event's file name, its attempts, its time in milliseconds, and since when a sender has it, or 0; nothing for other files.
fn parts_of(name: &str) -> Option<(&str, u64, u64, u64)> {
    let parts: Vec<&str> = name.split('.').collect();
    if !(3..=4).contains(&parts.len()) || parts[2] != "json" {
        return None;
    }
    let written = parts[0].split('-').next()?.parse().ok()?;
    Some((parts[0], parts[1].parse().ok()?, written, parts.get(3).map_or(Some(0), |taken| taken.parse().ok())?))
}

fn put(queue: &Path, body: &str) -> bool {
    let waiting = listed(queue);
    for path in waiting.iter().take((waiting.len() + 1).saturating_sub(MAX_EVENTS)) {
        let _ = fs::remove_file(path);
    }
    write(&queue.join(format!("{}-{}.0.json", milliseconds(), uuid())), body)
}

/// The time of the next attempt, and the number of failures. The pause after a refused key holds for that key only.
fn pause(queue: &Path, key: &str) -> (u64, u32) {
    let text = fs::read_to_string(queue.join("wait")).unwrap_or_default();
    let mut words = text.split_whitespace();
    match (words.next().and_then(|word| word.parse().ok()), words.next().and_then(|word| word.parse().ok())) {
        (Some(until), Some(failures)) if words.next().map_or(true, |refused| refused == key_mark(key)) => (until, failures),
        _ => (0, 0),
    }
}

/// The end of a key, by which the file `wait` tells whose key was refused.
fn key_mark(key: &str) -> &str {
    key.len().checked_sub(4).and_then(|start| key.get(start..)).unwrap_or("-")
}

fn must_wait(queue: &Path, key: &str) -> bool {
    let remaining = pause(queue, key).0.saturating_sub(milliseconds() / 1000);
    remaining > 0 && remaining < 86460
}

// The sender

struct Claimed {
    path: PathBuf,
    free: PathBuf,
    body: String,
}

/// Take the events that no other sender has; drop those that are too old or had too many attempts.
fn claim(queue: &Path) -> Vec<Claimed> {
    let now = milliseconds() / 1000;
    let mut found = Vec::new();
    for entry in fs::read_dir(queue).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if entry.path().to_string_lossy().ends_with(".tmp") && age.map_or(false, |age| age.as_secs() > 86400) {
            let _ = fs::remove_file(entry.path());
        }
    }
    for path in listed(queue) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        let (stem, attempts, written, taken) = match parts_of(&name) {
            Some(parts) => parts,
            None => continue,
        };
        if now.max(written / 1000) - now.min(written / 1000) > MAX_AGE || attempts >= MAX_ATTEMPTS {
            let _ = fs::remove_file(&path);
        } else if now.max(taken) - now.min(taken) > CLAIMED_FOR && found.len() < MAX_EVENTS {
            let mine = queue.join(format!("{}.{}.json.{}", stem, attempts, now));
            if fs::rename(&path, &mine).is_ok() {
                let body = fs::read_to_string(&mine).unwrap_or_default().trim().to_string();
                found.push(Claimed { path: mine, free: queue.join(format!("{}.{}.json", stem, attempts + 1)), body });
            }
        }
    }
    found
}

/// Wait until no sender has events, at most slightly longer than a request may take: events must not arrive after an erasure.
fn finish_sending(queue: &Path) {
    for _ in 0..240 {
        let now = milliseconds() / 1000;
        let is_taken = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
            parts_of(&name).map_or(false, |(_, _, _, taken)| now.max(taken) - now.min(taken) <= CLAIMED_FOR)
        };
        if !listed(queue).iter().any(is_taken) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Send all events of the queue that are free, each batch once.
fn drain(url: &str, key: &str, queue: &Path) {
    for _ in 0..10 {
        if must_wait(queue, key) {
            return;
        }
        let claimed = claim(queue);
        if claimed.is_empty() {
            return;
        }
        let bodies: Vec<&str> = claimed.iter().map(|one| one.body.as_str()).filter(|body| body.starts_with('{')).collect();
        let (status, retry_after, answer) = request("POST", &format!("{}/v1/events", url), key, &format!("{{\"events\":[{}]}}", bodies.join(",")));
        let is_version_refused = [401, 403, 404].contains(&status); // a version with another key or address may deliver the events
        let is_refused = (400..500).contains(&status) && !is_version_refused && ![407, 408, 425, 429].contains(&status);
        if ((200..300).contains(&status) && answer.contains("\"accepted\"")) || is_refused {
            claimed.iter().for_each(|one| drop(fs::remove_file(&one.path)));
            let _ = fs::remove_file(queue.join("wait"));
            continue;
        }
        claimed.iter().for_each(|one| drop(fs::rename(&one.path, &one.free)));
        let failures = pause(queue, key).1.min(12) + 1;
        let seconds = if retry_after > 0 { retry_after.min(86400) } else { (15u64 << failures).min(3600) };
        let mark = if is_version_refused { format!(" {}", key_mark(key)) } else { String::new() };
        write(&queue.join("wait"), &format!("{} {}{}\n", milliseconds() / 1000 + seconds, failures, mark));
        return;
    }
}

/// The status (0 without a response), the seconds of Retry-After, and the response. Does not follow redirects.
fn request(method: &str, url: &str, key: &str, body: &str) -> (u16, u64, String) {
    let config = format!(
        "url = {}\nrequest = {}\nheader = \"Content-Type: application/json\"\nheader = \"Expect:\"\nuser-agent = footfall-rs/1\n{}data-binary = {}\n",
        quoted(url), method, if key.is_empty() { String::new() } else { format!("header = \"Authorization: Bearer {}\"\n", key) }, quoted(body)
    );
    let run = || -> std::io::Result<String> {
        let mut child = Command::new("curl").env_remove(VARIABLE).args(["-q", "-s", "-i", "-m", "10", "--connect-timeout", "5", "--max-filesize", "65536", "-K", "-"])
            .stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        child.stdin.take().map(|mut input| input.write_all(config.as_bytes())).transpose()?;
        Ok(String::from_utf8_lossy(&child.wait_with_output()?.stdout).to_string())
    };
    let text = run().unwrap_or_default();
    // A proxy's answer to CONNECT may come before the server's own.
    let text = text.rfind("\nHTTP/").map_or(text.as_str(), |at| &text[at + 1..]);
    let (head, answer) = text.split_once("\r\n\r\n").unwrap_or(("", ""));
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let retry_after = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
        .and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    (status, retry_after, answer.to_string())
}
