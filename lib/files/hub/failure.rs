//! Requests that fail: why, and whether to make them again.

use ureq::Body;
use ureq::http::Response;

/// What comes of one request.
pub type Attempt<T> = std::result::Result<T, Failure>;

/// Why a request failed, and whether it may succeed when made again.
pub struct Failure {
    /// For the person who waits.
    pub reason: String,
    /// Whether it may be different the next time.
    pub passing: bool,
}

impl Failure {
    /// An answer ended early, without a word.
    pub fn closed() -> Failure {
        Failure { reason: "the connection was closed early".into(), passing: true }
    }

    /// No answer came.
    pub fn of(error: ureq::Error) -> Failure {
        let passing = matches!(
            error,
            ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_)
        );
        let hint = match &error {
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::Io(_) => {
                ": is the hub to be reached from this machine? (HF_ENDPOINT names a mirror, HTTPS_PROXY a proxy)"
            }
            _ => "",
        };
        Failure { reason: format!("{error}{hint}"), passing }
    }

    /// An answer broke off.
    pub fn broken(error: std::io::Error) -> Failure {
        Failure { reason: format!("the connection broke ({error})"), passing: true }
    }

    /// The file cannot be written.
    pub fn here(error: std::io::Error) -> Failure {
        Failure { reason: format!("the cache cannot be written to ({error})"), passing: false }
    }
}

/// The answer, if it is none of an error.
pub fn accept(response: Response<Body>) -> Attempt<Response<Body>> {
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(response);
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let said = header("x-error-message").or(header("x-error-code")).map_or(String::new(), |said| format!(" ({said})"));
    let remedy = match status.as_u16() {
        401 | 403 => {
            ": the repository is private, asks for consent on its page, or is not there; HF_TOKEN names a token that may read it"
        }
        404 => ": no such repository, revision or file; a data set is written hf://datasets/OWNER/NAME",
        429 => ": the hub asks for a pause; with HF_TOKEN it allows more",
        _ => "",
    };
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    Err(Failure { reason: format!("{status}{said}{remedy}"), passing })
}
