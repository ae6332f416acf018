//! A hub on this machine, with the endpoints that a download needs, and xtask/fetch.py against it.

use stagediff::files::hash;
use stagediff::files::hub::Cache;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

/// The commit of every branch at first.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of at least this length lie in a store beside the hub, as large ones do.
const LARGE: usize = 1000;

/// A hub with one repository, `owner/name`, both as a model and as a data set.
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What the repository holds, what was asked for, and how answers fail.
#[derive(Default)]
pub struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    pub commit: String,
    /// `METHOD PATH`, in order.
    pub requests: Vec<String>,
    /// A file that is listed and not to be had.
    pub withheld: Option<String>,
    /// The next content that is sent breaks off after so many bytes.
    pub breaks: Option<usize>,
    /// The hash that large files are said to have, instead of their own.
    pub hash: Option<String>,
    /// Who has another is refused.
    pub token: Option<String>,
    /// Whether the store was sent a token.
    pub store_saw_token: bool,
    /// What is answered instead of the list of files.
    pub listing: Option<String>,
    /// Everything has moved: the first answer is an absolute redirect, as of a mirror.
    pub has_moved: bool,
    /// The file whose content stops half-way, for as long as the reader waits.
    pub stalls: Option<String>,
    /// Whether it has come to that.
    pub is_stalled: bool,
}

