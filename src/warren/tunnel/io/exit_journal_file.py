"""The journal of exit nodes on the disk: whole, or as it was; absent while there is nothing to undo."""

from __future__ import annotations

from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import remove_file, replace_file
from warren.files.bounded_read import read_bounded
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust
from warren.tunnel.exit_journal import ExitJournal, encode_journal, parse_journal

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
TEMPORARY = ".exit.unfinished"
MAX_BYTES = 4 << 20
HINT = "no exit node is opened; check who may use that directory, and the room on the disk"


class ExitJournalFile:
    """The journal in `directory`, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "exit.json"

    def load(self) -> ExitJournal:
        """Return what was stored last, an empty journal if there is none. Raises HostError if it cannot be believed."""
        try:
            octets, _ = read_bounded(self._path, MAX_BYTES, trust=process_trust())
            return parse_journal(octets)
        except FileNotFoundError:
            return ExitJournal()
        except OSError as error:
            raise self._unusable(error) from error
        except ValueError as error:
            raise HostError(f"{self._path}: {error}", code="exit.journal_unusable", hint=HINT) from error

    def recover(self) -> ExitJournal:
        """Remove what a killed process left unfinished, and return what was stored last. Raises HostError."""
        try:
            remove_file(self._path.with_name(TEMPORARY), trust=process_trust())
        except OSError as error:
            raise self._unusable(error) from error
        return self.load()

    def store(self, journal: ExitJournal) -> None:
        """Write a journal to the disk. Raises HostError, with what was stored before."""
        try:
            if journal == ExitJournal():
                remove_file(self._path, trust=process_trust())
                return
            make_directory(self._path.parent, DIRECTORY_MODE, trust=process_trust())
            content = encode_journal(journal)
            replace_file(self._path, content, FILE_MODE, trust=process_trust(), temporary=TEMPORARY)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> HostError:
        problem = f"{self._path}: {error.strerror}"
        return HostError(problem, code="exit.journal_unusable", errno=error.errno, hint=HINT)
