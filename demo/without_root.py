"""Networks without a TUN: a program without rights reaches one peer through SOCKS5, and exits through another."""

from __future__ import annotations

import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from demo.agent import Agent, service_user
from demo.failure import StageError
from demo.host import PROGRAM_TIMEOUT_SECONDS, Host, run
from demo.screen import Screen
from demo.tunnel import FILES

TITLE = "No TUN, no root: a proxy for a program, and an exit for its traffic"
NETWORK = "outing"
PORT = 51830
SOCKS = "127.0.0.1:1080"
PAGE_PORT = 8000
CAROL = Host("carol", wire="203.0.113.1", inside="10.77.3.3", inside6="fd77:3::3")
WEB = Host("web", wire="192.0.2.129", inside="198.51.100.80", inside6="2001:db8:80::80")
INSIDE = {"alice": "10.77.3.1", "bob": "10.77.3.2"}
# The other ends of carol's two cables, and of the web server's.
TO_CAROL = {"alice": "203.0.113.5", "bob": "203.0.113.2"}
TO_WEB = "192.0.2.130"
START_TIMEOUT_SECONDS = 20
# No directory of the TUN, and a file system that is read-only but for the files of the demo.
CONFINED = 'mount -t tmpfs tmpfs /dev/net && mount -o remount,bind,ro / && exec "$@"'


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Reach a page of alice through SOCKS5, and one of a web server that only bob can reach."""
    connect(alice, bob)
    agents = configured(screen, alice, bob)
    with ExitStack() as stack:
        for host, address in ((alice, "127.0.0.1"), (WEB, WEB.inside)):
            stack.enter_context(serving(host, address))
        for agent in agents.values():
            stack.enter_context(agent.running(1))
        screen.fact("alice, bob and carol: `warren agent start` without a capability, without /dev/net/tun,")
        screen.fact("on a read-only file system. No interface is made and no route is set:")
        screen.quote(f"carol$ ip -brief link\n{CAROL.run('ip', '-brief', 'link')}")
        web = f"http://{WEB.inside}:{PAGE_PORT}/page"
        CAROL.run("curl", "--silent", "--max-time", "5", web, status=7)
        screen.quote(f"carol$ curl {web}\nno route: only bob can reach the web server")
        for url in (f"http://{INSIDE['alice']}:{PAGE_PORT}/page", web):
            page = CAROL.run("curl", "--silent", "--fail", "--socks5-hostname", SOCKS, url)
            screen.quote(f"carol$ curl --socks5-hostname {SOCKS} {url}\n{page}")
        if f"{TO_WEB} - - " not in log_of(WEB):
            raise StageError(f"the web server was not asked by bob, its log says: {log_of(WEB)}")
        screen.fact(f"the web server was asked by {TO_WEB}, the address of the exit:")
        screen.quote(f"web$ tail -1 access.log\n{log_of(WEB).splitlines()[-1]}")
    return "a program without rights reached a peer through SOCKS5 and exited through another"


def connect(alice: Host, bob: Host) -> None:
    """Make two more hosts: carol, with a cable to alice and one to bob, and a web server behind bob."""
    for host in (CAROL, WEB):
        run("ip", "netns", "add", host.name)
        host.run("ip", "link", "set", "lo", "up")
    cable(CAROL, f"{CAROL.wire}/30", bob, f"{TO_CAROL['bob']}/30", "carol-bob")
    cable(CAROL, "203.0.113.6/30", alice, f"{TO_CAROL['alice']}/30", "carol-alice")
    cable(WEB, f"{WEB.wire}/30", bob, f"{TO_WEB}/30", "web-bob")
    WEB.run("ip", "address", "add", f"{WEB.inside}/32", "dev", "lo")
    bob.run("ip", "route", "add", f"{WEB.inside}/32", "via", WEB.wire)


def cable(left: Host, left_address: str, right: Host, right_address: str, name: str) -> None:
    """Connect two hosts by a veth pair with an address at each end."""
    run("ip", "link", "add", name, "netns", left.name, "type", "veth", "peer", name, "netns", right.name)
    for host, address in ((left, left_address), (right, right_address)):
        host.run("ip", "address", "add", address, "dev", name)
        host.run("ip", "link", "set", name, "up")


def configured(screen: Screen, alice: Host, bob: Host) -> dict[Host, Agent]:
    """Write the configuration of each agent, and show carol's."""
    user = user_of_agents()
    agents = {host: Agent(host, f"{host.name}-{NETWORK}", confined(user), user) for host in (alice, bob, CAROL)}
    key = {host: agent.public_key(NETWORK) for host, agent in agents.items()}
    carol = peer("carol", key[CAROL], f"{CAROL.inside}/32")
    forward = f'forwards = [{{tunnel_port = {PAGE_PORT}, to = "127.0.0.1:{PAGE_PORT}"}}]'
    agents[alice].configure(network(alice, INSIDE["alice"], forward) + carol)
    agents[bob].configure(network(bob, INSIDE["bob"], 'exit_node = {enabled = true, routes = ["0.0.0.0/0"]}') + carol)
    file = (
        network(CAROL, CAROL.inside, f'socks5 = {{listen = "{SOCKS}"}}')
        + peer("alice", key[alice], f"{INSIDE['alice']}/32", f"{TO_CAROL['alice']}:{PORT}")
        + peer("bob", key[bob], "0.0.0.0/0", f"{TO_CAROL['bob']}:{PORT}")
    )
    agents[CAROL].configure(file)
    screen.quote(f"carol: agent.toml\n\n{file}")
    for agent in agents.values():
        run("chown", "-R", user, str(agent.root))
    return agents


