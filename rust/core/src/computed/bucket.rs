//! Iceberg's hash for bucket partitions: murmur3, 32 bits, x86, seed 0 (Iceberg's table spec, appendix B).

/// The bucket of a hash.
pub fn bucket(hash: u32, buckets: u32) -> i32 {
    ((hash & i32::MAX as u32) % buckets) as i32
}

/// Of whole numbers, dates (days) and timestamps (microseconds).
pub fn hash_long(value: i64) -> u32 {
    hash_bytes(&value.to_le_bytes())
}

/// Of a decimal: the fewest bytes, big-endian, that hold its unscaled value.
pub fn hash_decimal(unscaled: i128) -> u32 {
    let bytes = unscaled.to_be_bytes();
    let sign = if unscaled < 0 { 0xFF } else { 0 };
    let redundant = bytes.windows(2).take_while(|pair| pair[0] == sign && (pair[1] ^ sign) < 0x80).count();
    hash_bytes(&bytes[redundant..])
}

pub fn hash_bytes(bytes: &[u8]) -> u32 {
    let mix = |word: u32| word.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    let (words, tail) = bytes.as_chunks::<4>();
    let mut hash: u32 = 0;
    for word in words {
        hash =
            (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64);
    }
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    hash ^= mix(u32::from_le_bytes(last));
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that Iceberg's specification gives.
    #[test]
    fn hashes_are_those_of_the_specification() {
        assert_eq!(hash_long(34) as i32, 2_017_239_379);
        assert_eq!(hash_decimal(1420) as i32, -500_754_589);
        assert_eq!(hash_long(17_486) as i32, -653_330_422, "2017-11-16");
        assert_eq!(hash_long(1_510_871_468_000_000) as i32, -2_047_944_441, "2017-11-16T22:31:08");
        assert_eq!(hash_bytes(b"iceberg") as i32, 1_210_000_089);
        assert_eq!(hash_bytes(&[0, 1, 2, 3]) as i32, -188_683_207);
    }

    #[test]
    fn decimals_are_hashed_in_their_fewest_bytes() {
        for (value, bytes) in [
            (0i128, &[0u8][..]),
            (-1, &[0xFF]),
            (127, &[0x7F]),
            (128, &[0, 0x80]),
            (-128, &[0x80]),
            (-129, &[0xFF, 0x7F]),
            (256, &[1, 0]),
        ] {
            assert_eq!(hash_decimal(value), hash_bytes(bytes), "{value}");
        }
    }

    #[test]
    fn a_bucket_is_never_negative() {
        assert_eq!(bucket(u32::MAX, 16), 15);
        assert_eq!(bucket(0x8000_0001, 16), 1);
    }
}
