"""The files of the log.

    audit.jsonl              current segment      audit.checkpoints
    audit-00000000001.jsonl  rotated, from line 1  audit-00000000001.checkpoints

A segment's checkpoints start with the last one of the previous segment. So the oldest segment left proves where it
starts, and a segment can be deleted together with its own checkpoints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren.audit.chain import MAX_LINE_BYTES
from warren.files.append_file import append_file, truncate_file
from warren.files.bounded_read import open_binary
from warren.files.trusted_path import Trust, process_trust, proven_directory

CURRENT = "audit"
LOG_SUFFIX = ".jsonl"
CHECKPOINT_SUFFIX = ".checkpoints"
ROTATED = re.compile(rf"{CURRENT}-.*{re.escape(LOG_SUFFIX)}")
MODE = 0o640
BLOCK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of lines and the file of its checkpoints."""

    directory: Path
    stem: str = CURRENT

    @property
    def log(self) -> Path:
        """Return the path of the lines."""
        return self.directory / f"{self.stem}{LOG_SUFFIX}"

    @property
    def checkpoints(self) -> Path:
        """Return the path of the checkpoints, one token per line."""
        return self.directory / f"{self.stem}{CHECKPOINT_SUFFIX}"


def rotated(directory: Path, first: int) -> Segment:
    """Return the rotated segment that starts with line `first`."""
    return Segment(directory, f"{CURRENT}-{first:011}")


def segments(directory: Path, trust: Trust | None) -> list[Segment]:
    """Return the segments on the disk, the oldest first, the current one last. Raises UntrustedPathError."""
    stems: set[str] = set()
    with suppress(FileNotFoundError), proven_directory(directory, trust) as opened:
        stems.update(Path(name).stem for name in opened.names() if ROTATED.fullmatch(name))
    current = Segment(directory)
    return [*(Segment(directory, stem) for stem in sorted(stems)), *([current] if current.log.exists() else [])]


def first_line(path: Path, trust: Trust | None) -> bytes:
    """Return the first line without its newline, or the part of it that is longer than an entry; empty if none."""
    if not path.exists():
        return b""
    with open_binary(path, trust=trust) as file:
        return file.readline(MAX_LINE_BYTES + 2).rstrip(b"\n")


def last_line(path: Path, trust: Trust | None) -> bytes:
    """Return the last complete line without its newline; empty if there is none, or only one that is too long.

    Raises OSError.
    """
    if not path.exists():
        return b""
    with open_binary(path, trust=trust) as file:
        end, octets = file.seek(0, os.SEEK_END), b""
        while end and octets.rstrip(b"\n").count(b"\n") < 2 and len(octets) <= 3 * MAX_LINE_BYTES:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            octets, end = file.read(end - start) + octets, start
    whole = octets[: octets.rfind(b"\n") + 1].splitlines()
    return whole[-1] if whole else b""


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines without their newlines; one that is too long for a log comes in parts. Raises OSError."""
    with open_binary(path, trust=process_trust()) as file:
        yield from (line.rstrip(b"\n") for line in iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""))


def append(path: Path, octets: bytes) -> int:
    """Append all octets to a segment or none, and return its size. Raises OSError."""
    return append_file(path, octets, MODE, trust=process_trust())


def truncate_torn_line(path: Path) -> int:
    """Truncate a file after its last newline, as needed after a crash, and return its size. Raises OSError."""
    if not path.exists():
        return 0
    with open_binary(path, trust=process_trust()) as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            end = start + newline + 1
            if newline >= 0:
                break
    truncate_file(path, end, trust=process_trust())
    return end


def read_from(path: Path, offset: int, max_bytes: int) -> bytes:
    """Return at most `max_bytes` octets from `offset` on. Raises OSError."""
    with open_binary(path, trust=process_trust()) as file:
        file.seek(offset)
        return file.read(max_bytes)
