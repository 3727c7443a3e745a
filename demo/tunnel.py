"""A key and a file for each host, and `warren up` on both."""

from __future__ import annotations

from pathlib import Path

from demo.host import Host, run
from demo.screen import Screen

TITLE = "One tunnel: `warren up` on both hosts"
PORT = 51820
FILES = Path("/run/warren-demo")  # in the enclosure's own /run, so the keys go with it


def show(screen: Screen, alice: Host, bob: Host) -> None:
    """Make keys, write wg-quick's files and bring both ends up."""
    secrets = {host: run("warren", "genkey").strip() for host in (alice, bob)}
    public = {host: run("warren", "pubkey", stdin=secrets[host]).strip() for host in (alice, bob)}
    preshared = run("warren", "genpsk").strip()
    for host, far in ((alice, bob), (bob, alice)):
        text = configuration(host, far, secrets[host], public[far], preshared)
        file = file_of(host)
        file.touch(mode=0o600)
        file.write_text(text)
    shown = configuration(alice, bob, "(made by warren genkey)", public[bob], "(made by warren genpsk)")
    screen.quote(f"{alice.interface}.conf\n\n{shown}")
    for host in (alice, bob):
        host.run("warren", "up", str(file_of(host)))
        screen.fact(f"{host.name}: warren up {host.interface}.conf: {host.inside}, {host.inside6} on {host.interface}")


def configuration(host: Host, far: Host, secret: str, public: str, preshared: str) -> str:
    """A file as wg-quick(8) reads it."""
    return f"""\
[Interface]
PrivateKey = {secret}
ListenPort = {PORT}
Address = {host.inside}/24, {host.inside6}/64

[Peer]
PublicKey = {public}
PresharedKey = {preshared}
AllowedIPs = {far.inside}/32, {far.inside6}/128
Endpoint = {far.wire}:{PORT}
"""


def file_of(host: Host) -> Path:
    """Where a host's configuration is."""
    return FILES / f"{host.interface}.conf"
