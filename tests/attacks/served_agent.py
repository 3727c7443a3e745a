"""An agent's control socket and local HTTP, served in this process, and other users of the host who connect to them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tests.localapi.simulator import SimulatedNetworks, config
from warren.agent.config import load_config
from warren.agent.io.api import AgentApi
from warren.agent.io.local_http import open_http
from warren.agent.subsystem import Subsystem
from warren.config.defaults import defaults_for
from warren.files.unix_listener import listen
from warren.files.unix_socket import find_group
from warren.http.io.listeners import TcpAddress, open_tcp
from warren.localapi.network_actions import NetworkActions
from warren.tunnel.network_table import network_from_json

TIMEOUT_SECONDS = 30
READ_GROUP, OTHER_GROUP = "games", "daemon"
"""Groups that every host has: the first is that of the agent under test."""
UID = 54321
ASK = """
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.argv[2].encode())
    connection.shutdown(socket.SHUT_WR)
    print(connection.makefile().read())
"""
CONFIG = """
[daemon]
group = "{group}"
socket = "{directory}/agent.sock"
[http]
bind = ["127.0.0.1"]
port = {port}
socket = "{directory}/http.sock"
token = "{directory}/http.token"
admin_token = "{directory}/http-admin.token"
"""


@dataclass(frozen=True)
class ServedAgent:
    """An agent, and how other users of its host reach it."""

    directory: Path
    port: int
    networks: SimulatedNetworks

    @property
    def socket(self) -> Path:
        """Return the path of the control socket."""
        return self.directory / "agent.sock"

    @property
    def http_socket(self) -> Path:
        """Return the path of the Unix socket of the local HTTP."""
        return self.directory / "http.sock"

    def token(self, name: str) -> str:
        """Return the token in a file of the agent."""
        return (self.directory / name).read_text().strip()

    def run_as(self, group: str, *arguments: str, uid: int = UID) -> subprocess.CompletedProcess[str]:
        """Run a program as an unprivileged user in one group."""
        gid = str(find_group(group).gid)
        as_user = ["setpriv", "--reuid", str(uid), "--regid", gid, "--clear-groups", "--"]
        return subprocess.run(
            [*as_user, *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )

    def start_python_as(self, group: str, program: str, *arguments: str, uid: int = UID) -> subprocess.Popen[str]:
        """Start a Python program that becomes an unprivileged user in one group, who may be unable to start Python."""
        become = f"import os, socket, sys; os.setgroups([]); os.setgid({find_group(group).gid}); os.setuid({uid})\n"
        return subprocess.Popen(
            [sys.executable, "-c", become + program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask_as(self, group: str, action: str, uid: int = UID) -> dict[str, object]:
        """Return the response to a request on the control socket."""
        request = json.dumps({"id": "1", "action": action})
        with self.start_python_as(group, ASK, str(self.socket), request, uid=uid) as client:
            response: dict[str, object] = json.loads(client.communicate(timeout=TIMEOUT_SECONDS)[0])
        return response


@contextmanager
def serve_agent() -> Iterator[ServedAgent]:
    """Serve an agent with one network until the end of the block, and raise what went wrong in it."""
    directory = Path(tempfile.mkdtemp(prefix="warren-"))
    directory.chmod(0o755)
    try:
        with ThreadPoolExecutor(1) as threads:
            networks = SimulatedNetworks(config())
            loop = asyncio.new_event_loop()
            port = _free_port()
            ready: asyncio.Future[None] = loop.create_future()
            task = loop.create_task(_serve(directory, port, networks, ready))
            running = threads.submit(loop.run_until_complete, asyncio.wait([task]))
            try:
                asyncio.run_coroutine_threadsafe(_wait(ready), loop).result(TIMEOUT_SECONDS)
                yield ServedAgent(directory, port, networks)
            finally:
                loop.call_soon_threadsafe(task.cancel)
                running.result(TIMEOUT_SECONDS)
                loop.close()
    finally:
        shutil.rmtree(directory)


async def _wait(ready: asyncio.Future[None]) -> None:
    await ready


async def _serve(directory: Path, port: int, networks: SimulatedNetworks, ready: asyncio.Future[None]) -> None:
    defaults = defaults_for("warren")
    settings = load_config(CONFIG.format(group=READ_GROUP, directory=directory, port=port), "agent.toml", defaults)
    gid = find_group(READ_GROUP).gid
    actions = NetworkActions(networks, network_from_json, ()).actions()
    agent = AgentApi(settings, networks, open_http(settings.http, gid), [Subsystem("networks", actions=actions)])
    async with asyncio.TaskGroup() as group:
        for server in agent.servers(
            listen(directory / "agent.sock", gid, trust=None), defaults, lambda: None, has_helper=True
        ):
            group.create_task(server.run(), name=server.name)
        ready.set_result(None)


def _free_port() -> int:
    listener = open_tcp(TcpAddress(ip_address("127.0.0.1"), 0))
    try:
        return int(listener.socket.getsockname()[1])
    finally:
        listener.close()
