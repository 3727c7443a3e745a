"""How a user of the built-in OpenVPN provider ends: deleted, or when its time is up (V-51).

First the certificate is revoked, so nobody comes in; then sessions end; the entry goes last. Where something fails on
the way the entry is still there, and the next attempt ends what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from cryptography import x509

from warren.commands.effects.effect import (
    EffectError,
    Effects,
    ListDirectory,
    LockFile,
    Now,
    ReadFile,
    RemoveFile,
    Secret,
    WriteFile,
    do,
)
from warren.commands.effects.openvpn import EndVpnSessions
from warren.commands.periodic import LOOK_AGAIN_SECONDS, TaskResult
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.ca import revoke
from warren.commands.providers.openvpn import SYSTEM
from warren.commands.providers.openvpn_files import ENTRY, VpnFiles
from warren.commands.providers.openvpn_user import VpnUser, due, encode_user, parse_user
from warren.commands.providers.script_provider import tell_of_user
from warren.commands.result import CommandError
from warren.commands.settings import OpenVpnSettings
from warren.commands.verbs import VerbContext

TRY_AGAIN_SECONDS = 5  # where OpenVPN did not answer: it may be starting


@dataclass(frozen=True, slots=True)
class Ended:
    """What there was of a user."""

    was_there: bool
    sessions: int | None
    """How many were ended; None where there is no management socket, and so nobody to ask."""


def end_openvpn_user(settings: OpenVpnSettings, files: VpnFiles, username: str) -> Effects[Ended]:
    """Safe to repeat. Raises what an effect of it raises; what came before that is done."""
    yield from do(LockFile(files.lock))
    return (yield from _end(settings, files, username))


def list_openvpn_users(files: VpnFiles) -> Effects[frozenset[str]]:
    """Who may log in, by name."""
    names = yield from do(ListDirectory(files.access))
    found = (name.removesuffix(ENTRY) for name in names if name.endswith(ENTRY))
    return frozenset(name for name in found if not USERNAME.problem(name))


def expire_users(occasion: VerbContext) -> Effects[TaskResult]:
    """Ends users whose time is up.

    Whoever has root's rights runs it, and again after so many seconds: then nobody outlives its time by more than what
    the work takes. What is to be known is in files, so it goes on where a killed one stopped. An entry that cannot be
    read lets nobody in and is among the failed.
    """
    settings: OpenVpnSettings = occasion.settings.services.openvpn
    if settings.directory is None:
        return TaskResult()
    files = VpnFiles(settings.directory)
    now = yield from do(Now())
    users, failed = yield from _users(files, (yield from list_openvpn_users(files)))
    ended, trouble = yield from _expire(settings, files, due(users, now), now)
    again = min([LOOK_AGAIN_SECONDS, *(user.expires - now for user in users if user.expires > now)])
    again = min(again, TRY_AGAIN_SECONDS) if trouble else again
    return TaskResult(tuple(ended), failed | trouble, max(1, again))


def _expire(
    settings: OpenVpnSettings, files: VpnFiles, users: Sequence[VpnUser], now: float
) -> Effects[tuple[list[str], dict[str, str]]]:
    """Looks again under the lock: one of that name may have been made anew meanwhile."""
    ended: list[str] = []
    failed: dict[str, str] = {}
    if users:
        yield from do(LockFile(files.lock))
        users, _ = yield from _users(files, [user.username for user in users])
    for user in due(users, now):
        try:
            yield from _end(settings, files, user.username)
        except (EffectError, CommandError) as error:
            failed[user.username] = str(error)
        else:
            ended.append(user.username)
            yield from tell_of_user("user.expired", user.username, SYSTEM)
    return ended, failed


def _users(files: VpnFiles, names: Iterable[str]) -> Effects[tuple[list[VpnUser], dict[str, str]]]:
    """Those that have an entry, and what is wrong with the others' entries."""
    users, failed = [], {}
    for name in sorted(names):
        path = files.entry(name)
        octets = yield from do(ReadFile(path))
        try:
            if octets is not None:
                users.append(replace(parse_user(octets), username=name))
        except ValueError as error:
            failed[name] = f"{path} {error}"
    return users, failed


def _end(settings: OpenVpnSettings, files: VpnFiles, username: str) -> Effects[Ended]:
    now = yield from do(Now())
    entry = yield from do(ReadFile(files.entry(username)))
    for serial in sorted((yield from _serials(files, username, entry))):
        yield from revoke(files, serial, now)
    removed = entry is not None
    for path in (files.profile(username), files.certificate(username), files.spa(username)):
        removed |= yield from do(RemoveFile(path))
    sessions = None
    try:
        if settings.management is not None:
            sessions = yield from do(EndVpnSessions(settings.management, username))
    except EffectError:
        if removed:  # of who was not there nobody has to know
            yield from _mark_due(files, username, entry, now)
            raise
    yield from do(RemoveFile(files.entry(username)))
    return Ended(removed, sessions)


def _mark_due(files: VpnFiles, username: str, entry: bytes | None, now: float) -> Effects[None]:
    """So that `expire_users` ends what is left, whoever began."""
    with suppress(ValueError):
        user = parse_user(entry or b"")
        if user.expires > now:
            yield from do(WriteFile(files.entry(username), Secret(encode_user(replace(user, expires=int(now)))), 0o640))


def _serials(files: VpnFiles, username: str, entry: bytes | None) -> Effects[frozenset[int]]:
    """By the entry and by the certificate: of a user that was made by halves, or edited, there may be either."""
    found = set()
    certificate = yield from do(ReadFile(files.certificate(username)))
    with suppress(ValueError):
        found.add(int(parse_user(entry or b"").serial, 16))
    with suppress(ValueError):
        found.add(x509.load_pem_x509_certificate(certificate or b"").serial_number)
    return frozenset(found)
