//! libtorch's process groups, which no crate binds: c10d's store over TCP, and its group over Gloo. `c10d.cpp` puts
//! functions of C before them.
//!
//! Errors are the texts that libtorch gives.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::null_mut;
use std::time::Duration;
pub use torch_sys::C_tensor;

/// What it returns, or libtorch's text.
pub type Result<T> = std::result::Result<T, String>;

#[repr(C)]
struct CStore {
    _private: [u8; 0],
}

#[repr(C)]
struct CGroup {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn c10d_free(text: *mut c_char);
    fn c10d_store_open(
        host: *const c_char,
        port: u16,
        serves: c_int,
        prefix: *const c_char,
        timeout_ms: i64,
        out: *mut *mut CStore,
    ) -> *mut c_char;
    fn c10d_store_close(store: *mut CStore);
    fn c10d_store_set(store: *mut CStore, key: *const c_char, value: *const c_char) -> *mut c_char;
    fn c10d_store_add(store: *mut CStore, key: *const c_char, more: i64, sum: *mut i64) -> *mut c_char;
    fn c10d_store_has(store: *mut CStore, key: *const c_char, has: *mut c_int) -> *mut c_char;
    fn c10d_store_get(store: *mut CStore, key: *const c_char, value: *mut *mut c_char) -> *mut c_char;
    fn c10d_group_open(
        store: *mut CStore,
        address: *const c_char,
        interface: *const c_char,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
        out: *mut *mut CGroup,
    ) -> *mut c_char;
    fn c10d_group_close(group: *mut CGroup);
    fn c10d_all_reduce(group: *mut CGroup, tensor: *mut C_tensor, takes_max: c_int) -> *mut c_char;
    fn c10d_broadcast(group: *mut CGroup, tensor: *mut C_tensor, root: c_int) -> *mut c_char;
    fn c10d_all_gather(group: *mut CGroup, all: *mut C_tensor, own: *mut C_tensor) -> *mut c_char;
    fn c10d_gather(group: *mut CGroup, all: *mut C_tensor, own: *mut C_tensor) -> *mut c_char;
    fn c10d_barrier(group: *mut CGroup) -> *mut c_char;
}

/// What a function of C said.
fn said(error: *mut c_char) -> Result<()> {
    if error.is_null() { Ok(()) } else { Err(taken(error)) }
}

/// A text of `c10d.cpp`, freed there.
fn taken(text: *mut c_char) -> String {
    // SAFETY: a NUL-terminated text that `strdup` made, which nobody else has.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        c10d_free(text);
        owned
    }
}

fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| format!("{text:?} holds a NUL"))
}

fn milliseconds(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}

/// Texts by key that all processes of a group see; one of them serves it, or the program that started them does.
pub struct Store(*mut CStore);

// SAFETY: c10d's stores lock what they share.
unsafe impl Send for Store {}
unsafe impl Sync for Store {}

impl Store {
    /// Opens the store at `host:port`, where it `serves` also for the others. All keys stand behind `prefix`.
    pub fn open(host: &str, port: u16, serves: bool, prefix: &str, timeout: Duration) -> Result<Store> {
        let (host, prefix, mut store) = (c_text(host)?, c_text(prefix)?, null_mut());
        let timeout = milliseconds(timeout);
        // SAFETY: texts outlive the call; `store` is written where it succeeds.
        said(unsafe { c10d_store_open(host.as_ptr(), port, serves.into(), prefix.as_ptr(), timeout, &mut store) })?;
        Ok(Store(store))
    }

