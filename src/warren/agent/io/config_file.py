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
from warren.files.key_file import Owners, check_key_file, read_password, read_preshared_key, read_private_key
from warren.tunnel.io.conffile import Opener, read_text

if sys.platform != "win32":
    import pwd

WRITERS = stat.S_IWGRP | stat.S_IWOTH
REFUSED = (errno.EACCES, errno.EPERM)


def read_config(
    path: Path,
    defaults: Defaults,
    overrides: Sequence[Override] = (),
    opener: Opener = open_following,
    owners: Owners = None,
) -> AgentConfig:
    """Return the configuration of a file.

    A file that its group or others can write is an error, and one whose owner is not in `owners`. A file that everybody
    can read is a warning (H-72).

    Raises:
        ConfigError: with every finding.
        HostError, InputError: if the file cannot be read.
    """
    text, status = read_text(path, opener)
    if owners is not None and status.st_uid not in owners:
        problem = f"{path} is owned by an untrusted user ({status.st_uid})"
        raise InputError(problem, code="config.untrusted_owner")
    mode = stat.S_IMODE(status.st_mode)
    findings = [*_mode_findings(path, mode)]
    try:
        config = load_config(text, str(path), defaults, overrides)
    except ConfigError as error:
        raise ConfigError([*findings, *error.findings], source=str(path)) from error
    if findings:
        raise ConfigError(findings, source=str(path), code="config.permissions")
    return replace(config, warnings=(*_mode_warnings(path, mode), *config.warnings))


def _mode_findings(path: Path, mode: int) -> Iterator[Finding]:
    if mode & WRITERS:
        problem = f"is writable by users other than its owner (mode {mode:04o})"
        yield Finding(FILE, problem, f"check its content, then: chmod go-w {path}")


def _mode_warnings(path: Path, mode: int) -> Iterator[Finding]:
    if mode & stat.S_IROTH:
        yield Finding(FILE, f"is readable by everybody (mode {mode:04o})", f"restrict it: chmod o-r {path}")


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """The result of checking the key files of a configuration."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Finding, ...]
    """Files that do not exist yet, or that this user may not read (H-21)."""


def check_keys(config: AgentConfig, owners: Owners) -> KeyCheck:
    """Check every key file of a configuration without changing any; `owners` are the users that may own one."""
    findings: list[Finding] = []
    unchecked: list[Finding] = []
    for key, path, read in _key_files(config):
        try:
            _check(path, read, owners)
        except KeyFileError as error:
            unknown = error.errno in (errno.ENOENT, *REFUSED)
            line = config.line(key)
            problem = f"not checked: {error}" if unknown else str(error)
            (unchecked if unknown else findings).append(Finding(key, problem, error.hint, line))
    return KeyCheck(in_order(findings), in_order(unchecked))


Read = Callable[[Path, Owners], object]


def _key_files(config: AgentConfig) -> Iterator[tuple[str, Path, Read]]:
    for network in config.networks:
        at = f"network.{network.name}"
        yield f"{at}.private_key_path", Path(network.private_key_path), read_private_key
        for number, peer in enumerate(network.peers):
            if peer.preshared_key_path is not None:
                yield f"{at}.peers[{number}].preshared_key_path", Path(peer.preshared_key_path), read_preshared_key
        for kind, proxy in network.proxies():
            if proxy.password_path is not None:
                yield f"{at}.{kind}.password_path", Path(proxy.password_path), read_password


def _check(path: Path, read: Read, owners: Owners) -> None:
    """Check one key file. The mode and the owner are checked even if the content cannot be read.

    Raises KeyFileError.
    """
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
    """Return the user ids of root and of the agent's user, or None if the host has no such user (H-70)."""
    if sys.platform != "win32":
        with suppress(KeyError):
            return frozenset((0, pwd.getpwnam(user).pw_uid))
    return None
