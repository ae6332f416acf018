//! A dictionary cut by its latents, for processes that have some of them each. All have the decoder's bias and the scale.

use super::Crosscoder;
use crate::distributed::ProcessGroup;
use crate::{Error, Result};
use tch::Tensor;

/// Which of [`Crosscoder::params`] has no row a latent: the decoder's bias.
const B_DEC: usize = 3;

impl Crosscoder {
    /// The latents of process `rank` of `world_size`: an equal number each, in their order.
    ///
    /// # Errors
    /// The number of latents is no multiple of that of processes.
    pub fn part(&self, rank: usize, world_size: usize) -> Result<Crosscoder> {
        let n = part_size(self.n_latents(), world_size)?;
        let rows = |param: &Tensor| param.narrow(0, rank as i64 * n, n).copy();
        Ok(Crosscoder {
            hooks: self.hooks.clone(),
            d_model: self.d_model,
            w_enc: rows(&self.w_enc),
            b_enc: rows(&self.b_enc),
            w_dec: rows(&self.w_dec),
            b_dec: self.b_dec.copy(),
            log_threshold: rows(&self.log_threshold),
            scale: self.scale.copy(),
        })
    }

    /// The whole dictionary out of the parts of all processes, in the first one; none in the others.
    ///
    /// # Errors
    /// Another process has ended, or cannot be reached.
    pub fn of_parts(&self, group: &ProcessGroup) -> Result<Option<Crosscoder>> {
        let Some(params) = gathered(group, &self.params())? else { return Ok(None) };
        let [w_enc, b_enc, w_dec, b_dec, log_threshold]: [Tensor; 5] =
            params.try_into().expect("as many as there were");
        let scale = self.scale.copy();
        let (hooks, d_model) = (self.hooks.clone(), self.d_model);
        Ok(Some(Crosscoder { hooks, d_model, w_enc, b_enc, w_dec, b_dec, log_threshold, scale }))
    }
}

fn part_size(n_latents: i64, world_size: usize) -> Result<i64> {
    let parts = world_size as i64;
    match n_latents % parts {
        0 => Ok(n_latents / parts),
        _ => {
            let expected = format!("expected a divisor of the {n_latents} latents that are shared out");
            Err(Error::setting("number of processes", parts, expected))
        }
    }
}

/// Parameters, or moments of them, of all latents, in the first process; none in the others.
pub(super) fn gathered(group: &ProcessGroup, parts: &[Tensor]) -> Result<Option<Vec<Tensor>>> {
    let mut whole = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        match i == B_DEC {
            true => whole.push(part.copy()),
            false => whole.extend(group.gather_in_first(part)?),
        }
    }
    Ok(group.is_first().then_some(whole))
}

/// The reverse of [`gathered`]: fills `parts` from what the first process has of all latents.
pub(super) fn scatter(group: &ProcessGroup, whole: Option<&[Tensor]>, parts: &mut [Tensor]) -> Result<()> {
    for (i, part) in parts.iter_mut().enumerate() {
        let whole = whole.map(|whole| &whole[i]);
        if i == B_DEC {
            copy_from(part, whole);
            group.broadcast(part)?;
            continue;
        }
        let n = part.size()[0];
        for rank in 0..group.world_size() {
            let mut sent = part.empty_like();
            copy_from(&mut sent, whole.map(|whole| whole.narrow(0, rank as i64 * n, n)).as_ref());
            group.broadcast(&mut sent)?;
            if rank == group.rank() {
                part.copy_(&sent);
            }
        }
    }
    Ok(())
}

fn copy_from(to: &mut Tensor, from: Option<&Tensor>) {
    if let Some(from) = from {
        to.copy_(from);
    }
}
