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
}
