"""What OpenVPN says on its management socket (management-notes.txt of OpenVPN 2.6), as values.

The socket says lines. One that begins with `>` is an event that nobody asked for, also in the midst of an answer.
`status 3` answers a table with tabs between its fields, whose HEADER lines name them, and ends with END.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from warren.commands.effects.openvpn import VpnSession
from warren.commands.providers.arguments import USERNAME

STATUS = b"status 3\n"
END = "END"
EVENT = ">"
DONE, REFUSED = "SUCCESS:", "ERROR:"
UNNAMED = "UNDEF"
"""The name of a client that has not proven any yet."""
NAME, SOURCE, SINCE, CLIENT = "Common Name", "Real Address", "Connected Since (time_t)", "Client ID"
INSIDE = ("Virtual Address", "Virtual IPv6 Address")
RECEIVED, SENT = "Bytes Received", "Bytes Sent"


def encode_kill(username: str) -> bytes:
    """The line that ends all sessions of a common name, at once; `client-kill` would let each go on for 5 seconds.

    Raises ValueError for what is no name of a user of ours: the line would say something else.
    """
    if problem := USERNAME.problem(username):
        raise ValueError(f"a name that no user has; {problem}")
    return f"kill {username}\n".encode()


def parse_killed(line: str) -> int:
    """How many were ended. Raises ValueError for what is no answer to that."""
    if line.startswith(REFUSED) and line.endswith("not found"):
        return 0
    if found := re.fullmatch(r"SUCCESS: common name '[^']*' found, ([0-9]+) client\(s\) killed", line):
        return int(found[1])
    raise ValueError("no answer to kill")


def parse_status(lines: Iterable[str]) -> tuple[VpnSession, ...]:
    """The clients of a `status 3`, without those that have no name yet. Raises ValueError for what is none."""
    columns: tuple[str, ...] | None = None
    found = []
    for line in lines:
        match line.split("\t"):
            case ["HEADER", "CLIENT_LIST", *names]:
                columns = tuple(names)
            case ["CLIENT_LIST", *fields]:
                if columns is None or len(columns) != len(fields):
                    raise ValueError("a client without its header")
                found.append(_session(dict(zip(columns, fields, strict=True))))
    if columns is None:
        raise ValueError("no header of clients")
    return tuple(sorted((each for each in found if each.username != UNNAMED), key=lambda each: each.client_id))


def _session(fields: Mapping[str, str]) -> VpnSession:
    try:
        return VpnSession(
            client_id=int(fields[CLIENT]),
            username=fields[NAME],
            source=fields[SOURCE],
            addresses=tuple(fields[each] for each in INSIDE if fields.get(each)),
            since=int(fields[SINCE]),
            received_bytes=int(fields[RECEIVED]),
            sent_bytes=int(fields[SENT]),
        )
    except KeyError as error:
        raise ValueError(f"no column {error}") from error
