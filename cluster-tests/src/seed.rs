//! Randomness that can be repeated: every run prints its seed, and takes one from `HOLDFAST_SEED`.

/// A small deterministic generator (xorshift64*), enough to vary a test.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Seeded from `HOLDFAST_SEED`, or at random; prints the seed with the name of the test.
    pub fn of_test(name: &str) -> Self {
        let seed = match std::env::var("HOLDFAST_SEED") {
            Ok(text) => text.parse().expect("HOLDFAST_SEED is a number"),
            Err(_) => {
                let mut bytes = [0; 8];
                getrandom::fill(&mut bytes).expect("randomness");
                u64::from_le_bytes(bytes)
            }
        };
        eprintln!("{name}: HOLDFAST_SEED={seed}");
        Self::new(seed)
    }

    /// Seeded.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.draw().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
