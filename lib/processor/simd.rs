//! Loops over rows of float32 that the compiler vectorises, for the instructions that the processor turns out to have.
//!
//! `ATEN_CPU_CAPABILITY`, which libtorch obeys, holds for these loops too: `default` keeps both from AVX2 and AVX-512,
//! `avx2` from AVX-512. It is read once, and asks for no more than the processor has.

use std::sync::OnceLock;

/// Compiles a function three times, for every processor, for those with AVX2 and for those with AVX-512, and calls the
/// one for [`Width::here`]. All three give the same bits: sums have an order of their own, and nothing is fused.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $returned:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $returned)? {
            #[inline(always)]
            fn anywhere($($arg: $type),*) $(-> $returned)? $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::processor::simd::Width;
                #[target_feature(enable = "avx512f")]
                fn with_avx512($($arg: $type),*) $(-> $returned)? {
                    anywhere($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) $(-> $returned)? {
                    anywhere($($arg),*)
                }
                match Width::here() {
                    // SAFETY: the processor has what the function was compiled for.
                    Width::Avx512 => return unsafe { with_avx512($($arg),*) },
                    // SAFETY: as above.
                    Width::Avx2 => return unsafe { with_avx2($($arg),*) },
                    Width::Default => (),
                }
            }
            anywhere($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// Instructions that loops are compiled for, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// Those that every processor of the target has.
    Default,
    /// AVX2.
    Avx2,
    /// AVX-512.
    Avx512,
}

impl Width {
    /// The one that this process computes with.
    #[inline]
    pub(crate) fn here() -> Width {
        #[cfg(test)]
        if let Some(width) = tests::asked_for() {
            return width;
        }
        static HERE: OnceLock<Width> = OnceLock::new();
        *HERE.get_or_init(|| Width::of(std::env::var("ATEN_CPU_CAPABILITY").as_deref().unwrap_or_default()))
    }

    /// What a value of `ATEN_CPU_CAPABILITY` stands for; as with libtorch, an unknown one is passed over.
    fn of(capability: &str) -> Width {
        match capability {
            "default" => Width::Default,
            "avx2" => Width::Avx2.min(Width::of_processor()),
            _ => Width::of_processor(),
        }
    }

    /// The widest that the processor has.
    fn of_processor() -> Width {
        #[cfg(target_arch = "x86_64")]
        match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2")) {
            (true, _) => return Width::Avx512,
            (false, true) => return Width::Avx2,
            (false, false) => (),
        }
        Width::Default
    }
}

/// Partial sums of a dot product: as many as keep two multiply-add units busy.
const N_SUMS: usize = 64;

vectorised! {
    /// Σ a b, summed in a fixed order.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; N_SUMS];
        let (a_blocks, b_blocks) = (a.chunks_exact(N_SUMS), b.chunks_exact(N_SUMS));
        let rest: f32 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in a_blocks.zip(b_blocks) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        let mut n_sums = N_SUMS;
        while n_sums > 1 {
            n_sums /= 2;
            for i in 0..n_sums {
                sums[i] += sums[i + n_sums];
            }
        }
        sums[0] + rest
    }
}

vectorised! {
    /// y = a x
    pub(crate) fn set_scaled(y: &mut [f32], a: f32, x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = a * x;
        }
    }
}

vectorised! {
    /// y += a x
    pub(crate) fn add_scaled(y: &mut [f32], a: f32, x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += a * x;
        }
    }
}

vectorised! {
    /// Turns x̂ into `factor` · (x̂ − x); returns Σ (x̂ − x)².
    pub(crate) fn scaled_error(recon: &mut [f32], x: &[f32], factor: f32) -> f32 {
        for (recon, x) in recon.iter_mut().zip(x) {
            *recon -= x;
        }
        let square = dot(recon, recon);
        recon.iter_mut().for_each(|error| *error *= factor);
        square
    }
}

/// tanh by a quotient of polynomials (as in Eigen and in XLA), which the compiler vectorises.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    /// Where the quotient reaches 1.
    const LARGEST: f32 = 7.905_311;
    const ODD: [f32; 7] =
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619_3e-4, 4.893_525e-3];
    const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3];
    let x = x.clamp(-LARGEST, LARGEST);
    let square = x * x;
    let mut odd = ODD[0];
    let mut i = 1;
    while i < ODD.len() {
        odd = odd * square + ODD[i];
        i += 1;
    }
    let even = ((EVEN[0] * square + EVEN[1]) * square + EVEN[2]) * square + EVEN[3];
    x * odd / even
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    const WIDTHS: [Width; 3] = [Width::Default, Width::Avx2, Width::Avx512];

    /// One more than the place in [`WIDTHS`] of the width that a test asks for, 0 where none does.
    static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);

    pub fn asked_for() -> Option<Width> {
        ASKED_FOR.load(Ordering::Relaxed).checked_sub(1).map(|place| WIDTHS[place])
    }

    /// Every width that the processor has gives the same bits. Meanwhile the loops of other threads take that width too.
    pub fn assert_same_bits_at_every_width(compute: impl Fn() -> Vec<f32>) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |(place, _): (usize, &Width)| {
            ASKED_FOR.store(place + 1, Ordering::Relaxed);
            compute().into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let there = |(_, width): &(usize, &Width)| **width <= Width::of_processor();
        let found: Vec<Vec<u32>> = WIDTHS.iter().enumerate().filter(there).map(at).collect();
        ASKED_FOR.store(0, Ordering::Relaxed);
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
    }

    /// Numbers of all sizes and signs, the same at every call.
    pub fn uneven(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 % 1009) as f32 - 504.0) * 1.1f32.powi(i as i32 % 40 - 20)).collect()
    }

    #[test]
    fn the_variable_narrows_and_never_widens() {
        assert_eq!(Width::of("default"), Width::Default);
        assert_eq!(Width::of("avx2"), Width::Avx2.min(Width::of_processor()));
        for other in ["avx512", "amx", ""] {
            assert_eq!(Width::of(other), Width::of_processor());
        }
    }

    #[test]
    fn loops_give_the_same_bits_at_every_width() {
        for n in [1, 63, 200, 641] {
            let (a, b) = (uneven(n), uneven(n + 1));
            assert_same_bits_at_every_width(|| {
                let (mut scaled, mut added, mut error) = (a.clone(), a.clone(), a.clone());
                set_scaled(&mut scaled, 0.3, &b);
                add_scaled(&mut added, 0.3, &b);
                let sums = vec![dot(&a, &b), scaled_error(&mut error, &b[..n], 0.7)];
                [sums, scaled, added, error].concat()
            });
        }
    }

    #[test]
    fn a_dot_product_of_any_length_is_the_sum_of_products() {
        for n in [0, 1, 63, 64, 65, 200, 640] {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..n).map(|i| (i % 5) as f32).collect();
            let expected: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert_eq!(dot(&a, &b), expected, "small whole numbers add without rounding");
        }
    }

    #[test]
    fn tanh_is_within_a_few_roundings() {
        const ALLOWED: f64 = 8.0 * f32::EPSILON as f64 / 2.0;
        for i in -12_000..=12_000 {
            let x = i as f32 / 1000.0;
            let expected = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) - expected).abs() <= ALLOWED * expected.abs(), "{x}: {}", tanh(x));
        }
        assert!(tanh(f32::NAN).is_nan());
    }
}