    /// Sets a text.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (c_text(key)?, c_text(value)?);
        // SAFETY: the store is open, texts outlive the call.
        said(unsafe { c10d_store_set(self.0, key.as_ptr(), value.as_ptr()) })
    }

    /// Adds to a counter, which is 0 at first; what it then is.
    pub fn add(&self, key: &str, more: i64) -> Result<i64> {
        let (key, mut sum) = (c_text(key)?, 0);
        // SAFETY: as in `set`.
        said(unsafe { c10d_store_add(self.0, key.as_ptr(), more, &mut sum) })?;
        Ok(sum)
    }

    /// Whether a key is set.
    pub fn has(&self, key: &str) -> Result<bool> {
        let (key, mut has) = (c_text(key)?, 0);
        // SAFETY: as in `set`.
        said(unsafe { c10d_store_has(self.0, key.as_ptr(), &mut has) })?;
        Ok(has != 0)
    }

    /// The text of a key; waits until it is set, as long as the store's timeout.
    pub fn get(&self, key: &str) -> Result<String> {
        let (key, mut value) = (c_text(key)?, null_mut());
        // SAFETY: as in `set`; `value` is written where it succeeds.
        said(unsafe { c10d_store_get(self.0, key.as_ptr(), &mut value) })?;
        Ok(taken(value))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it was opened and is closed once.
        unsafe { c10d_store_close(self.0) };
    }
}

/// What a group's network listens on.
#[derive(Debug, Clone)]
pub enum Network {
    /// The interface of this name.
    Interface(String),
    /// The one that has this address.
    Address(String),
}

/// Processes that compute together over Gloo. All call the same functions in the same order.
pub struct Group(*mut CGroup);

// SAFETY: a process group may be used from any thread, and is from one at a time.
unsafe impl Send for Group {}

impl Group {
    /// Joins the group of `size` processes as `rank`; what a call waits for the others at most is `timeout`.
    pub fn open(store: &Store, network: &Network, rank: i32, size: i32, timeout: Duration) -> Result<Group> {
        let (address, interface) = match network {
            Network::Interface(name) => ("", name.as_str()),
            Network::Address(address) => (address.as_str(), ""),
        };
        let (address, interface, mut group) = (c_text(address)?, c_text(interface)?, null_mut());
        let (address, interface, timeout) = (address.as_ptr(), interface.as_ptr(), milliseconds(timeout));
        // SAFETY: the store is open and is held on to by the group; texts outlive the call.
        said(unsafe { c10d_group_open(store.0, address, interface, rank, size, timeout, &mut group) })?;
        Ok(Group(group))
    }

    /// Sets a contiguous tensor to the sum of those of all processes, or to the largest value of each place.
    ///
    /// # Safety
    /// `tensor` is a tensor of torch-sys that lives.
    pub unsafe fn all_reduce(&self, tensor: *mut C_tensor, takes_max: bool) -> Result<()> {
        // SAFETY: the caller's; the group is open.
        said(unsafe { c10d_all_reduce(self.0, tensor, takes_max.into()) })
    }

    /// Sets a contiguous tensor to that of process `root`.
    ///
    /// # Safety
    /// As [`Group::all_reduce`].
    pub unsafe fn broadcast(&self, tensor: *mut C_tensor, root: i32) -> Result<()> {
        // SAFETY: as above.
        said(unsafe { c10d_broadcast(self.0, tensor, root) })
    }

    /// Sets `all` to the tensors `own` of all processes, one after the other.
    ///
    /// # Safety
    /// As [`Group::all_reduce`], of both.
    pub unsafe fn all_gather(&self, all: *mut C_tensor, own: *mut C_tensor) -> Result<()> {
        // SAFETY: as above.
        said(unsafe { c10d_all_gather(self.0, all, own) })
    }

    /// As [`Group::all_gather`], but in process 0 alone; `all` of the others is not looked at.
    ///
    /// # Safety
    /// As [`Group::all_reduce`], of both.
    pub unsafe fn gather(&self, all: *mut C_tensor, own: *mut C_tensor) -> Result<()> {
        // SAFETY: as above.
        said(unsafe { c10d_gather(self.0, all, own) })
    }

    /// Waits until all have come.
    pub fn barrier(&self) -> Result<()> {
        // SAFETY: the group is open.
        said(unsafe { c10d_barrier(self.0) })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: it was opened and is closed once.
        unsafe { c10d_group_close(self.0) };
    }
}
