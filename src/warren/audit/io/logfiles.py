"""A log read from its files, for whoever verifies or shows it; no agent need run, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.audit.chain import MAX_LINE_BYTES, Head, parse_link
from warren.audit.io.segments import CHECKPOINT_SUFFIX, Segment, first_line, last_line, segments
from warren.audit.verify import Location
from warren.errors import InputError


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Files of lines and of checkpoints, the oldest first."""

    logs: tuple[Path, ...]
    checkpoints: tuple[Path, ...]

    def lines(self) -> Iterator[tuple[Location, bytes]]:
        """Each with its place, without its newline. Raises OSError."""
        for path in self.logs:
            yield from _lines(path)

    def tokens(self) -> Iterator[tuple[Location, str]]:
        """Of the checkpoints. Raises OSError."""
        for path in self.checkpoints:
            yield from ((place, line.decode("ascii", "replace")) for place, line in _lines(path))

    @property
    def last_token(self) -> str | None:
        """The last checkpoint. Raises OSError."""
        found = [last_line(path) for path in self.checkpoints]
        return next((token.decode("ascii", "replace") for token in reversed(found) if token), None)


def log_of(directory: Path) -> LogFiles:
    """The whole log of an agent. Raises InputError where there is none."""
    found = segments(directory)
    if not found:
        raise InputError(f"{directory}: no audit log is there", code="audit.missing")
    current = Segment(directory)  # its checkpoints count also where its lines are gone
    each = found if current in found else [*found, current]
    checkpoints = tuple(segment.checkpoints for segment in each if segment.checkpoints.exists())
    return LogFiles(tuple(segment.log for segment in found), checkpoints)


def log_in(paths: Sequence[Path]) -> LogFiles:
    """Of files in any order, or of a directory; the checkpoints that lie beside a file belong to it.

    Raises InputError and OSError.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return log_of(paths[0])
    logs = [path for path in paths if path.suffix != CHECKPOINT_SUFFIX]
    beside = [Segment(path.parent, path.stem).checkpoints for path in logs]
    others = sorted(path for path in paths if path.suffix == CHECKPOINT_SUFFIX and path not in beside)
    logs.sort(key=_first)
    checkpoints = [Segment(path.parent, path.stem).checkpoints for path in logs]
    return LogFiles(tuple(logs), tuple(path for path in (*checkpoints, *others) if path.exists()))


def last_head(files: LogFiles) -> Head:
    """The log up to its last line, by what that line says. Raises InputError and OSError."""
    for path in reversed(files.logs):
        if line := last_line(path):
            try:
                return parse_link(line).after
            except ValueError as error:
                raise InputError(f"{path}: its last line {error}", code="audit.tampered") from error
    return Head(0, "0" * 64)


def _first(path: Path) -> int:
    try:
        return parse_link(first_line(path)).after.n
    except ValueError:
        return 0


def _lines(path: Path) -> Iterator[tuple[Location, bytes]]:
    with path.open("rb") as file:
        # Two octets more than a line may have, so that a longer one is seen to be longer.
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 2), b""), 1):
            yield Location(str(path), number), line.removesuffix(b"\n")
