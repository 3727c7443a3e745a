"""The values that a runner takes from root alone: the node's name and sealing key, and the trust bundle.

The agent reads a file with the same name, and could write another one into it: then commands that operators have
signed for another node would run as root on this one. So root wrote both for itself when it made the identity
(`trust.io.identity_file`), and a runner never looks at the file of the agent.
"""

from __future__ import annotations

from pathlib import Path

from warren.commands.settings import CommandSettings
from warren.errors import TrustError
from warren.files.trusted_path import UntrustedPathError, verify_trusted
from warren.trust.identity import PinnedNode
from warren.trust.io.identity_file import read_pinned_node


def read_node(settings: CommandSettings) -> PinnedNode:
    """Return the name and the sealing key that root recorded. Raises TrustError and KeyFileError."""
    try:
        return read_pinned_node(Path(settings.security.identity))
    except UntrustedPathError as error:
        raise TrustError(str(error), code="identity.invalid", errno=error.errno, hint=error.hint) from error


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
