"""The journal of DNS changes on the disk: whole, or as it was; absent while there is nothing to undo."""

from __future__ import annotations

from pathlib import Path

from warren.errors import HostError
from warren.tunnel.dns_journal import FileState, Journal, Kind, encode_journal, parse_journal
from warren.tunnel.io.file_snapshot import make_directory, put_state


class JournalFile:
    """In `directory`, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "dns.json"
        self._unfinished = directory / ".dns.unfinished"

    def load(self) -> Journal:
        """What was stored last. Raises HostError if it cannot be read."""
        try:
            return parse_journal(self._path.read_bytes())
        except FileNotFoundError:
            return Journal()
        except OSError as error:
            raise self._unusable(self._path, error) from error
        except ValueError as error:
            raise HostError(f"{self._path}: {error}", code="dns.journal_unusable") from error

    def recover(self) -> Journal:
        """The same after a start: what a killed process has left half written is gone. Raises HostError."""
        try:
            self._unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(self._unfinished, error) from error
        return self.load()

    def store(self, journal: Journal) -> None:
        """It is on the disk when this returns. Raises HostError, with what was stored before."""
        if journal.entries:
            self.put_beside(self._path, FileState(Kind.FILE, encode_journal(journal), mode=0o600))
        elif self._path.exists():
            self.put_beside(self._path, FileState(Kind.ABSENT))

    def put_beside(self, path: Path, state: FileState) -> None:
        """Puts a file into the journal's directory, as safely. Raises HostError."""
        try:
            make_directory(path.parent)
            put_state(path, self._unfinished, state)
        except OSError as error:
            raise self._unusable(path, error) from error

    def _unusable(self, path: Path, error: OSError) -> HostError:
        problem = f"{path}: {error.strerror}"
        hint = "names are resolved as before; check who may use that directory, and the room on the disk"
        return HostError(problem, code="dns.journal_unusable", errno=error.errno, hint=hint)
