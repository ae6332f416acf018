//! What lengths a tensor of a file may have. Those of a tensor with elements are bounded by the file's size, those of one
//! without by nothing but this.

/// Larger than any dimension of a language model or a dictionary.
const MAX_LENGTH: u64 = i32::MAX as u64;

/// Checks lengths, or strides, so that whatever is computed from them stays within 64 bits.
///
/// # Errors
/// One is too large, or all together are; the limit is named.
pub(super) fn check(what: &str, lengths: impl Iterator<Item = u64> + Clone) -> Result<(), String> {
    let shown: Vec<u64> = lengths.clone().collect();
    if lengths.clone().any(|length| length > MAX_LENGTH) {
        return Err(format!("has {what} {shown:?}, expected at most {MAX_LENGTH} each"));
    }
    let product = lengths.filter(|&length| length > 0).try_fold(1u64, |product, length| product.checked_mul(length));
    match product.filter(|&product| product < 1 << 60) {
        Some(_) => Ok(()),
        None => Err(format!("has {what} {shown:?}, expected a product below 2^60")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn lengths_are_bounded_also_where_there_are_no_elements() {
        assert_eq!(check("shape", [0, 768, 50257].into_iter()), Ok(()));
        assert!(check("shape", [1, 1 << 40, 0, 0].into_iter()).unwrap_err().contains("at most 2147483647"));
        assert!(check("shape", [0, 1 << 30, 1 << 30].into_iter()).unwrap_err().contains("below 2^60"));
    }
}
