"""The configuration file of the agent, and whether the key files that it names can be used."""

from __future__ import annotations

import errno
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import Defaults
from warren.config.overrides import Override
from warren.config.reader import FILE, in_order
from warren.errors import ConfigError, Finding, InputError, KeyFileError
from warren.files.bounded_read import open_following
from warren.files.key_file import Owners, check_key_file, read_preshared_key, read_private_key
from warren.tunnel.io.conffile import Opener, read_text

if sys.platform != "win32":
    import pwd

WRITERS = stat.S_IWGRP | stat.S_IWOTH
REFUSED = (errno.EACCES, errno.EPERM)


def read_config(
    path: Path,
    defaults: Defaults,
    above: Sequence[Override] = (),
    opener: Opener = open_following,
    owners: Owners = None,
) -> AgentConfig:
    """Reads a configuration. Raises ConfigError with every finding, HostError or InputError if there is no such file.

    One that its group or others may write is refused, and one that belongs to none of `owners`; one that the world may
    read is warned of (H-72).
    """
    text, status = read_text(path, opener)
    if owners is not None and status.st_uid not in owners:
        problem = f"{path} belongs to the user {status.st_uid}, whose word does not count here"
        raise InputError(problem, code="config.untrusted_owner")
    mode = stat.S_IMODE(status.st_mode)
    findings = [*_mode_findings(path, mode)]
    try:
        config = load_config(text, str(path), defaults, above)
    except ConfigError as error:
        raise ConfigError([*findings, *error.findings], source=str(path)) from error
    if findings:
        raise ConfigError(findings, source=str(path), code="config.permissions")
    return replace(config, warnings=(*_mode_warnings(path, mode), *config.warnings))


def _mode_findings(path: Path, mode: int) -> Iterator[Finding]:
    if mode & WRITERS:
        problem = f"can be written by others than its owner (mode {mode:04o})"
        yield Finding(FILE, problem, f"see who did, then: chmod go-w {path}")


def _mode_warnings(path: Path, mode: int) -> Iterator[Finding]:
    if mode & stat.S_IROTH:
        yield Finding(FILE, f"can be read by everybody (mode {mode:04o})", f"close it with: chmod o-r {path}")


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What there is to say of key files before anyone needs them."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Finding, ...]
    """Files that are not there yet, or that this user may not read (H-21)."""


def check_keys(config: AgentConfig, owners: Owners) -> KeyCheck:
    """Looks at every key file of a configuration; `owners` are those to whom one may belong. Changes nothing."""
    findings: list[Finding] = []
    unchecked: list[Finding] = []
    for key, path, read in _key_files(config):
        try:
            _check(path, read, owners)
        except KeyFileError as error:
            doubtful = error.errno in (errno.ENOENT, *REFUSED)
            line = config.line(key)
            problem = f"not checked: {error}" if doubtful else str(error)
            (unchecked if doubtful else findings).append(Finding(key, problem, error.hint, line))
    return KeyCheck(in_order(findings), in_order(unchecked))


Read = Callable[[Path, Owners], object]


def _key_files(config: AgentConfig) -> Iterator[tuple[str, Path, Read]]:
    for network in config.networks:
        at = f"network.{network.name}"
        yield f"{at}.private_key_path", Path(network.private_key_path), read_private_key
        for number, peer in enumerate(network.peers):
            if peer.preshared_key_path is not None:
                yield f"{at}.peers[{number}].preshared_key_path", Path(peer.preshared_key_path), read_preshared_key


def _check(path: Path, read: Read, owners: Owners) -> None:
    """Raises KeyFileError. Of a file that cannot be read the mode and the owner may be seen all the same."""
    try:
        read(path, owners)
    except KeyFileError as error:
        if error.errno not in REFUSED:
            raise
        try:
            status = path.lstat()
        except OSError:
            raise error from None
        check_key_file(path, status, owners)
        raise


def key_owners(user: str) -> frozenset[int] | None:
    """Root and the user of the agent, by number; None where this host does not know that user (H-70)."""
    if sys.platform != "win32":
        with suppress(KeyError):
            return frozenset((0, pwd.getpwnam(user).pw_uid))
    return None
