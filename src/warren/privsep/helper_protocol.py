"""What the agent may ask of its helper: a closed list, and its words on the wire.

A request is one datagram of JSON, `{"op":…}` with the fields of that request and no others; so is the answer,
`{"answer":…}` or `{"error":…}`. Whatever else comes is refused: the process that asks may have been taken over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import assert_never

from warren._core import PublicKey
from warren.errors import ConfigError, HostError, InputError, InterfaceError, KeyFileError, StateError, WarrenError
from warren.tunnel.config import interface_name_findings
from warren.tunnel.network import IPAddress, network_name_findings
from warren.tunnel.rotation import KeyFiles, Step

MAX_BYTES = 16_384  # a path of PATH_MAX octets, each escaped, is the longest that a request can need
MAX_SERVERS = 32  # name servers of one network; a resolver uses three


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key file, to be read."""

    path: str


@dataclass(frozen=True, slots=True)
class RotateKey:
    """One step of a rotation."""

    path: str
    step: Step


@dataclass(frozen=True, slots=True)
class OpenTun:
    """The driver of TUN, to make one link with."""


@dataclass(frozen=True, slots=True)
class ApplyDns:
    """Names are to be asked of these servers."""

    network: str
    interface: str
    servers: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class VerifyDns:
    """Whether names still go where this network has them go."""

    network: str


@dataclass(frozen=True, slots=True)
class RevertDns:
    """The host's own name servers again, as far as this network goes."""

    network: str


@dataclass(frozen=True, slots=True)
class RecoverDns:
    """What an agent left behind that was killed is to be undone."""


@dataclass(frozen=True, slots=True)
class GetHostDns:
    """Which name servers are the host's own."""


@dataclass(frozen=True, slots=True)
class OpenConfig:
    """The configuration that the agent was started with, to be read again."""


@dataclass(frozen=True, slots=True)
class RemoveSocket:
    """The agent's control socket is to go: it lies in a directory of root's."""


@dataclass(frozen=True, slots=True)
class OpenRunner:
    """A line to a runner, which carries out signed commands; the one before it ends."""


Request = (
    OpenKey
    | RotateKey
    | OpenTun
    | OpenConfig
    | OpenRunner
    | RemoveSocket
    | ApplyDns
    | VerifyDns
    | RevertDns
    | RecoverDns
    | GetHostDns
)
WITHOUT_FIELDS = {
    kind.__name__: kind for kind in (OpenTun, OpenConfig, OpenRunner, RemoveSocket, RecoverDns, GetHostDns)
}
ERRORS = {kind.__name__: kind for kind in (HostError, InputError, InterfaceError, KeyFileError, StateError)}


def encode_request(request: Request) -> bytes:
    """As `parse_request` reads it."""
    match request:
        case OpenKey(path):
            fields: dict[str, object] = {"path": path}
        case RotateKey(path, step):
            fields = {"path": path, "step": step.value}
        case ApplyDns(network, interface, servers):
            fields = {"network": network, "interface": interface, "servers": [str(server) for server in servers]}
        case VerifyDns(network) | RevertDns(network):
            fields = {"network": network}
        case OpenTun() | OpenConfig() | OpenRunner() | RemoveSocket() | RecoverDns() | GetHostDns():
            fields = {}
        case _:
            assert_never(request)
    return json.dumps({"op": type(request).__name__, **fields}).encode()


def parse_request(octets: bytes) -> Request:
    """Raises InputError for all that is not on the list, in form or in content."""
    try:
        found = json.loads(octets)
        request = _request(found)
    except (ValueError, TypeError, KeyError, RecursionError, ConfigError) as error:
        raise InputError("it is not on the list of what the helper does", code="helper.refused") from error
    if json.loads(encode_request(request)) != found:
        raise InputError("it has more or other fields than that request has", code="helper.refused")
    return request


def _request(found: Mapping[str, object]) -> Request:
    match found:
        case {"op": "OpenKey", "path": str(path)}:
            return OpenKey(path)
        case {"op": "RotateKey", "path": str(path), "step": str(step)}:
            return RotateKey(path, Step(step))
        case {"op": "ApplyDns", "network": str(network), "interface": str(interface), "servers": [*servers]}:
            _check([*network_name_findings(network), *interface_name_findings(interface)])
            if not 0 < len(servers) <= MAX_SERVERS:
                raise ValueError
            return ApplyDns(network, interface, tuple(ip_address(str(server)) for server in servers))
        case {"op": "VerifyDns" | "RevertDns" as name, "network": str(network)}:
            _check([*network_name_findings(network)])
            return VerifyDns(network) if name == "VerifyDns" else RevertDns(network)
        case {"op": str(name)}:
            return WITHOUT_FIELDS[name]()
    raise ValueError


def _check(findings: Sequence[object]) -> None:
    if findings:
        raise ValueError


def steps_below(path: str, directories: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The one of `directories` that a key file lies in, and the names that lead there from it.

    Raises KeyFileError for a path that lies in none, or that leads anywhere by `..`. Links are for whoever opens it.
    """
    for directory in directories:
        start = f"{directory.rstrip('/')}/"
        names = path[len(start) :].split("/")
        if path.startswith(start) and "\0" not in path and not {"", ".", ".."} & {*names}:
            return directory, tuple(names)
    within = " or ".join(directories)
    raise KeyFileError(f"{path!r} is outside of {within}: the helper opens no other keys", code="key_file.not_allowed")


def encode_answer(answer: object) -> bytes:
    """What was asked for."""
    return json.dumps({"answer": answer}).encode()


def encode_refusal(error: WarrenError) -> bytes:
    """Why it was not done."""
    return json.dumps({"error": refusal_fields(error)}).encode()


def refusal_fields(error: WarrenError) -> dict[str, object]:
    """An error as it travels."""
    kind = next((name for name, kind in ERRORS.items() if type(error) is kind), HostError.__name__)
    return {"kind": kind, "problem": str(error), "code": error.code, "errno": error.errno, "hint": error.hint}


def parse_answer(octets: bytes) -> object:
    """What was asked for. Raises the error that the helper met."""
    found = json.loads(octets)
    if "error" in found:
        raise parse_refusal(found["error"])
    return found["answer"]


def parse_refusal(fields: Mapping[str, object]) -> WarrenError:
    """The error that `refusal_fields` wrote; the helper is believed."""
    number = fields["errno"]
    return ERRORS[str(fields["kind"])](
        str(fields["problem"]),
        code=str(fields["code"]),
        errno=number if isinstance(number, int) else None,
        hint=str(fields["hint"]),
    )


def key_files_fields(files: KeyFiles) -> list[str | None]:
    """The public keys of key files as they travel."""
    return [None if key is None else key.to_base64() for key in (files.current, files.next, files.previous)]


def parse_key_files(fields: object) -> KeyFiles:
    """What `key_files_fields` wrote."""
    match fields:
        case [str(current), (str() | None) as following, (str() | None) as previous]:
            others = (PublicKey.from_base64(key) if key else None for key in (following, previous))
            return KeyFiles(PublicKey.from_base64(current), *others)
    raise HostError("the helper answered what it was not asked for", code="helper.ended")
