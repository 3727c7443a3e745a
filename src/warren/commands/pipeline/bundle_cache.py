"""The installed trust bundle, read again when its file changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from warren.clock import RELEASE_SECONDS
from warren.cluster import NO_CLUSTER
from warren.commands.settings import SecuritySettings
from warren.errors import TrustError
from warren.trust.bundle import TrustBundle
from warren.trust.io.bundle_file import read_bundle


class BundleCache:
    """Verifies the bundle by the pinned roots; an invalid file counts as none, and `problem` says why."""

    def __init__(self, security: SecuritySettings, check: Callable[[Path], None] = lambda _: None) -> None:
        """`check` raises TrustError for a file that must not be used, whoever signed it."""
        self._path = Path(security.trust)
        self._roots, self._threshold = security.root, security.root_threshold
        self._check = check
        self._read_state: tuple[int, ...] | None = None
        self._bundle: TrustBundle | None = None
        self.problem: str | None = None
        """Why there is no bundle."""

    def bundle(self) -> TrustBundle | None:
        """Return the bundle installed on disk, or None."""
        state = self._file_state()
        if state is None or state != self._read_state:
            self._read_state = state
            self._read()
        return self._bundle

    def cluster(self) -> str:
        """Return the cluster of this node, as the bundle that was read last names it; NO_CLUSTER without one.

        Any thread may call it: it reads no file.
        """
        bundle = self._bundle
        return bundle.cluster if bundle else NO_CLUSTER

    def time_floor(self) -> int:
        """Return a time that has certainly passed: of the bundle that was read last, and of this version's release.

        A verification reads the bundle and then the clocks, so its floor is that of the bundle that it uses.
        """
        bundle = self._bundle or self.bundle()
        return max(RELEASE_SECONDS, bundle.issued if bundle else 0)

    def sealing_key(self, operator: str) -> bytes | None:
        """Return the key to which secret fields of an answer are sealed; None if the operator is unknown."""
        bundle = self.bundle()
        entry = bundle.operators.get(operator) if bundle else None
        return entry.sealing if entry else None

    def rate(self, verb: str) -> int | None:
        """Return the rate limit per minute that the bundle sets for a verb, or None.

        It is the bundle that was read last: a command is admitted in the step in which it was verified.
        """
        return self._bundle.rates.get(verb) if self._bundle else None

    def _file_state(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> None:
        try:
            self._check(self._path)
            self._bundle = read_bundle(self._path, self._roots, self._threshold)
            self.problem = None if self._bundle else f"no trust bundle is installed at {self._path}"
        except TrustError as error:
            self._bundle, self.problem = None, str(error)
            self._read_state = None  # the cause may be corrected without a change of this file
