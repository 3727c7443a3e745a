"""The journal of DNS changes on the disk: whole, or as it was; absent while there is nothing to undo."""

from __future__ import annotations

from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import remove_file
from warren.files.bounded_read import read_bounded
from warren.files.file_state import FileState, Kind
from warren.files.make_directory import make_directory
from warren.files.snapshot import restore_snapshot
from warren.files.trusted_path import process_trust
from warren.tunnel.dns_journal import Journal, encode_journal, parse_journal

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
TEMPORARY = ".dns.unfinished"
MAX_BYTES = 8 << 20  # three contents of MAX_FILE_BYTES at most, in base64; what is cut off is no JSON


class JournalFile:
    """The journal in `directory`, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "dns.json"

    def load(self) -> Journal:
        """Return what was stored last, an empty journal if there is none. Raises HostError if it cannot be read."""
        try:
            octets, _ = read_bounded(self._path, MAX_BYTES, trust=process_trust())
            return parse_journal(octets)
        except FileNotFoundError:
            return Journal()
        except OSError as error:
            raise self._unusable(self._path, error) from error
        except ValueError as error:
            raise HostError(f"{self._path}: {error}", code="dns.journal_unusable") from error

    def recover(self) -> Journal:
        """Remove what a killed process left unfinished, and return what was stored last. Raises HostError."""
        unfinished = self._path.with_name(TEMPORARY)
        try:
            remove_file(unfinished, trust=process_trust())
        except OSError as error:
            raise self._unusable(unfinished, error) from error
        return self.load()

    def store(self, journal: Journal) -> None:
        """Write a journal to the disk. Raises HostError, with what was stored before."""
        if journal.entries:
            self.put_beside(self._path, FileState(Kind.FILE, encode_journal(journal), mode=FILE_MODE))
        elif self._path.exists():
            self.put_beside(self._path, FileState(Kind.ABSENT))

    def put_beside(self, path: Path, state: FileState) -> None:
        """Put a file into the directory of the journal, as safely. Raises HostError."""
        try:
            make_directory(path.parent, DIRECTORY_MODE, trust=process_trust())
            restore_snapshot(path, TEMPORARY, state, trust=process_trust())
        except OSError as error:
            raise self._unusable(path, error) from error

    def _unusable(self, path: Path, error: OSError) -> HostError:
        problem = f"{path}: {error.strerror}"
        hint = "names are resolved as before; check who may use that directory, and the room on the disk"
        return HostError(problem, code="dns.journal_unusable", errno=error.errno, hint=hint)
