//! Loops over rows of float32 that the compiler vectorises, for the instructions that the processor turns out to have.

/// Compiles a function three times, for every processor, for those with AVX2 and for those with AVX-512, and calls the
/// widest that this one can run. All three give the same bits: sums have an order of their own, and nothing is fused.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $returned:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $returned)? {
            #[inline(always)]
            fn anywhere($($arg: $type),*) $(-> $returned)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn with_avx512($($arg: $type),*) $(-> $returned)? {
                    anywhere($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) $(-> $returned)? {
                    anywhere($($arg),*)
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the processor has what the function was compiled for.
                    return unsafe { with_avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { with_avx2($($arg),*) };
                }
            }
            anywhere($($arg),*)
        }
    };
}
pub(crate) use vectorised;

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
mod tests {
    use super::*;

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
        for i in -12_000..=12_000 {
            let x = i as f32 / 1000.0;
            let expected = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) - expected).abs() <= 5e-7 * expected.abs(), "{x}: {}", tanh(x));
        }
        assert!(tanh(f32::NAN).is_nan());
    }
}
