//! Work shared out over the threads that libtorch computes with.
//!
//! After an operation libtorch's OpenMP threads wait for the next one by spinning, for milliseconds. Threads of our own
//! would share the processors with them, so the loops here run on the same team, where libtorch's OpenMP is GNU's.

use std::any::Any;
use std::ffi::{c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, OnceLock};

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
    match openmp() {
        _ if n_threads <= 1 => worker(),
        Some(parallel) => on_team(parallel, n_threads, &worker),
        None => std::thread::scope(|scope| {
            (1..n_threads).for_each(|_| drop(scope.spawn(worker)));
            worker();
        }),
    }
}

/// `GOMP_parallel`: calls a function with its data on every thread of a team, the caller among them.
type Parallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

/// What the threads of a team do, and the panic of one of them.
struct Job<'a> {
    worker: &'a (dyn Fn() + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

fn on_team(parallel: Parallel, n_threads: usize, worker: &(dyn Fn() + Sync)) {
    extern "C" fn run(job: *mut c_void) {
        // SAFETY: the job below, which outlives the team's work.
        let job = unsafe { &*(job as *const Job) };
        if let (Err(panic), Ok(mut first)) = (catch_unwind(AssertUnwindSafe(job.worker)), job.panic.lock()) {
            first.get_or_insert(panic);
        }
    }
    let job = Job { worker, panic: Mutex::new(None) };
    // SAFETY: `run` takes a job, may be called by several threads at once and does not unwind; the call returns when all
    // have returned from it.
    unsafe { parallel(run, &raw const job as *mut c_void, n_threads as c_uint, 0) };
    if let Some(panic) = job.panic.into_inner().ok().flatten() {
        resume_unwind(panic);
    }
}

/// The entry of the OpenMP library that libtorch has loaded, if it is GNU's.
fn openmp() -> Option<Parallel> {
    static FOUND: OnceLock<Option<Parallel>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: names are NUL-terminated; the library stays, since libtorch needs it; the type is the function's own.
        unsafe {
            let library = libc::dlopen(c"libgomp.so.1".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            let entry = if library.is_null() { library } else { libc::dlsym(library, c"GOMP_parallel".as_ptr()) };
            (!entry.is_null()).then(|| std::mem::transmute::<*mut c_void, Parallel>(entry))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_item_is_worked_on_once() {
        let mut values = vec![0; 1000];
        for_each(values.iter_mut().enumerate(), |(i, value)| *value += i + 1);
        assert!(values.iter().enumerate().all(|(i, value)| *value == i + 1));
    }

    #[test]
    fn a_team_is_as_large_as_asked_for_and_passes_panics_on() {
        let Some(parallel) = openmp() else { return };
        let n_started = AtomicUsize::new(0);
        on_team(parallel, 3, &|| {
            n_started.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(n_started.into_inner(), 3);
        let stopped = catch_unwind(|| on_team(parallel, 2, &|| panic!("a worker's")));
        assert_eq!(stopped.unwrap_err().downcast_ref::<&str>(), Some(&"a worker's"));
    }
}
