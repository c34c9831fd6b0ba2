//! Random draws that depend on nothing but a key and two numbers, so that any row of a generated table can be made again.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the finaliser of SplitMix64).

const BY_ROW: u64 = 0xD134_2543_DE82_EF95;
const BY_FIELD: u64 = 0xA076_1D64_78BD_642F;
const BY_SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// A family of draws.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Draw(seed.wrapping_mul(BY_SEED))
    }

    /// 64 random bits for draw `field` of row `row`.
    #[inline]
    pub(crate) fn bits(self, row: u64, field: u64) -> u64 {
        let mut z = self.0.wrapping_add(row.wrapping_mul(BY_ROW)).wrapping_add(field.wrapping_mul(BY_FIELD));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number in `0..bound`; `bound` below 2^31.
    #[inline]
    pub(crate) fn below(self, row: u64, field: u64, bound: u64) -> u64 {
        (self.bits(row, field) >> 33) % bound
    }

    /// A number in `0..1`.
    #[inline]
    pub(crate) fn unit(self, row: u64, field: u64) -> f64 {
        (self.bits(row, field) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A family of its own for a name.
    pub(crate) fn named(self, name: &str) -> Draw {
        // FNV-1a: stable across builds, unlike the standard hashers.
        Draw(self.0 ^ fnv(name.as_bytes()))
    }
}

/// The FNV-1a hash: stable across builds and machines.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
