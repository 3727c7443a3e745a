"""Names that mean something else to another system, by system: nothing of ours may be handed to it under such a name.

One row for each system to which a name from a command or from the configuration is handed. Where a system has no such
names, its row would be empty and there is none: Docker's labels, nginx's users, file names below our directories, and
units, which follow `--`. A name that begins with `-` is an option to many programs, so no rule of a name allows that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReservedNames:
    """The reserved names of one system, in lower case; a name is reserved in any mixture of cases.

    Most systems distinguish cases. A name that differs from a reserved one by its case alone is still a mistake to be
    made by whoever reads or types it.
    """

    meanings: Mapping[str, str]
    """The meaning of each to the system."""

    def meaning(self, name: str) -> str | None:
        """Return what the system understands by `name`, or None if the name is free."""
        return self.meanings.get(name.lower())

    def pattern(self) -> str:
        """Return a regular expression of the reserved names in any case, for schemas that other programs read."""
        return "|".join("".join(_either_case(character) for character in name) for name in self.meanings)


def _either_case(character: str) -> str:
    return f"[{character.upper()}{character}]" if character.isalpha() else character


OPENVPN_SERVER_NAME = "openvpn-server"
"""The common name of the server's certificate, which client profiles require."""
OPENVPN_UNNAMED = "UNDEF"
"""The name of a client that is not authenticated yet."""
OPENVPN_USERS = ReservedNames(
    {
        OPENVPN_UNNAMED.lower(): "every client that is not authenticated yet",
        "default": "every client without a file of its own in client-config-dir",
        OPENVPN_SERVER_NAME: "the server's own certificate",
    }
)
"""Users are common names of certificates (openvpn(8), client-config-dir; management-notes.txt, kill)."""
INTERFACES = ReservedNames(
    {
        "all": "every interface, to sysctl, wg and systemd",
        "default": "every interface that is still to be created, to sysctl and systemd",
        "interfaces": "the list of interfaces, to wg",
        "lo": "the loopback interface",
    }
)
"""sysctl's net.*.conf.NAME, `wg show NAME`, and systemd's ifname_valid()."""
ENGINE_NETWORKS = ReservedNames(
    {
        "host": "the network of the host",
        "private": "a network of the engine's choice, to Podman",
        "default": "a network of the engine's choice",
    }
)
"""HostConfig.NetworkMode of Docker's API and Podman's. `MODE:ARGUMENT` is checked apart from these."""
