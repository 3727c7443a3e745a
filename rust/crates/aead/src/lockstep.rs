//! Dispatch of a group of packets to the code of their path: the only calls that need features of the processor.

use crate::aead::Aead;
use crate::packet::{Entry, TAG_BYTES};
use crate::plan::{BATCH, Form};

/// Process the texts of a group and return the tags of the ciphertexts, in the same order.
#[cfg(target_arch = "x86_64")]
pub(crate) fn process<const SEAL: bool>(
    aead: Aead,
    form: Form,
    group: &mut [Option<Entry<'_>>],
) -> [[u8; TAG_BYTES]; BATCH] {
    use crate::lanes::{Lanes, states};
    use crate::path::Path;
    use crate::{avx2, avx512};

    // An `Aead` names a path only where `Path::is_available` found its features; each call below relies on that.
    let mut tags = [[0; TAG_BYTES]; BATCH];
    match (aead.path(), form) {
        (Path::Avx512, Form::Sixteen) => {
            let mut states = states::<16, 16>(group);
            let lanes = Lanes::two(group);
            // SAFETY: the processor has AVX-512 F, BW and IFMA, as above.
            tags.copy_from_slice(unsafe { avx512::sixteen::<SEAL>(lanes, &mut states) }.as_flattened());
        }
        (Path::Avx512, Form::Eight) => {
            let mut states = states::<16, 8>(group);
            // SAFETY: the processor has AVX-512 F, BW and IFMA, as above.
            tags[..8].copy_from_slice(&unsafe { avx512::eight::<SEAL>(Lanes::of(group), &mut states) });
        }
        (Path::Avx512, Form::Four) => {
            let mut states = states::<16, 4>(group);
            // SAFETY: the processor has AVX-512 F, BW and IFMA, as above.
            tags[..4].copy_from_slice(&unsafe { avx512::four::<SEAL>(Lanes::of(group), &mut states) });
        }
        (Path::Avx2, Form::Eight) => {
            let mut states = states::<8, 8>(group);
            // SAFETY: the processor has AVX2, as above.
            tags[..8].copy_from_slice(&unsafe { avx2::eight::<SEAL>(Lanes::of(group), &mut states) });
        }
        (Path::Avx2, Form::Four) => {
            let mut states = states::<8, 4>(group);
            // SAFETY: the processor has AVX2, as above.
            tags[..4].copy_from_slice(&unsafe { avx2::four::<SEAL>(Lanes::of(group), &mut states) });
        }
        (_, Form::Single) | (Path::Ring, _) | (Path::Avx2, Form::Sixteen) => {
            unreachable!("the plan has no such group")
        }
    }
    tags
}

/// No path of this architecture uses lockstep.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn process<const SEAL: bool>(_: Aead, _: Form, _: &mut [Option<Entry<'_>>]) -> [[u8; TAG_BYTES]; BATCH] {
    unreachable!("the plan has no groups here")
}
