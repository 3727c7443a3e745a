"""What OpenVPN's server asks of a login: its `auth-user-pass-verify` program, `via-file`.

OpenVPN has verified the certificate before. It gives the name and the password in a file of two lines, and who asks in
the environment (openvpn(8), Environmental Variables). The server stands still meanwhile, for all its clients: so little
is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren.clock import wall_seconds
from warren.commands.effects.effect import EffectError
from warren.commands.handlers.hashing import fits
from warren.commands.providers.arguments import USERNAME
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.openvpn_user import Login, VpnUser, parse_user, refusal


def refused_login(directory: str, given: Path, environment: Mapping[str, str]) -> str | None:
    """Why this login is refused; None where it is not. Raises OSError and EffectError for files that cannot be read."""
    username, _, password = given.read_bytes().partition(b"\n")
    source = environment.get("untrusted_ip") or environment.get("untrusted_ip6") or ""
    login = Login(username.decode(errors="replace"), environment.get("common_name", ""), source)
    user = _user(VpnFiles(directory), login.username)
    if problem := refusal(user, login, wall_seconds()):
        return problem
    return None if user and fits(password.removesuffix(b"\n"), user.password_hash) else "the password is another"


def _user(files: VpnFiles, username: str) -> VpnUser | None:
    if USERNAME.problem(username):
        return None
    try:
        return parse_user(Path(files.entry(username)).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EffectError(f"{files.entry(username)} {error}") from None
