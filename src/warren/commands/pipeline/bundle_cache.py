"""The trust bundle that is installed, read again when its file is another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from warren.commands.settings import SecuritySettings
from warren.errors import TrustError
from warren.trust.bundle import TrustBundle
from warren.trust.io.bundle_file import read_bundle


class BundleCache:
    """By the roots that the configuration pins. A file that proves nothing is as good as none, and says why."""

    def __init__(self, security: SecuritySettings, check: Callable[[Path], None] = lambda _: None) -> None:
        """`check` raises TrustError for a file that does not count, wherever it is by."""
        self._path = Path(security.trust)
        self._roots = security.root
        self._check = check
        self._seen: tuple[int, ...] | None = None
        self._bundle: TrustBundle | None = None
        self.problem: str | None = None
        """Why there is none."""

    def bundle(self) -> TrustBundle | None:
        """As it is on the disk now."""
        seen = self._look()
        if seen is None or seen != self._seen:
            self._seen = seen
            self._read()
        return self._bundle

    def sealing_key(self, operator: str) -> bytes | None:
        """What is secret of an answer is sealed to it; None for nobody's."""
        bundle = self.bundle()
        found = bundle.operators.get(operator) if bundle else None
        return found.sealing if found else None

    def rate(self, verb: str) -> int | None:
        """How many of a verb a minute, where the bundle says so."""
        bundle = self.bundle()
        return bundle.rates.get(verb) if bundle else None

    def _look(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> None:
        try:
            self._check(self._path)
            self._bundle = read_bundle(self._path, self._roots)
            self.problem = None if self._bundle else f"no trust bundle is installed at {self._path}"
        except TrustError as error:
            self._bundle, self.problem = None, str(error)
            self._seen = None  # what was wrong may be mended without this file
