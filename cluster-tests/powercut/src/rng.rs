//! A random sequence that follows from its seed on every machine and in every later version: a seed
//! printed by a failing test must replay the same cut. `SplitMix64`, by Steele, Lea and Flood.

/// A seeded random sequence.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The sequence of a seed for one purpose: `stream` tells purposes apart, so that the draws for
    /// one file do not depend on how many were made for others.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        let start = mixed.next();
        let mut rng = Self(start ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.next();
        rng
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit`, both included. The bias of the multiplication is far below what
    /// a test could see.
    pub(crate) fn up_to(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.next()) * (u128::from(limit) + 1);
        u64::try_from(wide >> 64).unwrap_or(limit)
    }

    /// True in one of two cases.
    pub(crate) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_never_changes() {
        // The published reference sequence of the algorithm for the seed 1234567.
        let mut rng = Rng(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| rng.next()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn draws_reach_both_ends_of_their_range() {
        let mut rng = Rng::new(7, 0);
        let drawn: Vec<u64> = (0..200).map(|_| rng.up_to(3)).collect();
        for value in 0..=3 {
            assert!(drawn.contains(&value), "{value} is never drawn");
        }
        assert!(drawn.iter().all(|value| *value <= 3));
        assert_eq!(rng.up_to(0), 0);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Rng::new(7, 1).next(), Rng::new(7, 2).next());
        assert_ne!(Rng::new(7, 1).next(), Rng::new(8, 1).next());
    }
}
