"""Deletion and expiry of users of the built-in OpenVPN provider (V-51).

First the certificate is revoked, which blocks new connections; then sessions end; the entry is removed last. If a step
fails, the entry still exists, and the next attempt completes the deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil

from cryptography import x509

from warren.commands.effects.effect import EffectError, Effects, Secret, do
from warren.commands.effects.files import ListDirectory, ReadFile, RemoveFile, WriteFile
from warren.commands.effects.locks import LockFile
from warren.commands.effects.openvpn import KillVpnSessions
from warren.commands.effects.system import GetTime
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.ca import revoke
from warren.commands.providers.openvpn import SYSTEM
from warren.commands.providers.openvpn_files import ENTRY, VpnFiles
from warren.commands.providers.openvpn_user import VpnUser, encode_user, parse_user, to_delete, to_suspend
from warren.commands.providers.script_provider import emit_user_event
from warren.commands.providers.vpn_clock import vpn_moment
from warren.commands.result import CommandError
from warren.commands.settings import OpenVpnSettings
from warren.commands.verb import RECHECK_SECONDS, TaskResult, VerbContext
from warren.elapsed_clock import Moment


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """The outcome of a deletion."""

    existed: bool
    sessions: int | None
    """How many sessions were ended; None without a management socket."""


def delete_openvpn_user(settings: OpenVpnSettings, files: VpnFiles, username: str) -> Effects[DeletedUser]:
    """Delete a user; idempotent. If an effect raises, the steps before it are done."""
    yield from do(LockFile(files.lock))
    return (yield from _delete(settings, files, username))


def list_openvpn_users(files: VpnFiles) -> Effects[frozenset[str]]:
    """List the names of the users who have an entry."""
    names = yield from do(ListDirectory(files.access))
    usernames = (name.removesuffix(ENTRY) for name in names if name.endswith(ENTRY))
    return frozenset(name for name in usernames if not USERNAME.problem(name))


def expire_users(context: VerbContext) -> Effects[TaskResult]:
    """Delete users who have expired by both clocks, and end the sessions of those who have by one.

    The privileged process runs it, again at the next expiry at the latest. All state is in files, so it resumes where a
    killed process stopped. An entry that cannot be read admits nobody and is reported as failed.
    """
    settings: OpenVpnSettings = context.settings.services.openvpn
    if settings.directory is None:
        return TaskResult()
    files = VpnFiles(settings.directory)
    users, failed = yield from _read_users(files, (yield from list_openvpn_users(files)))
    if not users:
        return TaskResult((), failed)
    now = yield from vpn_moment(files)
    deleted, problems = yield from _expire(settings, files, to_delete(users, now), now)
    problems |= yield from _suspend(settings, to_suspend(users, now))
    changes = (user.deadline.next_change_seconds(now) for user in users if not user.deadline.is_over(now))
    return TaskResult(tuple(deleted), failed | problems, max(1, ceil(min([RECHECK_SECONDS, *changes]))))


def _suspend(settings: OpenVpnSettings, users: Sequence[VpnUser]) -> Effects[dict[str, str]]:
    """End the sessions of users whose access has ended by one clock; they can log in again if that is corrected."""
    failed: dict[str, str] = {}
    for user in users if settings.management is not None else ():
        try:
            if (yield from do(KillVpnSessions(str(settings.management), user.username))):
                yield from emit_user_event("user.suspended", user.username, SYSTEM)
        except EffectError as error:
            failed[user.username] = str(error)
    return failed


def _expire(
    settings: OpenVpnSettings, files: VpnFiles, users: Sequence[VpnUser], now: Moment
) -> Effects[tuple[list[str], dict[str, str]]]:
    """Read the entries again under the lock: a user of that name may have been created again meanwhile."""
    deleted: list[str] = []
    failed: dict[str, str] = {}
    if users:
        yield from do(LockFile(files.lock))
        users, _ = yield from _read_users(files, [user.username for user in users])
    for user in to_delete(users, now):
        try:
            yield from _delete(settings, files, user.username)
        except (EffectError, CommandError) as error:
            failed[user.username] = str(error)
        else:
            deleted.append(user.username)
            yield from emit_user_event("user.expired", user.username, SYSTEM)
    return deleted, failed


def _read_users(files: VpnFiles, names: Iterable[str]) -> Effects[tuple[list[VpnUser], dict[str, str]]]:
    """Return the users with a valid entry, and the problems of the other entries."""
    users, failed = [], {}
    for name in sorted(names):
        path = files.entry(name)
        octets = yield from do(ReadFile(path))
        try:
            if octets is not None:
                users.append(replace(parse_user(octets), username=name))
        except ValueError as error:
            failed[name] = f"{path}: {error}"
    return users, failed


def _delete(settings: OpenVpnSettings, files: VpnFiles, username: str) -> Effects[DeletedUser]:
    now = yield from do(GetTime())
    entry = yield from do(ReadFile(files.entry(username)))
    for serial in sorted((yield from _serials(files, username, entry))):
        yield from revoke(files, serial, now)
    removed = entry is not None
    for path in (files.profile(username), files.certificate(username), files.spa(username)):
        removed |= yield from do(RemoveFile(path))
    sessions = None
    try:
        if settings.management is not None:
            sessions = yield from do(KillVpnSessions(settings.management, username))
    except EffectError:
        if removed:  # an unknown user needs no retry
            yield from _mark_deleted(files, username, entry)
            raise
    yield from do(RemoveFile(files.entry(username)))
    return DeletedUser(removed, sessions)


def _mark_deleted(files: VpnFiles, username: str, entry: bytes | None) -> Effects[None]:
    """Mark the entry, so that nobody can log in with it and `expire_users` completes the deletion."""
    with suppress(ValueError):
        user = replace(parse_user(entry or b""), deleted=True)
        yield from do(WriteFile(files.entry(username), Secret(encode_user(user)), 0o640))


def _serials(files: VpnFiles, username: str, entry: bytes | None) -> Effects[frozenset[int]]:
    """Return the serials in the entry and in the certificate: a user created in part or edited may have only one."""
    serials = set()
    certificate = yield from do(ReadFile(files.certificate(username)))
    with suppress(ValueError):
        serials.add(int(parse_user(entry or b"").serial, 16))
    with suppress(ValueError):
        serials.add(x509.load_pem_x509_certificate(certificate or b"").serial_number)
    return frozenset(serials)
