//! Questions to the hub: what a revision holds, and each file's hash and length.

use super::failure::{Attempt, Failure, accept};
use super::{Hub, Kind, Location};
use crate::{Error, Result};
use serde::Deserialize;
use std::time::Duration;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body};

/// How often a request is made again when nothing came of it.
pub const MAX_FRUITLESS: u32 = 5;

/// How often a repository may have been renamed.
const MAX_MOVES: usize = 5;

/// A connection that says nothing for so long is given up and opened anew.
const SILENCE: Duration = Duration::from_secs(30);

type Request = ureq::RequestBuilder<WithoutBody>;

/// The hub's answer to what a revision holds.
#[derive(Deserialize)]
pub struct Revision {
    /// The commit.
    #[serde(rename = "sha")]
    pub commit: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Revision {
    /// The names of its files.
    pub fn names(self) -> Vec<String> {
        self.siblings.into_iter().map(|sibling| sibling.rfilename).collect()
    }
}

/// What the hub says of a file before it sends it.
pub struct Head {
    /// SHA-256 of a large file, git's SHA-1 of a small one.
    pub etag: String,
    /// Length.
    pub n_bytes: u64,
}

/// Speaks to one hub.
pub struct Client<'a> {
    hub: &'a Hub,
    /// Sends the requests.
    pub agent: Agent,
}

impl<'a> Client<'a> {
    /// A client; nothing is sent yet.
    pub fn new(hub: &'a Hub) -> Client<'a> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("stagediff/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity");
        Client { hub, agent: config.build().new_agent() }
    }

    /// What a revision holds.
    pub fn revision(&self, location: &Location) -> Result<Revision> {
        let kind = if location.kind == Kind::Dataset { "datasets" } else { "models" };
        let (repo, revision) = (&location.repo, location.revision.replace('/', "%2F"));
        let url = format!("{}/api/{kind}/{repo}/revision/{revision}", self.hub.endpoint);
        let text = self.patiently(&url, || {
            let mut response = self.accepted(self.agent.get(&url))?;
            response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(Failure::of)
        })?;
        let foreign = |reason: String| {
            Error::download(&url, format!("the answer is not that of a hub ({reason}): is HF_ENDPOINT right?"))
        };
        let revision: Revision = serde_json::from_str(&text).map_err(|e| foreign(e.to_string()))?;
        let is_hash = revision.commit.len() == 40 && revision.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { Ok(revision) } else { Err(foreign(format!("commit {:?}", revision.commit))) }
    }

    /// Where a file is sent from.
    pub fn url(&self, location: &Location, commit: &str, name: &str) -> String {
        let kind = if location.kind == Kind::Dataset { "datasets/" } else { "" };
        format!("{}/{kind}{}/resolve/{commit}/{}", self.hub.endpoint, location.repo, escaped(name))
    }

    /// Hash and length of the file at `url`. The store that a large file lies in is not asked: the hub itself knows.
    pub fn head(&self, url: &str) -> Result<Head> {
        let mut at = url.to_string();
        for _ in 0..MAX_MOVES {
            let response = self.patiently(url, || {
                let request = self.authorised(self.agent.head(&at));
                let asked = request.config().max_redirects(0).max_redirects_will_error(false).build();
                accept(asked.call().map_err(Failure::of)?)
            })?;
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            match header("location") {
                Some(place) if place.starts_with('/') && header("x-linked-etag").is_none() => {
                    at = format!("{}{place}", origin(&at));
                }
                _ => {
                    let missing =
                        |what: &str| Error::download(url, format!("the answer has no {what}: is HF_ENDPOINT right?"));
                    let etag = header("x-linked-etag").or(header("etag")).ok_or_else(|| missing("ETag"))?;
                    let n_bytes = header("x-linked-size").or(header("content-length"));
                    let n_bytes = n_bytes.and_then(|text| text.parse().ok()).ok_or_else(|| missing("length"))?;
                    return Ok(Head { etag: etag.trim_start_matches("W/").trim_matches('"').into(), n_bytes });
                }
            }
        }
        Err(Error::download(url, "redirected in a circle"))
    }

    /// Sends a request that is made again while its failure may pass.
    fn patiently<T>(&self, url: &str, request: impl Fn() -> Attempt<T>) -> Result<T> {
        let mut fruitless = 0;
        loop {
            match request() {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.passing && fruitless + 1 < MAX_FRUITLESS => {
                    fruitless += 1;
                    self.pause(fruitless);
                }
                Err(failure) => return Err(Error::download(url, failure.reason)),
            }
        }
    }

    /// The answer to a request, if it is none of an error.
    pub fn accepted(&self, request: Request) -> Attempt<Response<Body>> {
        accept(self.authorised(request).call().map_err(Failure::of)?)
    }

    fn authorised(&self, request: Request) -> Request {
        match &self.hub.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Waits longer after each failure in a row: 1, 2, 4, 8 times the hub's pause.
    pub fn pause(&self, fruitless: u32) {
        std::thread::sleep(self.hub.pause * 2u32.pow(fruitless.saturating_sub(1)));
    }
}

/// Scheme and host of a URL.
fn origin(url: &str) -> &str {
    let host_at = url.find("://").map_or(0, |at| at + 3);
    url[host_at..].find('/').map_or(url, |end| &url[..host_at + end])
}

/// A file name as it stands in a URL.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
