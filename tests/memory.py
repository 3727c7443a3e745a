"""The memory of a process, as its kernel shows it: where an octet string lies, and what is said of that place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$")
STEP_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Region:
    """A mapping. `flags` are those of proc(5), smaps: `lo` locked, `dd` in no core file, `wf` wiped by a fork."""

    start: int
    end: int
    rights: str
    name: str
    flags: frozenset[str]


def regions(process: Path) -> Iterator[Region]:
    """All that a process has mapped; `process` is its directory in /proc."""
    head: re.Match[str] | None = None
    for line in (process / "smaps").read_text().splitlines():
        if found := HEAD.match(line):
            head = found
        elif line.startswith("VmFlags:") and head is not None:
            start, end, rights, name = head.groups()
            yield Region(int(start, 16), int(end, 16), rights, name, frozenset(line.split()[1:]))


def find(process: Path, wanted: Mapping[str, bytes]) -> dict[str, list[Region]]:
    """Where each of these lies, by its name; those that lie nowhere are not there."""
    found: dict[str, list[Region]] = {}
    longest = max(map(len, wanted.values()))
    with (process / "mem").open("rb", buffering=0) as memory:
        for region in regions(process):
            for octets in _read(memory.fileno(), region, longest) if "r" in region.rights else ():
                for name, needle in wanted.items():
                    if needle in octets and region not in found.get(name, ()):
                        found.setdefault(name, []).append(region)
    return found


def _read(descriptor: int, region: Region, overlap: int) -> Iterator[bytes]:
    """In steps that overlap. What the kernel keeps to itself, as [vvar], has no octets."""
    for start in range(region.start, region.end, STEP_BYTES):
        try:
            yield os.pread(descriptor, min(STEP_BYTES + overlap, region.end - start), start)
        except OSError:
            return
