"""Asks a running agent over its control socket, for the command line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from warren.clock import monotonic_seconds
from warren.errors import EngineError, HostError, InputError, RemoteError, StateError, WarrenError
from warren.files.unix_socket import group_name, open_socket
from warren.localapi.messages import DEFAULT_NETWORK, ErrorType, Request, encode_request

PATIENCE_SECONDS = 10.0  # a disconnect takes the longest, and a few seconds at worst
CHUNK_OCTETS = 64 << 10

# The message says what to do: the hint of the code would say it twice.
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
    timeout: float = PATIENCE_SECONDS,
) -> dict[str, object]:
    """The `data` of the agent's answer.

    Raises WarrenError: `agent.unavailable` where nobody listens, `agent.denied` where this user may not connect,
    `agent.timeout` after `timeout` seconds, `agent.failed` for what is no answer; else what the agent answers.
    """
    asked = encode_request(Request("1", action, network, config))
    deadline = monotonic_seconds() + timeout
    with open_socket() as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
            connection.sendall(asked)
            answer = _read_line(connection, deadline)
        except (BlockingIOError, TimeoutError) as error:
            problem = f"the agent at {path} did not answer in {timeout:g} s"
            raise RemoteError(problem, code="agent.timeout", errno=error.errno) from error
        except OSError as error:
            raise _unreachable(path, error) from error
    return _data(path, answer)


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    """What comes until a line's end, or the input's."""
    octets = bytearray()
    while not octets.endswith(b"\n"):
        connection.settimeout(max(deadline - monotonic_seconds(), 0.001))  # 0 would be: do not wait at all
        came = connection.recv(CHUNK_OCTETS)
        if not came:
            break
        octets += came
    return bytes(octets)


def _data(path: Path, answer: bytes) -> dict[str, object]:
    match _decoded(answer):
        case {"success": True, "data": dict(data)}:
            return data
        case {"success": False, "error": {"type": str(kind), "message": str(message)}} if kind in ERRORS:
            raise ERRORS[kind](message)
    problem = f"what answers at {path} is no agent of ours; expected an answer of document 000 on one line"
    raise RemoteError(problem, code="agent.failed")


def _decoded(answer: bytes) -> object:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _unreachable(path: Path, error: OSError) -> WarrenError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return RemoteError(f"no agent listens at {path}", code="agent.unavailable", errno=error.errno)
        case PermissionError():
            problem = f"you may not use {path}; expected root or a member of {_group_of(path)}"
            return HostError(problem, code="agent.denied", errno=error.errno)
        case _:
            problem = f"the agent at {path} broke off: {error.strerror or error}"
            return RemoteError(problem, code="agent.failed", errno=error.errno)


def _group_of(path: Path) -> str:
    """The group of what lets nobody else through: the socket, or the directory that it is in."""
    for each in (path, *path.parents):
        try:
            return group_name(each.stat().st_gid)
        except PermissionError:
            continue
    return "its group"
