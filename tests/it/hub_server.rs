//! A hub on this machine: the endpoints that a download needs, and the ways in which they fail.

use stagediff::files::hash;
use stagediff::files::hub::Hub;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The commit of every revision.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of at least this length lie in a store beside the hub, as large ones do.
pub const LARGE: usize = 1000;

/// A hub with one repository, `owner/name`, both as a model and as a data set.
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What the repository holds, what was asked for, and how the next answers fail.
#[derive(Default)]
pub struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    /// `METHOD PATH` or `METHOD PATH FIRST_BYTE`, in order.
    pub requests: Vec<String>,
    /// Each content that is sent takes the first of these and breaks off after so many bytes.
    pub breaks: VecDeque<usize>,
    /// Requests answered with 503.
    pub n_failing: usize,
    pub ignores_range: bool,
    /// The ETag of every file, instead of its hash.
    pub etag: Option<String>,
    /// Who has another is refused.
    pub token: Option<String>,
    /// Whether the store was sent a token.
    pub store_saw_token: bool,
}

impl Server {
    pub fn new(files: &[(&str, &[u8])]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = files.iter().map(|(name, content)| (name.to_string(), content.to_vec())).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
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

    /// The hub with a cache in `dir`.
    pub fn hub(&self, dir: &Path) -> Hub {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        Hub { endpoint, cache: dir.join("hub"), token: None, offline: false, pause: Duration::from_millis(1) }
    }

    /// The requests so far that begin with `start`.
    pub fn requests(&self, start: &str) -> Vec<String> {
        self.state().requests.iter().filter(|request| request.starts_with(start)).cloned().collect()
    }
}

/// Name of a content in the hub.
pub fn etag(content: &[u8]) -> String {
    let path =
        std::env::temp_dir().join(format!("stagediff-etag-{:?}-{}", std::thread::current().id(), std::process::id()));
    std::fs::write(&path, content).unwrap();
    let hash = if content.len() < LARGE { hash::git_blob(&path) } else { hash::sha256(&path) };
    std::fs::remove_file(&path).unwrap();
    hash.unwrap()
}

struct Request {
    method: String,
    path: String,
    first_byte: usize,
    token: Option<String>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let start = lines.next()?;
    let (method, rest) = start.split_once(' ')?;
    let mut request =
        Request { method: method.into(), path: rest.split(' ').next()?.into(), first_byte: 0, token: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_lowercase().as_str() {
            "range" => request.first_byte = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?,
            "authorization" => request.token = Some(value.strip_prefix("Bearer ")?.into()),
            _ => {}
        }
    }
    Some(request)
}

fn answer(mut stream: TcpStream, port: u16, state: &Mutex<State>) {
    let Some(request) = read_request(&stream) else { return };
    let mut state = state.lock().unwrap();
    let range = if request.first_byte > 0 { format!(" {}", request.first_byte) } else { String::new() };
    state.requests.push(format!("{} {}{range}", request.method, request.path));
    let (head, body) = respond(&request, port, &mut state);
    drop(state);
    let _ = stream.write_all(format!("HTTP/1.1 {head}connection: close\r\n\r\n").as_bytes());
    if request.method != "HEAD" {
        let _ = stream.write_all(&body);
    }
}

/// Status line and headers, body.
fn respond(request: &Request, port: u16, state: &mut State) -> (String, Vec<u8>) {
    let plain = |status: &str, headers: &str| (format!("{status}\r\ncontent-length: 0\r\n{headers}"), Vec::new());
    let store = request.path.strip_prefix("/store/");
    state.store_saw_token |= store.is_some() && request.token.is_some();
    if state.n_failing > 0 {
        state.n_failing -= 1;
        return plain("503 Service Unavailable", "");
    }
    if store.is_none() && state.token.is_some() && state.token != request.token {
        return plain(
            "401 Unauthorized",
            "x-error-code: GatedRepo\r\nx-error-message: Access to owner/name is restricted.\r\n",
        );
    }
    let resolved = |root: &str| request.path.strip_prefix(&format!("{root}/resolve/{COMMIT}/"));
    let api = ["/api/models/owner/name/revision/", "/api/datasets/owner/name/revision/"];
    if api.iter().any(|start| request.path.starts_with(start)) {
        let siblings: Vec<_> = state.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let body = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string().into_bytes();
        return (format!("200 OK\r\ncontent-length: {}\r\n", body.len()), body);
    }
    if let Some(name) = resolved("/old/name") {
        return plain("307 Temporary Redirect", &format!("location: /owner/name/resolve/{COMMIT}/{name}\r\n"));
    }
    let name = store.or_else(|| resolved("/owner/name")).or_else(|| resolved("/datasets/owner/name"));
    let Some((name, content)) = name.and_then(|name| state.files.get_key_value(&name.replace("%20", " "))) else {
        return plain("404 Not Found", "x-error-code: EntryNotFound\r\n");
    };
    let hash = state.etag.clone().unwrap_or_else(|| etag(content));
    if store.is_none() && content.len() >= LARGE {
        let (n_bytes, linked) = (content.len(), format!("x-linked-etag: \"{hash}\"\r\nx-repo-commit: {COMMIT}\r\n"));
        let place = format!("http://localhost:{port}/store/{}", name.replace(' ', "%20"));
        return plain(
            "302 Found",
            &format!("{linked}x-linked-size: {n_bytes}\r\nlocation: {place}\r\netag: \"other\"\r\n"),
        );
    }
    let first = if state.ignores_range { 0 } else { request.first_byte };
    let status = if first > 0 { "206 Partial Content" } else { "200 OK" };
    let mut body = content[first..].to_vec();
    let headers =
        format!("{status}\r\ncontent-length: {}\r\netag: W/\"{hash}\"\r\nx-repo-commit: {COMMIT}\r\n", body.len());
    if request.method == "GET"
        && let Some(n_bytes) = state.breaks.pop_front()
    {
        body.truncate(n_bytes);
    }
    (headers, body)
}
