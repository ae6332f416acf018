//! Downloads that go on where they broke off.

use super::Download;
use super::client::{Client, MAX_FRUITLESS};
use super::failure::{Attempt, Failure};
use crate::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

impl Client<'_> {
    /// Appends to `part` what is missing of the `n_bytes` of `url`. Broken connections are opened again; what has come
    /// stays if it fails for good.
    pub fn fetch(
        &self,
        url: &str,
        part: &Path,
        download: &mut Download,
        progress: &mut dyn FnMut(&Download),
    ) -> Result<()> {
        let mut fruitless = 0;
        loop {
            let before = length(part);
            let outcome = self.receive(url, part, before, download, progress);
            let now = length(part);
            if now == download.n_bytes {
                return Ok(());
            }
            fruitless = if now > before { 0 } else { fruitless + 1 };
            let failure = outcome.err().unwrap_or_else(|| Failure::passing("the connection was closed early"));
            if !failure.passing || fruitless == MAX_FRUITLESS {
                let kept =
                    format!("{now} of {} bytes are kept, the same call again goes on from there", download.n_bytes);
                return Err(Error::download(url, format!("{}; {kept}", failure.reason)));
            }
            self.pause(fruitless);
        }
    }

    /// One request for the bytes from `start` on.
    fn receive(
        &self,
        url: &str,
        part: &Path,
        start: u64,
        download: &mut Download,
        progress: &mut dyn FnMut(&Download),
    ) -> Attempt<()> {
        let mut request = self.agent.get(url);
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        let mut response = self.accepted(request)?;
        let goes_on = response.status() == 206;
        let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(Failure::here)?;
        if !goes_on {
            file.set_len(0).map_err(Failure::here)?; // sent from the beginning, whatever was asked for
        }
        let start = if goes_on { start } else { 0 };
        let mut body = response.body_mut().as_reader().take(download.n_bytes.saturating_sub(start));
        let mut buffer = vec![0; 1 << 18];
        download.n_done = start;
        progress(download);
        loop {
            let n = body.read(&mut buffer).map_err(Failure::broken)?;
            if n == 0 {
                return Ok(());
            }
            file.write_all(&buffer[..n]).map_err(Failure::here)?;
            download.n_done += n as u64;
            progress(download);
        }
    }
}

fn length(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |about| about.len())
}