def user_of_agents() -> str:
    """Return the user that owns the agents from the start: root, without a capability, if only root can run Python."""
    user = service_user()
    can_run = subprocess.run([*drop_to(user), "warren", "--version"], capture_output=True, check=False)
    return user if can_run.returncode == 0 else "root"


def drop_to(user: str) -> tuple[str, ...]:
    """Return what starts a program as a user without a capability."""
    group = str(pwd.getpwnam(user).pw_gid)
    as_user = ("--reuid", user, "--regid", group, "--clear-groups") if user != "root" else ()
    return ("setpriv", *as_user, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


def confined(user: str) -> tuple[str, ...]:
    """Return what starts a program without a TUN, without a capability and with nothing to write but its own files."""
    return ("unshare", "--mount", "--", "sh", "-c", CONFINED, "sh", *drop_to(user))


def network(host: Host, inside: str, service: str) -> str:
    """Return the table of a network without an interface."""
    return f"""\
[network.{NETWORK}]
enable_wireguard = true
backend = "netstack"
interface = "{NETWORK}-{host.name}"
address = "{inside}/24"
listen_port = {PORT}
private_key_path = "/etc/warren/{NETWORK}.key"
{service}
"""


def peer(name: str, public_key: str, allowed: str, endpoint: str = "") -> str:
    """Return the table of a peer."""
    line = f'endpoint = "{endpoint}"\n' if endpoint else ""
    return f"""
[[network.{NETWORK}.peers]]
name = "{name}"
public_key = "{public_key}"
{line}allowed_ips = ["{allowed}"]
"""


@contextmanager
def serving(host: Host, address: str) -> Iterator[None]:
    """Run a web server with one page during the block."""
    directory = FILES / f"{host.name}-pages"
    directory.mkdir()
    (directory / "page").write_text(f"the page of {host.name}\n")
    words = (sys.executable, "-m", "http.server", "--bind", address, "--directory", str(directory), str(PAGE_PORT))
    with (
        (FILES / f"{host.name}.log").open("w") as log,
        subprocess.Popen(host.command(*words), stdout=subprocess.DEVNULL, stderr=log) as server,
    ):
        try:
            wait_until_served(host, address)
            yield
        finally:
            server.terminate()
            server.wait(PROGRAM_TIMEOUT_SECONDS)


def wait_until_served(host: Host, address: str) -> None:
    """Wait until the web server of a host answers there. Raises StageError."""
    url = f"http://{address}:{PAGE_PORT}/page"
    tries = ("--retry", str(START_TIMEOUT_SECONDS), "--retry-delay", "1", "--retry-connrefused")
    host.run("curl", "--silent", "--fail", *tries, url)


def log_of(host: Host) -> str:
    """Return what the web server of a host has logged."""
    return (FILES / f"{host.name}.log").read_text()
