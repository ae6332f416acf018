//! Work shared out over as many threads as libtorch uses.

use std::sync::Mutex;

/// Runs `work` on every item; threads take the next one when they are done. What an item's work writes must not depend
/// on which thread does it, then results do not depend on the number of threads.
pub(crate) fn for_each<T: Send>(items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let n_items = items.size_hint().1.unwrap_or(usize::MAX);
    let n_threads = n_items.min(tch::get_num_threads().max(1) as usize);
    let items = Mutex::new(items);
    let worker = || {
        loop {
            let next = items.lock().expect("no worker panicked").next();
            let Some(item) = next else { break };
            work(item);
        }
    };
    std::thread::scope(|scope| {
        (1..n_threads).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
}
