//! Instruction sets. In: the CPU, or a name. Out: the instruction set that every routine uses.
//! Knows nothing of environment variables: a caller that wants another set calls [`force`].

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that routines are compiled for, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Isa {
    /// Plain Rust; the definition of every routine.
    Scalar = 1,
    /// WebAssembly with SIMD128.
    Simd128 = 2,
    /// aarch64 with NEON.
    Neon = 3,
    /// x86-64 with AVX2 and FMA.
    Avx2 = 4,
    /// x86-64 with AVX-512 F and BW.
    Avx512 = 5,
}

/// An instruction set that this CPU lacks, or an unknown name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    asked: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "instruction set {:?} is not offered here; there are: ",
            self.asked
        )?;
        let names: Vec<String> = available().map(|isa| isa.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for Unsupported {}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Scalar => "scalar",
            Isa::Simd128 => "simd128",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        })
    }
}

/// The chosen [`Isa`] as a number; 0 until the first call of [`chosen`].
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The instruction sets this CPU has, narrowest first.
pub fn available() -> impl Iterator<Item = Isa> {
    let all = [Isa::Scalar, Isa::Simd128, Isa::Neon, Isa::Avx2, Isa::Avx512];
    all.into_iter().filter(|isa| offers(*isa))
}

fn offers(isa: Isa) -> bool {
    match isa {
        Isa::Scalar => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
        }
        // A program that is built with it does not start where it is missing.
        Isa::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
        // NEON is part of every aarch64 CPU that Rust's targets name.
        Isa::Neon => cfg!(target_arch = "aarch64"),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => false,
    }
}

/// The instruction set that routines use: the widest available, unless [`force`] named another.
pub fn chosen() -> Isa {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => Isa::Scalar,
        2 => Isa::Simd128,
        3 => Isa::Neon,
        4 => Isa::Avx2,
        5 => Isa::Avx512,
        _ => {
            let best = available().last().unwrap_or(Isa::Scalar);
            CHOSEN.store(best as u8, Ordering::Relaxed);
            best
        }
    }
}

/// Makes routines use an instruction set by name, for tests and measurements.
///
/// Weights that are packed already keep their layout and kernels; call this before packing.
///
/// # Errors
/// [`Unsupported`] if this CPU lacks it; nothing changes.
pub fn force(name: &str) -> Result<Isa, Unsupported> {
    let isa = available()
        .find(|isa| isa.to_string() == name)
        .ok_or_else(|| Unsupported { asked: name.into() })?;
    CHOSEN.store(isa as u8, Ordering::Relaxed);
    Ok(isa)
}

/// Names of the CPU features that the routines use and this CPU has.
pub fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("f16c", is_x86_feature_detected!("f16c")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512bw", is_x86_feature_detected!("avx512bw")),
            ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ];
        all.into_iter()
            .filter(|(_, has)| *has)
            .map(|(name, _)| name)
            .collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let all = [
            ("neon", true),
            (
                "dotprod",
                std::arch::is_aarch64_feature_detected!("dotprod"),
            ),
            ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
        ];
        let present = all.into_iter().filter(|(_, has)| *has);
        present.map(|(name, _)| name).collect()
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_set_is_refused_with_those_there_are() {
        let error = force("mmx").unwrap_err().to_string();
        assert!(error.contains("mmx") && error.contains("scalar"), "{error}");
    }

    #[test]
    fn the_widest_is_last() {
        let all: Vec<Isa> = available().collect();
        assert!(all.is_sorted() && all[0] == Isa::Scalar);
    }
}
