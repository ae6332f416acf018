//! libtorch's generator of random numbers. All threads of a process share it, so whoever seeds it keeps it until the
//! draws are made.

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

/// The generator for one thread, until it is dropped: others that ask for it by [`seeded`] wait. Draws of a thread that
/// did not ask are not kept out.
#[must_use = "dropped at once, it keeps nobody out: bind it to a name for as long as is drawn"]
pub struct Generator {
    _kept: ReentrantMutexGuard<'static, ()>,
}

/// Seeds libtorch's generator, of all devices, and keeps it for this thread. Who holds it may seed it anew. Of a program
/// that holds this library twice, each copy keeps out its own threads only.
pub fn seeded(seed: u64) -> Generator {
    static GENERATOR: ReentrantMutex<()> = ReentrantMutex::new(());
    let kept = GENERATOR.lock();
    tch::manual_seed(seed as i64);
    Generator { _kept: kept }
}
