"""Send requests to a running agent over its control socket, for the command line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.errors import EngineError, HostError, InputError, RemoteError, StateError, WarrenError
from warren.files.unix_socket import group_name, open_socket
from warren.localapi.messages import DEFAULT_NETWORK, DIAL_CODES, ErrorType, Request, encode_request

TIMEOUT_SECONDS = 10.0  # a disconnect takes the longest, a few seconds at worst
CHUNK_OCTETS = 64 << 10
DIAL_SECONDS = 12.0  # the agent gives up after 10 s and says why
MAX_ANSWER_BYTES = 32 << 20  # the peers of 50,000 need half of it

# The message has the hint already: that of the code would repeat it.
ERRORS: Mapping[str, Callable[[str], WarrenError]] = {
    ErrorType.PARSE: lambda message: InputError(message, code="request.malformed", hint=""),
    ErrorType.STATE: lambda message: StateError(message, code="network.invalid_state", hint=""),
    ErrorType.NETWORK: lambda message: StateError(message, code="network.unknown", hint=""),
    ErrorType.CONFIG: lambda message: InputError(message, code="config.invalid", hint=""),
    ErrorType.PLATFORM: lambda message: HostError(message, code="host.refused", hint=""),
    ErrorType.AUTHENTICATION: lambda message: HostError(message, code="request.unidentified", hint=""),
    ErrorType.PERMISSION: lambda message: HostError(message, code="request.denied", hint=""),
    ErrorType.SERIALIZATION: lambda message: EngineError(message, code="agent.failed"),
    ErrorType.INTERNAL: lambda message: EngineError(message, code="agent.failed"),
}


def request(
    path: Path,
    action: str,
    network: str = DEFAULT_NETWORK,
    config: Mapping[str, object] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> dict[str, object]:
    """Send a request to the agent at `path`, and return the `data` of its response.

    Raises WarrenError: `agent.unavailable` if nobody listens, `agent.denied` if this user may not connect,
    `agent.timeout` after `timeout` seconds, `agent.failed` for an invalid response or one of more than
    MAX_ANSWER_BYTES; else the error of the response.
    """
    encoded = encode_request(Request("1", action, network, config))
    deadline = monotonic_seconds() + timeout
    with open_socket() as connection:
        line = _exchange(connection, path, encoded, deadline, timeout)
    return _parse_response(path, line)


def dial(path: Path, network: str, host: str, port: int, timeout: float = DIAL_SECONDS) -> socket.socket:
    """Return a connection to a TCP port in a network, through the agent at `path`; the caller closes it.

    Raises WarrenError as `request` does: `dial.refused`, `dial.timed_out`, `dial.forbidden`, `name.unresolved` or
    `peer.unreachable` for a connection that could not be made.
    """
    config = {"host": host, "port": port, "protocol": "tcp"}
    return _stream(path, Request("1", "dial", network, config), timeout)


def capture(path: Path, network: str, timeout: float = DIAL_SECONDS) -> socket.socket:
    """Return a connection that gives the packets inside a network as pcapng; the caller closes it.

    Raises WarrenError as `request` does: `capture.running` while there is another one.
    """
    return _stream(path, Request("1", "capture", network), timeout)


def _stream(path: Path, asked: Request, timeout: float) -> socket.socket:
    """Send a request, and return the connection, which is a stream after the response."""
    encoded, deadline = encode_request(asked), monotonic_seconds() + timeout
    connection = open_socket()
    try:
        _parse_response(path, _exchange(connection, path, encoded, deadline, timeout))
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _exchange(connection: socket.socket, path: Path, encoded: bytes, deadline: float, timeout: float) -> bytes:
    """Send a request and return the line of its response, and nothing behind it. Raises WarrenError."""
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
        connection.sendall(encoded)
        return _read_line(connection, deadline, path)
    except (BlockingIOError, TimeoutError) as error:
        problem = f"no response from the agent at {path} within {timeout:g} s"
        raise RemoteError(problem, code="agent.timeout", errno=error.errno) from error
    except OSError as error:
        raise _unreachable(path, error) from error


def _read_line(connection: socket.socket, deadline: float, path: Path) -> bytes:
    """Return the input up to the end of a line, or up to its own end. Raises OSError, RemoteError."""
    octets = bytearray()
    while not octets.endswith(b"\n"):
        connection.settimeout(max(deadline - monotonic_seconds(), 0.001))  # 0 would mean not to wait at all
        # What follows the line may be a stream, which is another reader's.
        waiting = connection.recv(CHUNK_OCTETS, socket.MSG_PEEK)
        received = connection.recv(waiting.find(b"\n") + 1 or len(waiting)) if waiting else b""
        if not received:
            break
        octets += received
        if len(octets) > MAX_ANSWER_BYTES:
            raise RemoteError(f"the response from {path} is longer than {MAX_ANSWER_BYTES} bytes", code="agent.failed")
    return bytes(octets)


def _parse_response(path: Path, line: bytes) -> dict[str, object]:
    match _decode_json(line):
        case {"success": True, "data": dict(data)}:
            return data
        case {"success": False, "error": {"code": str(code), "message": str(message)}} if code in DIAL_CODES:
            raise RemoteError(message, code=code, hint="")
        case {"success": False, "error": {"type": str(kind), "message": str(message)}} if kind in ERRORS:
            raise ERRORS[kind](message)
    problem = f"invalid response from {path}; expected one line of JSON from an agent"
    raise RemoteError(problem, code="agent.failed")


def _decode_json(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _unreachable(path: Path, error: OSError) -> WarrenError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return RemoteError(f"no agent listens at {path}", code="agent.unavailable", errno=error.errno)
        case PermissionError():
            problem = f"permission denied: {path}; expected root or a member of {_denying_group(path)}"
            return HostError(problem, code="agent.denied", errno=error.errno)
        case _:
            problem = f"connection to the agent at {path} failed: {error.strerror or error}"
            return RemoteError(problem, code="agent.failed", errno=error.errno)


def _denying_group(path: Path) -> str:
    """Return the group that is required: that of the socket, or of the directory that cannot be entered."""
    for each in (path, *path.parents):
        try:
            return group_name(each.stat().st_gid)
        except PermissionError:
            continue
    return "its group"