impl Server {
    pub fn new(files: &[(&str, &[u8])]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = files.iter().map(|(name, content)| (name.to_string(), content.to_vec())).collect();
        let state = Arc::new(Mutex::new(State { files, commit: COMMIT.into(), ..State::default() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, port, &shared));
            }
        });
        Server { port, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// xtask/fetch.py in the project's Python environment.
pub struct Fetch {
    command: Box<dyn Fn() -> Command>,
    pub cache: Cache,
}

impl Fetch {
    /// Into a cache in `dir`; nothing, and a word about it, where the environment lacks the hub's client.
    pub fn into(dir: &Path, server: &Server) -> Option<Fetch> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (python, script) = (root.join(".venv/bin/python"), root.join("xtask/fetch.py"));
        let (home, endpoint) = (dir.to_owned(), format!("http://127.0.0.1:{}/", server.port));
        let command = move || {
            let mut command = Command::new(&python);
            command.env_clear().envs([("HF_ENDPOINT", endpoint.as_str()), ("NO_PROXY", "*")]);
            command.env("HOME", &home).env("HF_HUB_CACHE", home.join("hub")).arg(&script);
            command
        };
        // without a place the script only looks whether it could begin
        if !command().output().is_ok_and(|output| output.status.success()) {
            println!("skipped: no huggingface_hub in .venv (`cargo xtask setup` installs it)");
            return None;
        }
        Some(Fetch { command: Box::new(command), cache: Cache { dir: dir.join("hub") } })
    }

    /// What it says of `place`: an error if it fails.
    pub fn run(&self, place: &str) -> stagediff::Result<String> {
        self.with(place, "LANG", "C")
    }

    /// The same with one more variable.
    pub fn with(&self, place: &str, variable: &str, value: &str) -> stagediff::Result<String> {
        let output = (self.command)().arg(place).env(variable, value).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(said(&output.stdout)),
            false => Err(stagediff::Error::download(place, said(&output.stderr))),
        }
    }

    /// Starts it, to be interrupted.
    pub fn start(&self, place: &str) -> Child {
        (self.command)().arg(place).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The folder of the cache that the client itself reads from these variables.
    pub fn client_cache(&self, variables: &[(&str, &str)]) -> PathBuf {
        let mut command = Command::new((self.command)().get_program());
        command.env_clear().envs(variables.iter().copied());
        let output = command
            .args(["-c", "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    /// The folder of the first commit's files, of models or data sets.
    pub fn snapshot(&self, kind: &str) -> PathBuf {
        self.cache.dir.join(format!("{kind}--owner--name/snapshots/{COMMIT}"))
    }
}

struct Request {
    method: String,
    path: String,
    token: Option<String>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let start = lines.next()?;
    let (method, rest) = start.split_once(' ')?;
    let mut request = Request { method: method.into(), path: rest.split(' ').next()?.into(), token: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("authorization") {
            request.token = Some(value.strip_prefix("Bearer ")?.into());
        }
    }
    Some(request)
}

fn answer(mut stream: TcpStream, port: u16, shared: &Mutex<State>) {
    let Some(request) = read_request(&stream) else { return };
    let mut state = shared.lock().unwrap();
    state.requests.push(format!("{} {}", request.method, request.path));
    let (head, mut body) = respond(&request, port, &mut state);
    let stalls = request.method == "GET" && state.stalls.as_ref().is_some_and(|name| request.path.ends_with(name));
    drop(state);
    let _ = stream.write_all(format!("HTTP/1.1 {head}connection: close\r\n\r\n").as_bytes());
    if stalls {
        body.truncate(body.len() / 2);
    }
    if request.method != "HEAD" {
        let _ = stream.write_all(&body);
    }
    if stalls && !body.is_empty() {
        shared.lock().unwrap().is_stalled = true;
        let _ = stream.read(&mut [0]); // until the reader goes away
    }
}

/// Status line and headers, body.
fn respond(request: &Request, port: u16, state: &mut State) -> (String, Vec<u8>) {
    let plain = |status: &str, headers: &str| (format!("{status}\r\ncontent-length: 0\r\n{headers}"), Vec::new());
    let path = match (state.has_moved, request.path.strip_prefix("/moved")) {
        (true, None) => {
            let there = format!("location: http://127.0.0.1:{port}/moved{}\r\n", request.path);
            return plain("308 Permanent Redirect", &there);
        }
        (true, Some(path)) => path,
        (false, _) => &request.path,
    };
    let store = path.strip_prefix("/store/");
    state.store_saw_token |= store.is_some() && request.token.is_some();
    if store.is_none() && state.token.is_some() && state.token != request.token {
        return plain(
            "401 Unauthorized",
            "x-error-code: GatedRepo\r\nx-error-message: Access to owner/name is restricted.\r\n",
        );
    }
    let listed = |root: &str| path.strip_prefix(&format!("/api/{root}/owner/name/revision/"));
    if let Some(revision) = listed("models").or_else(|| listed("datasets")) {
        let siblings: Vec<_> = state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let commit = if revision == COMMIT { COMMIT } else { &state.commit };
        let body = serde_json::json!({ "sha": commit, "siblings": siblings }).to_string();
        let body = state.listing.clone().unwrap_or(body);
        return (format!("200 OK\r\ncontent-length: {}\r\n", body.len()), body.into_bytes());
    }
    let resolved = |root: &str| path.strip_prefix(&format!("{root}/owner/name/resolve/{COMMIT}/"));
    let name = store.or_else(|| resolved("")).or_else(|| resolved("/datasets"));
    let name = name.map(|name| name.replace("%20", " ")).filter(|name| state.withheld.as_ref() != Some(name));
    let Some((name, content)) = name.and_then(|name| state.files.get_key_value(&name)) else {
        return plain("404 Not Found", "x-error-code: EntryNotFound\r\n");
    };
    let is_large = content.len() >= LARGE;
    let hash = if is_large { state.hash.clone().unwrap_or(hash::sha256_of(content)) } else { git_hash(content) };
    if store.is_none() && is_large {
        let headers = format!(
            "x-linked-etag: \"{hash}\"\r\nx-linked-size: {}\r\nx-repo-commit: {COMMIT}\r\netag: \"other\"\r\n\
             location: http://localhost:{port}/store/{}\r\n",
            content.len(),
            name.replace(' ', "%20")
        );
        return plain("302 Found", &headers);
    }
    let headers = format!("content-length: {}\r\netag: \"{hash}\"\r\nx-repo-commit: {COMMIT}\r\n", content.len());
    let mut body = content.clone();
    if request.method == "GET" {
        body.truncate(state.breaks.take().unwrap_or(usize::MAX));
    }
    (format!("200 OK\r\n{headers}"), body)
}

/// Something like the name that git gives a small content.
fn git_hash(content: &[u8]) -> String {
    hash::sha256_of(content)[..40].into()
}
