//! Downloads that go on where they broke off.

use super::Download;
use super::client::{Client, MAX_FRUITLESS};
use super::failure::{Attempt, Failure};
use crate::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

/// Bytes that are written, and told of, at a time.
const N_BYTES_AT_ONCE: usize = 1 << 18;

/// One file on its way.
pub struct Transfer<'a> {
    /// Asks for it.
    pub client: &'a Client<'a>,
    /// Where it is sent from.
    pub url: &'a str,
    /// What has come of it.
    pub part: &'a Path,
    /// Its name and length.
    pub download: Download,
    /// Told of all that comes.
    pub progress: &'a mut dyn FnMut(&Download),
}

impl Transfer<'_> {
    /// Appends what is missing. Broken connections are opened again; what has come stays if it fails for good.
    pub fn run(mut self) -> Result<()> {
        OpenOptions::new().create(true).append(true).open(self.part).map_err(Error::io(self.part))?;
        let mut fruitless = 0;
        loop {
            let before = length(self.part);
            if before == self.download.n_bytes {
                return Ok(());
            }
            let outcome = self.receive(before);
            let now = length(self.part);
            fruitless = if now > before { 0 } else { fruitless + 1 };
            match outcome {
                Err(failure) if !failure.passing || fruitless == MAX_FRUITLESS => return Err(self.given_up(&failure)),
                Ok(()) if fruitless == MAX_FRUITLESS => return Err(self.given_up(&Failure::closed())),
                Ok(()) | Err(_) => self.client.pause(fruitless),
            }
        }
    }

    /// One request for the bytes from `start` on.
    fn receive(&mut self, start: u64) -> Attempt<()> {
        let mut request = self.client.agent.get(self.url);
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        let mut response = self.client.accepted(request)?;
        let mut file = OpenOptions::new().append(true).open(self.part).map_err(Failure::here)?;
        let goes_on = response.status() == 206;
        if !goes_on {
            file.set_len(0).map_err(Failure::here)?; // sent from the beginning, whatever was asked for
        }
        self.download.n_done = if goes_on { start } else { 0 };
        (self.progress)(&self.download);
        let mut body = response.body_mut().as_reader().take(self.download.n_bytes - self.download.n_done);
        let mut buffer = vec![0; N_BYTES_AT_ONCE];
        loop {
            let n = body.read(&mut buffer).map_err(Failure::broken)?;
            if n == 0 {
                return Ok(());
            }
            file.write_all(&buffer[..n]).map_err(Failure::here)?;
            self.download.n_done += n as u64;
            (self.progress)(&self.download);
        }
    }

    fn given_up(&self, failure: &Failure) -> Error {
        let (now, n_bytes) = (length(self.part), self.download.n_bytes);
        let kept = format!("{now} of {n_bytes} bytes are kept, the same call again goes on from there");
        Error::download(self.url, format!("{}; {kept}", failure.reason))
    }
}

fn length(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |about| about.len())
}
