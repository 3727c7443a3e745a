//! The implementation paths, and which of them this processor supports.

use std::fmt;

/// An implementation path. All give the same octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Sixteen packets in lockstep: AVX-512 F, BW and IFMA.
    Avx512,
    /// Eight packets in lockstep: AVX2.
    Avx2,
    /// One packet after the other, by ring.
    Ring,
}

impl Path {
    /// Every path, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Ring];

    /// Return whether this processor, and the kernel that saves its registers, have the features of the path.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Ring => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512ifma")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Return the [available](Path::is_available) paths, the fastest first; there is at least one.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Ring => "ring",
        })
    }
}
