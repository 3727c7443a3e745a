"""The files of the built-in OpenVPN provider: their paths, and the content of those that other programs read.

    DIRECTORY/
      crl.pem              0644  the CRL; the server reads it at each handshake
      clock.json           0644  the time that has passed; see `vpn_clock`
      pki/                       ca.crt ca.key server.crt server.key; the keys 0600
      access/USER.json     0640  the user's entry; `warren openvpn verify` reads it
      certs/USER.crt       0644
      users/USER.ovpn      0600  the client profile, with its private key
      spa/USER.conf        0600  fwknop's stanza, for users with keys for it

A user's path is made from a name that matches USERNAME: it has no dot and no slash.
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.commands.effects.effect import Secret
from warren.reserved_names import OPENVPN_SERVER_NAME

ENTRY = ".json"
SERVER_NAME = OPENVPN_SERVER_NAME
"""The name that clients require in the server's certificate."""


@dataclass(frozen=True, slots=True)
class VpnFiles:
    """The files of one server."""

    directory: str

    @property
    def lock(self) -> str:
        """The lock that a command holds while it changes users."""
        return f"{self.directory}/pki/lock"

    @property
    def crl(self) -> str:
        """The CRL; not in pki/, which only root can read."""
        return f"{self.directory}/crl.pem"

    @property
    def clock(self) -> str:
        """The elapsed clock by which users expire."""
        return f"{self.directory}/clock.json"

    @property
    def access(self) -> str:
        """The directory of users' entries."""
        return f"{self.directory}/access"

    def pki(self, name: str) -> str:
        """Return the path of `ca.crt`, `ca.key`, `server.crt` or `server.key`."""
        return f"{self.directory}/pki/{name}"

    def entry(self, username: str) -> str:
        """Return the path of a user's entry."""
        return f"{self.access}/{username}{ENTRY}"

    def certificate(self, username: str) -> str:
        """Return the path of a user's certificate."""
        return f"{self.directory}/certs/{username}.crt"

    def profile(self, username: str) -> str:
        """Return the path of a user's client profile."""
        return f"{self.directory}/users/{username}.ovpn"

    def spa(self, username: str) -> str:
        """Return the path of a user's fwknop stanza."""
        return f"{self.directory}/spa/{username}.conf"


def default_head(remote: str) -> str:
    """Return the beginning of a profile without a template. `remote` is HOST PORT PROTOCOL, as in OpenVPN."""
    return f"""\
client
dev tun
remote {remote}
nobind
persist-key
persist-tun
remote-cert-tls server
verify-x509-name {SERVER_NAME} name
auth-user-pass
verb 3
"""


def profile(head: str, authority: bytes, certificate: bytes, key: Secret) -> Secret:
    """Return a complete USER.ovpn; certificates and key are in PEM."""
    inline = {"ca": authority, "cert": certificate, "key": key.open()}
    blocks = [f"<{name}>\n{pem.decode()}</{name}>\n" for name, pem in inline.items()]
    return Secret((head.rstrip("\n") + "\n" + "".join(blocks)).encode())


@dataclass(frozen=True, slots=True)
class Spa:
    """A user's single packet authorization in fwknop."""

    source: str
    """An IPv4 address; fwknop does not support IPv6."""
    key: Secret
    hmac_key: Secret
    expires: int
    remote: str | None
    """As in the profile: fwknop opens its port; None opens the default."""

    def stanza(self) -> Secret:
        """Return the stanza for access.conf (fwknopd(8), ACCESS.CONF)."""
        lines = [f"SOURCE {self.source}", "REQUIRE_SOURCE_ADDRESS Y"]
        match (self.remote or "").split():
            case [_, port, protocol]:
                lines.append(f"OPEN_PORTS {protocol[:3]}/{port}")
        lines += [f"KEY_BASE64 {self.key.open().decode()}", f"HMAC_KEY_BASE64 {self.hmac_key.open().decode()}"]
        lines += [f"ACCESS_EXPIRE_EPOCH {self.expires}"]
        return Secret("".join(f"{line}\n" for line in lines).encode())


def server_lines(files: VpnFiles, program: str) -> str:
    """Return the lines of a server's configuration that admit exactly these users; `program` is `warren`'s path."""
    return f"""\
ca {files.pki("ca.crt")}
cert {files.pki("server.crt")}
key {files.pki("server.key")}
dh none
crl-verify {files.crl}
verify-client-cert require
remote-cert-tls client
script-security 2
auth-user-pass-verify "{program} openvpn verify {files.directory}" via-file
management /run/openvpn/management.sock unix
"""
