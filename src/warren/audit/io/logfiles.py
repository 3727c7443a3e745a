"""Read-only access to the files of a log, for verification and display. No agent needs to be running."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.audit.chain import MAX_LINE_BYTES, Head, parse_link
from warren.audit.io.segments import CHECKPOINT_SUFFIX, Segment, first_line, last_line, segments
from warren.audit.verify import Location
from warren.errors import InputError
from warren.files.bounded_read import open_binary
from warren.files.trusted_path import NAMED_BY_USER, Trust


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of lines and of checkpoints, the oldest first."""

    logs: tuple[Path, ...]
    checkpoints: tuple[Path, ...]
    trust: Trust | None = NAMED_BY_USER

    def lines(self) -> Iterator[tuple[Location, bytes]]:
        """Yield each line with its location, without its newline. Raises OSError."""
        for path in self.logs:
            yield from _lines(path, self.trust)

    def tokens(self) -> Iterator[tuple[Location, str]]:
        """Yield each checkpoint with its location. Raises OSError."""
        for path in self.checkpoints:
            yield from ((location, line.decode("ascii", "replace")) for location, line in _lines(path, self.trust))

    @property
    def last_token(self) -> str | None:
        """Return the last checkpoint. Raises OSError."""
        tokens = [last_line(path, self.trust) for path in self.checkpoints]
        return next((token.decode("ascii", "replace") for token in reversed(tokens) if token), None)


def log_of(directory: Path, trust: Trust | None = NAMED_BY_USER) -> LogFiles:
    """Return the whole log of an agent. Raises InputError if there is none, and UntrustedPathError."""
    present = segments(directory, trust)
    if not present:
        raise InputError(f"{directory} has no audit log", code="audit.missing")
    current = Segment(directory)  # its checkpoints count even if its lines are missing
    with_current = present if current in present else [*present, current]
    checkpoints = tuple(segment.checkpoints for segment in with_current if segment.checkpoints.exists())
    return LogFiles(tuple(segment.log for segment in present), checkpoints, trust)


def log_in(paths: Sequence[Path]) -> LogFiles:
    """Return the log in files of any order, or in a directory. Checkpoints next to a file belong to it.

    Raises InputError and OSError.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return log_of(paths[0])
    logs = [path for path in paths if path.suffix != CHECKPOINT_SUFFIX]
    own = [Segment(path.parent, path.stem).checkpoints for path in logs]
    others = sorted(path for path in paths if path.suffix == CHECKPOINT_SUFFIX and path not in own)
    logs.sort(key=_first)
    checkpoints = [Segment(path.parent, path.stem).checkpoints for path in logs]
    return LogFiles(tuple(logs), tuple(path for path in (*checkpoints, *others) if path.exists()))


def last_head(files: LogFiles) -> Head:
    """Return the head after the last line, as that line claims. Raises InputError and OSError."""
    for path in reversed(files.logs):
        if line := last_line(path, files.trust):
            try:
                return parse_link(line).after
            except ValueError as error:
                raise InputError(f"{path}: invalid last line: {error}", code="audit.tampered") from error
    return Head(0, "0" * 64)


def _first(path: Path) -> int:
    try:
        return parse_link(first_line(path, NAMED_BY_USER)).after.n
    except ValueError:
        return 0


def _lines(path: Path, trust: Trust | None) -> Iterator[tuple[Location, bytes]]:
    """Yield the lines of a file up to one that is too long: what follows it may be of any length."""
    with open_binary(path, trust=trust) as file:
        # Two octets more than the limit, so that a longer line is recognized as too long.
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 2), b""), 1):
            yield Location(str(path), number), line.removesuffix(b"\n")
            if len(line) == MAX_LINE_BYTES + 2:
                return
