//! Looking ahead into a file whose form is to be told.

use crate::error::Result;

/// Items, or rows, from which the form of a file is told.
const N_AHEAD: usize = 1000;

/// Enough to tell it from, however few items that are.
const N_BYTES_AHEAD: usize = 32 << 20;

/// The first items, which are then in memory at once.
///
/// # Errors
/// That of the first item that is one.
pub fn look_ahead<T>(items: &mut impl Iterator<Item = Result<T>>, n_bytes: impl Fn(&T) -> usize) -> Result<Vec<T>> {
    let (mut ahead, mut n_bytes_ahead) = (Vec::new(), 0);
    while ahead.len() < N_AHEAD && n_bytes_ahead < N_BYTES_AHEAD {
        let Some(item) = items.next().transpose()? else { break };
        n_bytes_ahead += n_bytes(&item);
        ahead.push(item);
    }
    Ok(ahead)
}
