//! Going on in several processes: the first one reads the file, the others get from it what they go on from.

use super::{Checkpoint, State};
use crate::Result;
use crate::distributed::ProcessGroup;
use crate::training::adam::Adam;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Checkpoint {
    /// [`Checkpoint::resume`] by the first process of a group; the others, which have the same tensors, get its state. Without
    /// a group this process is alone.
    ///
    /// # Errors
    /// Another process has ended.
    pub(crate) fn resume_together<Line: Serialize + DeserializeOwned>(
        &self,
        group: Option<&ProcessGroup>,
        State { params, since_line, log }: State<Line>,
        adam: &mut Adam,
        n_steps: i64,
    ) -> Result<()> {
        if group.is_none_or(ProcessGroup::is_first) {
            let state = State { params: &mut *params, since_line: &mut *since_line, log: &mut *log };
            self.resume(state, adam, n_steps);
        }
        let Some(group) = group else { return Ok(()) };
        adam.n_steps = group.of_first(&adam.n_steps)?;
        if adam.n_steps == 0 {
            return Ok(());
        }
        let _no_grad = tch::no_grad_guard();
        let moments = adam.exp_avg.iter_mut().chain(&mut adam.exp_avg_sq);
        params.iter_mut().chain(moments).chain(since_line).try_for_each(|tensor| group.broadcast(tensor))?;
        *log = group.of_first(log)?;
        Ok(())
    }
}
