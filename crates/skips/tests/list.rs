//! The last test binary of `cargo test --workspace`. In: what tests noted. Out: the list of skipped
//! tests on stdout, which a target without a harness may write to.

fn main() {
    let list = fusiform_skips::take_list().unwrap_or_else(|e| panic!("the list of skips: {e}"));
    match list.is_empty() {
        true => println!("\nno test was skipped"),
        false => println!("\n{list}"),
    }
}
