//! One target folder for several checkouts.
//!
//! Cargo takes a workspace's crates for fresh when their sources are older than what it built last. Where two
//! checkouts share a target folder (a clone made for CI, say), that would be the other checkout's code.

use crate::Result;
use crate::places::{self, Places};
use std::fs::File;
use std::time::SystemTime;

const CRATES: [&str; 7] = [
    "lib/lib.rs",
    "tests/it/main.rs",
    "benches/src/main.rs",
    "notebooks/build.rs",
    "notebooks/src/main.rs",
    "xtask/settings/src/lib.rs",
    "xtask/src/main.rs",
];

/// Has cargo compile this checkout's crates anew if another checkout was built last.
pub fn claim_target(places: &Places) -> Result<()> {
    let stamp = places.target.join("stagediff-checkout");
    let root = places.root.to_string_lossy();
    if std::fs::read_to_string(&stamp).is_ok_and(|last| last != root) {
        for path in CRATES.map(|path| places.root.join(path)) {
            if let Ok(file) = File::options().append(true).open(&path) {
                file.set_modified(SystemTime::now()).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
    }
    places::write(&stamp, &root)
}
