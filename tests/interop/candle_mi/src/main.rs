//! candle-mi reads a crosscoder that the library wrote in SAELens' form, and gives its latents and reconstruction.
//!
//! Given a folder with `sae/` and `numbers.safetensors` (`acts`, `latents`, `recon`), as tests/it/interop.rs leaves it.

use candle_core::{Device, Tensor, safetensors};
use candle_mi::sae::{SaeArchitecture, SparseAutoencoder};
use std::error::Error;
use std::path::PathBuf;

/// Share of the largest number by which one may differ: 84 terms, 60 inputs and 24 latents.
const ALLOWED: f32 = 1e-5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("which folder?")?);
    let numbers = safetensors::load(folder.join("numbers.safetensors"), &Device::Cpu)?;
    let sae = SparseAutoencoder::from_local(&folder.join("sae"), &Device::Cpu)?;
    if sae.config().architecture != SaeArchitecture::JumpReLU {
        return Err(format!("read as {:?}", sae.config().architecture).into());
    }
    let latents = sae.encode(&numbers["acts"].flatten_from(1)?)?;
    close("latents", &latents, &numbers["latents"])?;
    close("reconstruction", &sae.decode(&latents)?, &numbers["recon"].flatten_from(1)?)
}

fn close(what: &str, found: &Tensor, expected: &Tensor) -> Result<(), Box<dyn Error>> {
    let largest = |tensor: &Tensor| tensor.abs()?.max_all()?.to_scalar::<f32>();
    let error = largest(&(found - expected)?)? / largest(expected)?;
    println!("candle-mi, crosscoder: {what}: {error:.1e} of {ALLOWED:.0e}");
    if error <= ALLOWED { Ok(()) } else { Err(format!("{what} differ by {error:.1e}").into()) }
}
