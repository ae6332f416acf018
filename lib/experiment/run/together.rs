//! A run that several processes have open: one folder that all see, in which the first one writes.

use super::Run;
use crate::Result;
use crate::distributed::ProcessGroup;
use crate::files::write_whole;
use std::collections::BTreeMap;

/// What the first process leaves in the folder while the others look for it.
const MARK: &str = "processes";

impl Run {
    /// The run, for training its models and crosscoders with other processes, which have the same run open.
    ///
    /// # Errors
    /// A process does not see the folder in which the first one writes, or has other settings; or one has ended.
    pub fn together(self, group: ProcessGroup) -> Result<Run> {
        let identity = serde_json::to_value(&self.manifest.borrow().identity).expect("plain data");
        let fields = identity.as_object().expect("a struct");
        group.agree(&fields.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect())?;
        self.check_seen(&group)?;
        Ok(Run { group: Some(group), ..self })
    }

    /// The processes that train together, if there are several.
    pub fn group(&self) -> Option<&ProcessGroup> {
        self.group.as_ref()
    }

    /// Whether this process is the one that writes.
    pub fn is_first(&self) -> bool {
        self.group.as_ref().is_none_or(ProcessGroup::is_first)
    }

    /// What the first process does while the others wait.
    pub(in crate::experiment) fn by_first(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_first() {
            act()?;
        }
        self.group.as_ref().map_or(Ok(()), ProcessGroup::barrier)
    }

    fn check_seen(&self, group: &ProcessGroup) -> Result<()> {
        let path = self.path(MARK);
        let mark = group.broadcast_text(&format!("{} {:?}", std::process::id(), std::time::SystemTime::now()))?;
        if group.is_first() {
            self.claim()?;
            write_whole(&path, mark.as_bytes())?;
        }
        group.barrier()?;
        let found = std::fs::read_to_string(&path).is_ok_and(|found| found == mark);
        let sees = match found {
            true => "one that has what rank 0 wrote".into(),
            false => format!("{}, where what rank 0 wrote is not", self.dir.display()),
        };
        let agreed = group.agree(&BTreeMap::from([("run's folder", sees)]));
        if group.is_first() {
            let _ = std::fs::remove_file(&path);
        }
        agreed
    }
}
