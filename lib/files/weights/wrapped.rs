//! Names that a wrapper has put a prefix before: the state dict of a compiled or distributed model.

use super::Weights;

/// The prefixes of `torch.compile` and of `DataParallel` or `DistributedDataParallel`.
const WRAPPERS: [&str; 2] = ["_orig_mod.", "module."];

impl Weights {
    /// Takes away what wrappers have put before every name. A prefix of some names only is left.
    pub(crate) fn unwrap_names(&mut self) {
        let of_all = |names: &Weights, prefix: &str| names.tensors.keys().all(|name| name.starts_with(prefix));
        while !self.tensors.is_empty()
            && let Some(prefix) = WRAPPERS.into_iter().find(|prefix| of_all(self, prefix))
        {
            let wrapped = std::mem::take(&mut self.tensors);
            self.tensors = wrapped.into_iter().map(|(name, tensor)| (name[prefix.len()..].into(), tensor)).collect();
        }
    }
}
