//! Calls of C in orders and with arguments that nobody would choose. In: numbers from a generator.
//! Out: no crash. The fuzz target `c_boundary` does the same, led by what it reaches.

#[path = "any_order/calls.rs"]
mod calls;

/// The numbers of Vigna's SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self) -> Vec<u8> {
        // Small numbers lead to what exists more often than large ones.
        let mask = [0xff, 0x0f, 0x3f][self.next() as usize % 3];
        (0..self.next() % 1500)
            .map(|_| self.next() as u8 & mask)
            .collect()
    }
}

fn run(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let bytes = Numbers(seed).bytes();
        assert!(
            std::panic::catch_unwind(|| calls::run(&bytes)).is_ok(),
            "seed {seed}"
        );
    }
}

#[test]
fn any_order_of_calls_is_answered() {
    run(0..2000);
}

/// As long as somebody lets it: `cargo test -p fusiform-ffi --test any_order -- --ignored`.
#[test]
#[ignore = "runs until it is stopped"]
fn any_order_of_calls_is_answered_for_ever() {
    run(2000..);
}
