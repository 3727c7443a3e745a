"""Create keys and a wg-quick file for each host, and run `warren up` on both."""

from __future__ import annotations

from pathlib import Path

from demo.host import Host, run
from demo.screen import Screen

TITLE = "One tunnel: `warren up` on both hosts"
PORT = 51820
FILES = Path("/run/warren-demo")  # in the private /run, so that the keys are removed with it


def show(screen: Screen, alice: Host, bob: Host) -> None:
    """Create keys, write wg-quick files and bring both ends up."""
    secrets = {host: run("warren", "genkey").strip() for host in (alice, bob)}
    public = {host: run("warren", "pubkey", stdin=secrets[host]).strip() for host in (alice, bob)}
    preshared = run("warren", "genpsk").strip()
    for host, peer in ((alice, bob), (bob, alice)):
        text = configuration(host, peer, secrets[host], public[peer], preshared)
        file = file_of(host)
        file.touch(mode=0o600)
        file.write_text(text)
    shown = configuration(alice, bob, "(from warren genkey)", public[bob], "(from warren genpsk)")
    screen.quote(f"{alice.interface}.conf\n\n{shown}")
    for host in (alice, bob):
        host.run("warren", "up", str(file_of(host)))
        screen.fact(f"{host.name}: warren up {host.interface}.conf: {host.inside}, {host.inside6} on {host.interface}")


def configuration(host: Host, peer: Host, secret: str, public: str, preshared: str) -> str:
    """Return a file for wg-quick(8)."""
    return f"""\
[Interface]
PrivateKey = {secret}
ListenPort = {PORT}
Address = {host.inside}/24, {host.inside6}/64

[Peer]
PublicKey = {public}
PresharedKey = {preshared}
AllowedIPs = {peer.inside}/32, {peer.inside6}/128
Endpoint = {peer.wire}:{PORT}
"""


def file_of(host: Host) -> Path:
    """Return the path of a host's wg-quick file."""
    return FILES / f"{host.interface}.conf"
