//! Downloads as a person sees them.

use crate::files::hub::Download;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Cells of a whole bar.
const N_CELLS: u64 = 30;

/// A bar is redrawn no more often.
const BETWEEN: Duration = Duration::from_millis(100);

/// Shows downloads: on a terminal a bar that is redrawn, elsewhere a line for each tenth, since a notebook and a log
/// keep all they are sent.
#[derive(Debug)]
pub struct Bar {
    on_terminal: bool,
    name: String,
    start: Instant,
    n_before: u64,
    drawn: Instant,
    tenth: u64,
}

impl Bar {
    /// What a download may be handed for its progress.
    pub fn shown() -> impl FnMut(&Download) {
        let now = Instant::now();
        let on_terminal = std::io::stderr().is_terminal();
        let mut bar = Bar { on_terminal, name: String::new(), start: now, n_before: 0, drawn: now, tenth: 0 };
        move |download| bar.show(download)
    }

    fn show(&mut self, download: &Download) {
        let (now, is_new, is_done) = (Instant::now(), self.name != download.name, download.n_done == download.n_bytes);
        if is_new {
            (self.name, self.start, self.n_before) = (download.name.clone(), now, download.n_done);
        }
        if self.on_terminal {
            if is_new || is_done || now - self.drawn >= BETWEEN {
                self.drawn = now;
                let end = if is_done { "\n" } else { "" };
                eprint!("\r\x1b[K{}{end}", self.line(download));
                let _ = std::io::stderr().flush();
            }
            return;
        }
        let tenth = 10 * download.n_done / download.n_bytes.max(1);
        if is_new || tenth != self.tenth {
            self.tenth = tenth;
            println!("{download}");
        }
    }

    fn line(&self, download: &Download) -> String {
        let n_full = (N_CELLS * download.n_done / download.n_bytes.max(1)) as usize;
        let bar = "█".repeat(n_full) + &"░".repeat(N_CELLS as usize - n_full);
        let mb_per_s = (download.n_done - self.n_before.min(download.n_done)) as f64
            / 1e6
            / self.start.elapsed().as_secs_f64().max(1e-3);
        format!("{bar} {download}, {mb_per_s:.1} MB/s")
    }
}
