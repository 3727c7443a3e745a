"""The log on the disk: append lines, sign checkpoints, rotate by size and delete by age (G-49, G-51).

The caller keeps appended lines elsewhere until `sync` has returned, and passes them to `restore` after a start. So a
line that a crash tore or a power cut lost is complete again. A journal is used by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren.audit.chain import EMPTY, Head, parse_link
from warren.audit.checkpoint import NO_PREVIOUS, Checkpoint, parse_unverified, sign_checkpoint, token_hash
from warren.audit.event import intent_time, record_beginning, time_of
from warren.audit.io.segments import (
    Segment,
    append,
    first_line,
    last_line,
    lines_of,
    read_from,
    rotated,
    segments,
    truncate_torn_line,
)
from warren.files.append_file import sync_file, truncate_file
from warren.files.atomic import move_file, remove_file
from warren.files.make_directory import make_directory, sync_directory
from warren.files.trusted_path import process_trust
from warren.jws import SigningKey

DIRECTORY_MODE = 0o750
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """The limits of what is kept of the log."""

    max_bytes: int = 100 << 20
    """A segment that has reached this size is rotated."""
    seconds: int = 30 * DAY_SECONDS
    """A segment is deleted when its last line is older by the wall clock and by the time that has passed."""
    max_total_bytes: int = 4 << 30
    """The size of all segments at which the log is full: then nothing is deleted for room, and commands are refused."""


class Journal:
    """The log in a directory, which is created if needed. Without a key, no checkpoint is written."""

    def __init__(
        self,
        directory: Path,
        agent_id: str,
        key: SigningKey | None,
        retention: Retention | None = None,
        cluster: Callable[[], str] = lambda: "",
    ) -> None:
        """`cluster` returns the node's cluster, empty while it has no trust bundle. It is called in any thread."""
        self._directory = directory
        self._agent_id = agent_id
        self._key = key
        self._cluster = cluster
        self.retention = retention or Retention()
        self._current = Segment(directory)
        self._token = ""
        """The last checkpoint."""
        self.size = 0
        """The size of the current segment in octets."""
        self._rotated_bytes = 0

    def open(self) -> None:
        """Open the log, and finish a rotation that was interrupted. Raises OSError."""
        make_directory(self._directory, DIRECTORY_MODE, trust=process_trust())
        self._finish_rotation()
        self.size = self._current.log.stat().st_size if self._current.log.exists() else 0
        self._measure()

    @property
    def total_bytes(self) -> int:
        """Return the size of all segments in octets."""
        return self._rotated_bytes + self.size

    def latest_time(self) -> int:
        """Return the later time of the last line and the last checkpoint; 0 if there is none.

        The times of other lines do not count: a clock that was ahead for a while wrote them. Raises OSError.
        """
        times = [
            time_of(last_line(segment.log, process_trust()))
            for segment in segments(self._directory, process_trust())[-1:]
        ]
        with suppress(ValueError):
            times.append(parse_unverified(self._token).ts)
        return max(times, default=0)

    def latest_intent(self) -> int:
        """Return when the latest intent that a line names was signed; 0 if there is none. It reads the whole log.

        Raises OSError.
        """
        return max(map(intent_time, self._lines()), default=0)

    def last_beginning(self) -> int:
        """Return when the record of used commands begins that the log names last; 0 if it names none.

        It reads the whole log. Raises OSError.
        """
        found = [seconds for seconds in map(record_beginning, self._lines()) if seconds is not None]
        return found[-1] if found else 0

    def _lines(self) -> Iterator[bytes]:
        return (line for segment in segments(self._directory, process_trust()) for line in lines_of(segment.log))

    @property
    def last(self) -> Head:
        """Return the head after the last complete line, as that line claims."""
        for segment in reversed(segments(self._directory, process_trust())):
            line = last_line(segment.log, process_trust())
            try:
                return parse_link(line).after
            except ValueError:  # empty or invalid: the next line will not fit, and `warren audit verify` reports it
                continue
        return EMPTY

    def append(self, lines: Sequence[bytes]) -> None:
        """Append all lines or none; they are on the disk after the next `sync`. Raises OSError."""
        self.size = append(self._current.log, b"".join(line + b"\n" for line in lines))

    def restore(self, base: int | None, lines: Sequence[bytes]) -> None:
        """Make `lines` follow the first `base` octets, on the disk when this returns. Call it after a start.

        A file shorter than `base` was truncated by others: then the lines follow what is left of it. If `base` is None,
        only a torn line is removed. Raises OSError.
        """
        path, wanted = self._current.log, b"".join(line + b"\n" for line in lines)
        if base is None or base > self.size:
            base = truncate_torn_line(path)
        # One octet more tells that something follows, which others have appended: of whatever length, it is removed.
        present = read_from(path, base, len(wanted) + 1) if path.exists() else b""
        if present != wanted:
            equal = _common_prefix_length(present, wanted)
            if path.exists():
                truncate_file(path, base + equal, trust=process_trust())
            self.size = append(path, wanted[equal:])
        self.sync()

    def sync(self) -> None:
        """Flush appended lines to the disk. Raises OSError."""
        if self._current.log.exists():
            sync_file(self._current.log, trust=process_trust())
            sync_directory(self._directory, trust=process_trust())

    def checkpoint(self, head: Head, now: float) -> None:
        """Write a checkpoint of `head`, on the disk when this returns. `head` must be on the disk. Raises OSError."""
        if self._key is not None:
            prev = token_hash(self._token) if self._token else NO_PREVIOUS
            token = sign_checkpoint(Checkpoint(self._agent_id, head, int(now), prev, self._cluster()), self._key)
            append(self._current.checkpoints, token.encode("ascii") + b"\n")
            sync_file(self._current.checkpoints, trust=process_trust())
            sync_directory(self._directory, trust=process_trust())
            self._token = token

    @property
    def checkpoint_n(self) -> int:
        """Return the last line of the last checkpoint, or 0 if there is none."""
        try:
            return parse_unverified(self._token).head.n
        except ValueError:
            return 0

    @property
    def is_full(self) -> bool:
        """Return whether the current segment is due for rotation."""
        return self.size >= self.retention.max_bytes

    def rotate(self) -> None:
        """Start a new segment. The log must be on the disk, with a checkpoint of its head. Raises OSError."""
        full = rotated(self._directory, self._first)
        if self._current.checkpoints.exists():
            move_file(self._current.checkpoints, full.checkpoints.name, trust=process_trust())
        move_file(self._current.log, full.log.name, trust=process_trust())
        self._finish_rotation()
        self.size = 0
        self._measure()

    @property
    def rotated(self) -> tuple[str, ...]:
        """Return the names of the segments that are complete."""
        return tuple(segment.stem for segment in segments(self._directory, process_trust()) if segment != self._current)

    def expired(self, now: float) -> tuple[str, ...]:
        """Return the names of the complete segments that are older than the retention by the wall clock."""
        complete = [Segment(self._directory, stem) for stem in self.rotated]
        oldest = now - self.retention.seconds
        return tuple(segment.stem for segment in complete if segment.log.stat().st_mtime < oldest)

    def delete(self, name: str) -> None:
        """Delete a complete segment. Checkpoints of the others prove where the log starts. Raises OSError."""
        segment = Segment(self._directory, name)
        remove_file(segment.log, trust=process_trust())
        remove_file(segment.checkpoints, trust=process_trust())
        self._measure()

    def _measure(self) -> None:
        complete = [Segment(self._directory, stem) for stem in self.rotated]
        files = [path for segment in complete for path in (segment.log, segment.checkpoints) if path.exists()]
        self._rotated_bytes = sum(path.stat().st_size for path in files)

    @property
    def _first(self) -> int:
        """Return the number of the first line in the current segment."""
        try:
            return parse_link(first_line(self._current.log, process_trust())).after.n
        except ValueError:  # an invalid line: number it after all valid ones
            return self.last.n + 1

    def _finish_rotation(self) -> None:
        if self._current.log.exists():
            full = rotated(self._directory, self._first)
            if full.checkpoints.exists() and not full.log.exists():
                move_file(self._current.log, full.log.name, trust=process_trust())
        truncate_torn_line(self._current.checkpoints)
        self._token = last_line(self._current.checkpoints, process_trust()).decode("ascii", "replace")
        rest = [segment for segment in segments(self._directory, process_trust()) if segment != self._current]
        if not self._token and rest:
            self._start_with(last_line(rest[-1].checkpoints, process_trust()))
        sync_directory(self._directory, trust=process_trust())

    def _start_with(self, token: bytes) -> None:
        if token:
            append(self._current.checkpoints, token + b"\n")
            sync_file(self._current.checkpoints, trust=process_trust())
            self._token = token.decode("ascii", "replace")


def _common_prefix_length(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
