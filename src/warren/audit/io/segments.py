"""The files of the log.

    audit.jsonl              what is written now          audit.checkpoints
    audit-00000000001.jsonl  from line 1, not written any more  audit-00000000001.checkpoints

A segment's checkpoints begin with the last one of the segment before it: so the oldest that is left proves where it
begins, and each can be deleted with its own checkpoints.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from warren.files.append_file import append_file, truncate_file

CURRENT = "audit"
LOG_SUFFIX = ".jsonl"
CHECKPOINT_SUFFIX = ".checkpoints"
MODE = 0o640
BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of lines and the one of its checkpoints."""

    directory: Path
    stem: str = CURRENT

    @property
    def log(self) -> Path:
        """Where the lines are."""
        return self.directory / f"{self.stem}{LOG_SUFFIX}"

    @property
    def checkpoints(self) -> Path:
        """Where their checkpoints are, a token on each line."""
        return self.directory / f"{self.stem}{CHECKPOINT_SUFFIX}"


def rotated(directory: Path, first: int) -> Segment:
    """The segment that begins with that line, once it is not written any more."""
    return Segment(directory, f"{CURRENT}-{first:011}")


def segments(directory: Path) -> list[Segment]:
    """All that are there, the oldest first, the one that is written last."""
    stems = {path.stem for path in directory.glob(f"{CURRENT}-*{LOG_SUFFIX}")}
    current = Segment(directory)
    return [*(Segment(directory, stem) for stem in sorted(stems)), *([current] if current.log.exists() else [])]


def first_line(path: Path) -> bytes:
    """Without its newline; empty where there is none."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.readline().rstrip(b"\n")


def last_line(path: Path) -> bytes:
    """The last that has its newline, without it; empty where there is none. Raises OSError."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        end, found = file.seek(0, os.SEEK_END), b""
        while end and found.rstrip(b"\n").count(b"\n") < 2:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            found, end = file.read(end - start) + found, start
    whole = found[: found.rfind(b"\n") + 1].splitlines()
    return whole[-1] if whole else b""


def append(path: Path, octets: bytes) -> int:
    """Append all octets to a segment or none, and return its size. Raises OSError."""
    return append_file(path, octets, MODE)


def cut_torn(path: Path) -> int:
    """Takes away what stands behind the last newline, as a crash leaves it; answers the size. Raises OSError."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            end = start + newline + 1
            if newline >= 0:
                break
    truncate_file(path, end)
    return end


def tail(path: Path, base: int) -> bytes:
    """What stands behind the first `base` octets. Raises OSError."""
    with path.open("rb") as file:
        file.seek(base)
        return file.read()
