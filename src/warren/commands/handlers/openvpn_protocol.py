"""The protocol of OpenVPN's management socket (management-notes.txt of OpenVPN 2.6), as values.

The socket sends lines. One that begins with `>` is an asynchronous event, which may come in the middle of an answer.
`status 3` answers a table with tabs between its fields, whose HEADER lines name them, and ends with END.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from warren.commands.effects.openvpn import VpnSession
from warren.commands.providers.arguments import USERNAME
from warren.reserved_names import OPENVPN_UNNAMED, OPENVPN_USERS

STATUS = b"status 3\n"
END = "END"
EVENT = ">"
DONE, ERROR = "SUCCESS:", "ERROR:"
NAME, SOURCE, SINCE, CLIENT = "Common Name", "Real Address", "Connected Since (time_t)", "Client ID"
INSIDE = ("Virtual Address", "Virtual IPv6 Address")
RECEIVED, SENT = "Bytes Received", "Bytes Sent"


def encode_kill(username: str) -> bytes:
    """Return the line that ends all sessions of a common name at once; `client-kill` would take 5 seconds for each.

    Raises:
        ValueError: the name is not a valid username, or is that of every client that is not authenticated yet.
    """
    if username == OPENVPN_UNNAMED:
        raise ValueError(f"{username} is reserved for {OPENVPN_USERS.meaning(username)}")
    if problem := USERNAME.problem(username):
        raise ValueError(f"invalid username: {problem}")
    return f"kill {username}\n".encode()


def parse_killed(line: str) -> int:
    """Return the number of sessions that were ended.

    Raises:
        ValueError: the line is not an answer to `kill`.
    """
    if line.startswith(ERROR) and line.endswith("not found"):
        return 0
    if found := re.fullmatch(r"SUCCESS: common name '[^']*' found, ([0-9]+) client\(s\) killed", line):
        return int(found[1])
    raise ValueError("not an answer to kill")


def parse_status(lines: Iterable[str]) -> tuple[VpnSession, ...]:
    """Return the clients in the answer to `status 3`, without those that are not authenticated yet.

    Raises:
        ValueError: the lines are not such an answer.
    """
    columns: tuple[str, ...] | None = None
    sessions = []
    for line in lines:
        match line.split("\t"):
            case ["HEADER", "CLIENT_LIST", *names]:
                columns = tuple(names)
            case ["CLIENT_LIST", *fields]:
                if columns is None or len(columns) != len(fields):
                    raise ValueError("CLIENT_LIST without a matching HEADER")
                sessions.append(_session(dict(zip(columns, fields, strict=True))))
    if columns is None:
        raise ValueError("no HEADER of CLIENT_LIST")
    named = (session for session in sessions if session.username != OPENVPN_UNNAMED)
    return tuple(sorted(named, key=lambda session: session.client_id))


def _session(fields: Mapping[str, str]) -> VpnSession:
    try:
        return VpnSession(
            client_id=int(fields[CLIENT]),
            username=fields[NAME],
            source=fields[SOURCE],
            addresses=tuple(fields[name] for name in INSIDE if fields.get(name)),
            since=int(fields[SINCE]),
            received_bytes=int(fields[RECEIVED]),
            sent_bytes=int(fields[SENT]),
        )
    except KeyError as error:
        raise ValueError(f"no column {error}") from error
