"""The values that a runner takes from root alone: the node's name, and a bundle that only root can have installed.

The agent owns the file of its identity, as it must read its keys, and could write another name into it: then commands
that operators have signed for another node would run as root on this one. So the first name is kept in a directory of
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
    """Return the identity, if it has the name that it had at first. Raises TrustError and KeyFileError."""
    identity, path = read_identity(Path(settings.security.identity)), Path(settings.runner) / FILE
    try:
        pinned = path.read_text() if path.exists() else None
        if pinned is None:
            replace_file(path, identity.agent_id.encode(), MODE)
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
    if pinned not in (None, identity.agent_id):
        hint = f"if root has renamed this node: rm {path}"
        problem = f"this node is {pinned}, and its identity is now {identity.agent_id}"
        raise TrustError(problem, code="identity.invalid", hint=hint)
    return identity


def verify_bundle_path(path: Path) -> None:
    """Verify that only root can have put a file there, if there is one. Raises TrustError.

    A bundle proves itself, but so does an older one, of an operator who has been removed.
    """
    try:
        verify_trusted(path)
    except FileNotFoundError:
        return
    except UntrustedPathError as error:
        raise TrustError(str(error), code="trust.unusable", errno=error.errno, hint=error.hint) from error
    except OSError as error:
        raise TrustError(f"{path}: {error.strerror}", code="trust.unusable", errno=error.errno) from error
