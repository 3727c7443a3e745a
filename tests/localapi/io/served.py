"""Serve a control socket for simulated networks: the agent's own server, in a thread of the test."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.localapi.simulator import SimulatedNetworks
from warren.files.unix_listener import Listener, listen
from warren.local_client import Group
from warren.localapi.action import Action
from warren.localapi.agent_actions import AgentActions
from warren.localapi.io.socket import Limits, serve
from warren.localapi.network_actions import NetworkActions
from warren.localapi.permissions import Permissions, PermissionTable
from warren.localapi.router import ActionRouter, RejectionCounter
from warren.tunnel.network_table import network_from_json

TIMEOUT_SECONDS = 10
OWN = Permissions(Group("warren-read", None), Group("warren-admin", None), owner=os.geteuid())
Answer = dict[str, object]


def all_actions(networks: SimulatedNetworks) -> list[Action]:
    """Return the actions of an agent without signed commands, which cannot be stopped."""
    own = AgentActions(networks, info=dict, conditions=tuple, stop=lambda: None)
    directories = ["/etc/warren/keys", "/etc/harmony-agent"]
    return [*NetworkActions(networks, network_from_json, directories).actions(), *own.actions()]


@contextmanager
def served(  # noqa: PLR0913, each by its name
    path: Path,
    networks: SimulatedNetworks,
    *,
    limits: Limits | None = None,
    permissions: Permissions = OWN,
    listener: Listener | None = None,
    planted: Iterable[Action] = (),
) -> Iterator[RejectionCounter]:
    """Serve until the end of the block, and raise what went wrong in the server."""
    rejections = RejectionCounter()
    router = ActionRouter(PermissionTable([*all_actions(networks), *planted], permissions), rejections)
    listener = listener or listen(path, trust=None)
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(listener, router, limits))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        try:
            yield rejections
        finally:
            loop.call_soon_threadsafe(task.cancel)
            running.result(TIMEOUT_SECONDS)
            loop.close()


class Conversation:
    """A client that stays."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(str(path))
        self._answers = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self.socket.close()

    def send(self, *requests: Mapping[str, object] | bytes) -> None:
        """Each an object, or octets as they are."""
        for each in requests:
            self.socket.sendall(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n")

    def receive(self) -> Answer | None:
        """The next answer; None at the end."""
        line = self._answers.readline()
        return json.loads(line) if line else None

    def ask(self, request: Mapping[str, object] | bytes) -> Answer | None:
        """Both."""
        self.send(request)
        return self.receive()

    def end(self) -> list[Answer]:
        """Sends no more; all answers that come until the agent ends as well."""
        self.socket.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in self._answers]


def outcome(answer: Answer | None) -> object:
    """The id, and `True` or the type of the error."""
    assert answer is not None
    error = answer.get("error")
    return answer["id"], error["type"] if isinstance(error, dict) else answer["success"]
