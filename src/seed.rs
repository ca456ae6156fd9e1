//! A small seeded generator: every random number of the program comes from one printed seed.
//!
//! Not for secrets. The sequence is part of what makes a simulated run repeatable, so it must not change.

/// `SplitMix64`: one addition and three multiplications a number, and any seed is a good seed.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent generator for one purpose, so that more numbers drawn here change nothing there.
    pub fn fork(&self, purpose: &str) -> Self {
        let mut mixed = self.state ^ 0x5851_f42d_4c95_7f2d;
        for byte in purpose.bytes() {
            mixed = mix(mixed ^ u64::from(byte));
        }
        Self::new(mixed)
    }

    /// The next number, uniform over all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number in `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exactly what an f64 holds")]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product: a bias of at most bound / 2^64, far below anything seen here.
        u64::try_from((u128::from(self.next_u64()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_sequence_is_fixed() {
        let mut rng = Rng::new(1);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(drawn, [0x910a_2dec_8902_5cc1, 0xbeeb_8da1_658e_ec67, 0xf893_a2ee_fb32_555e]);
    }

    #[test]
    fn forks_differ_by_purpose_and_do_not_disturb_their_parent() {
        let parent = Rng::new(7);
        let (mut first, mut second) = (parent.fork("latency"), parent.fork("faults"));
        assert_ne!(first.next_u64(), second.next_u64());
        assert_eq!(parent.clone().next_u64(), Rng::new(7).next_u64());
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut rng = Rng::new(3);
        assert!((0..10_000).all(|_| rng.below(7) < 7 && (0.0..1.0).contains(&rng.unit())));
        assert_eq!(rng.below(0), 0);
    }
}
