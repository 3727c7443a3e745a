"""Whether a process holds more and more of something."""

from __future__ import annotations

from collections.abc import Sequence

from soak.sample import Sample

# A leak of a session for each rekey, or of a peer for each that comes and goes, is several times this in an hour.
GROWTH_OCTETS = 128 << 10


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The last two thirds: by then every buffer has been used once."""
    return samples[len(samples) // 3 :]


def growth_octets(samples: Sequence[Sample]) -> float:
    """By how much memory rose over the settled time, after the straight line of least squares."""
    steady = settled(samples)
    middle = sum(sample.at for sample in steady) / len(steady)
    spread = sum((sample.at - middle) ** 2 for sample in steady)
    if not spread:
        return 0.0
    slope = sum((sample.at - middle) * sample.octets for sample in steady) / spread
    return slope * (steady[-1].at - steady[0].at)


def findings(samples: Sequence[Sample]) -> list[str]:
    """What it leaks. Of what comes and goes with every question asked, the least of the first third counts."""
    found = []
    if (growth := growth_octets(samples)) > GROWTH_OCTETS:
        found.append(f"memory grows: {growth / 1024:.0f} KiB in the last two thirds")
    third = max(len(samples) // 3, 1)
    early, late = samples[:third], samples[-third:]
    for name in ("descriptors", "threads"):
        before, after = (min(getattr(sample, name) for sample in part) for part in (early, late))
        if after > before:
            found.append(f"{name}: {before} at first, {after} at last")
    return found
