"""Checks a login for OpenVPN's server: its `auth-user-pass-verify` program, `via-file`.

OpenVPN has verified the certificate before. It passes the name and the password in a file of two lines, and the address
of the client in the environment (openvpn(8), Environmental Variables). The server blocks meanwhile, for all its
clients: so this imports little.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren.clock import read_clocks
from warren.commands.effects.effect import EffectError
from warren.commands.handlers.passwords import matches
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.openvpn_user import Login, VpnUser, parse_user, rejection
from warren.commands.providers.vpn_clock import read_moment
from warren.files.bounded_read import read_named

MAX_BYTES = 65_536  # each file that is read has some hundred


def rejection_reason(directory: str, credentials: Path, environment: Mapping[str, str]) -> str | None:
    """Return why this login is rejected, or None.

    Raises:
        OSError, EffectError: a file cannot be read.
    """
    username, _, password = read_named(credentials, MAX_BYTES).partition(b"\n")
    source = environment.get("untrusted_ip") or environment.get("untrusted_ip6") or ""
    login = Login(username.decode(errors="replace"), environment.get("common_name", ""), source)
    files = VpnFiles(directory)
    user = _read_user(files, login.username)
    if problem := rejection(user, login, read_moment(_read_clock(files), read_clocks())):
        return problem
    return None if user and matches(password.removesuffix(b"\n"), user.password_hash) else "wrong password"


def _read_clock(files: VpnFiles) -> bytes | None:
    try:
        return read_named(Path(files.clock), MAX_BYTES)
    except FileNotFoundError:  # an older version has created the users
        return None


def _read_user(files: VpnFiles, username: str) -> VpnUser | None:
    if USERNAME.problem(username):
        return None
    try:
        return parse_user(read_named(Path(files.entry(username)), MAX_BYTES))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EffectError(f"{files.entry(username)}: {error}") from None
