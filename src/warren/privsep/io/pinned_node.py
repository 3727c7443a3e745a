"""What a runner knows by root's word alone: which node this is, and that the trust bundle is where root has put it.

The agent owns the file of its identity, as it must read its keys, and could write another name into it: then commands
that operators have signed for another node would run as root on this one. So the first name counts, in a directory of
root's, until root removes it.
"""

from __future__ import annotations

from pathlib import Path

from warren.commands.settings import CommandSettings
from warren.errors import TrustError
from warren.files.atomic import replace_file
from warren.files.trusted_path import UntrustedPathError, verify_trusted
from warren.trust.identity import NodeIdentity
from warren.trust.io.identity_file import read_identity

FILE = "agent_id"
MODE = 0o600


def read_node(settings: CommandSettings) -> NodeIdentity:
    """The identity, if it has the name that it had at first. Raises TrustError, KeyFileError."""
    found, path = read_identity(Path(settings.security.identity)), Path(settings.runner) / FILE
    try:
        known = path.read_text() if path.exists() else None
        if known is None:
            replace_file(path, found.agent_id.encode(), MODE)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
    if known not in (None, found.agent_id):
        hint = f"if root has given this node another name: rm {path}"
        problem = f"this node is {known}, and its identity now says {found.agent_id}"
        raise TrustError(problem, code="identity.invalid", hint=hint)
    return found


def check_placed(path: Path) -> None:
    """Nobody but root can have put this file there, if it is there. Raises TrustError.

    A bundle proves itself, but an older one, of an operator who has been taken off, does so too.
    """
    try:
        verify_trusted(path)
    except FileNotFoundError:
        return
    except UntrustedPathError as error:
        raise TrustError(str(error), code="trust.unusable", errno=error.errno, hint=error.hint) from error
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
