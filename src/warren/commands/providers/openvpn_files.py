"""The files of the built-in OpenVPN provider: where they are, and the texts of those that other programs read.

    DIRECTORY/
      crl.pem              0644  the list of revoked certificates; the server reads it at each handshake
      pki/                       ca.crt ca.key server.crt server.key; the keys 0600
      access/USER.json     0640  who may log in: `warren openvpn verify` reads it
      certs/USER.crt       0644
      users/USER.ovpn      0600  all that a client needs, with its private key
      spa/USER.conf        0600  fwknop's stanza, for users that have keys of it

A path of a user is made of a name that has passed USERNAME: it has no dot and no slash.
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.commands.effects.effect import Secret

ENTRY = ".json"
SERVER_NAME = "openvpn-server"
"""What clients ask of the server's certificate; see `is_reserved`."""


@dataclass(frozen=True, slots=True)
class VpnFiles:
    """Of one server."""

    directory: str

    @property
    def lock(self) -> str:
        """Who holds it changes users."""
        return f"{self.directory}/pki/lock"

    @property
    def crl(self) -> str:
        """Not in pki/, which is root's alone."""
        return f"{self.directory}/crl.pem"

    @property
    def access(self) -> str:
        """The directory of entries."""
        return f"{self.directory}/access"

    def pki(self, name: str) -> str:
        """`ca.crt`, `ca.key`, `server.crt` or `server.key`."""
        return f"{self.directory}/pki/{name}"

    def entry(self, username: str) -> str:
        """Who may log in."""
        return f"{self.access}/{username}{ENTRY}"

    def certificate(self, username: str) -> str:
        """Without its key."""
        return f"{self.directory}/certs/{username}.crt"

    def profile(self, username: str) -> str:
        """What a client is given."""
        return f"{self.directory}/users/{username}.ovpn"

    def spa(self, username: str) -> str:
        """What fwknop reads."""
        return f"{self.directory}/spa/{username}.conf"


def is_reserved(username: str) -> bool:
    """Whether a certificate of this name would pass for the server's own."""
    return username.lower() == SERVER_NAME


def usual_head(remote: str) -> str:
    """What a profile begins with where there is no template. `remote` is as OpenVPN has it: HOST PORT PROTOCOL."""
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
    """A whole USER.ovpn, of three texts in PEM."""
    inline = {"ca": authority, "cert": certificate, "key": key.open()}
    blocks = [f"<{name}>\n{pem.decode()}</{name}>\n" for name, pem in inline.items()]
    return Secret((head.rstrip("\n") + "\n" + "".join(blocks)).encode())


@dataclass(frozen=True, slots=True)
class Spa:
    """Single packet authorization: what fwknop is to know of a user."""

    source: str
    """An IPv4 address; fwknop knows no others."""
    key: Secret
    hmac_key: Secret
    expires: int
    remote: str | None
    """As in the profile: its port is the one that is opened, where it is known."""

    def stanza(self) -> Secret:
        """Of fwknop's access.conf (fwknopd(8), ACCESS.CONF)."""
        lines = [f"SOURCE {self.source}", "REQUIRE_SOURCE_ADDRESS Y"]
        match (self.remote or "").split():
            case [_, port, protocol]:
                lines.append(f"OPEN_PORTS {protocol[:3]}/{port}")
        lines += [f"KEY_BASE64 {self.key.open().decode()}", f"HMAC_KEY_BASE64 {self.hmac_key.open().decode()}"]
        lines += [f"ACCESS_EXPIRE_EPOCH {self.expires}"]
        return Secret("".join(f"{line}\n" for line in lines).encode())


def server_lines(files: VpnFiles, program: str) -> str:
    """What a server's configuration needs so that these users, and no others, come in. `program` is `warren`'s path."""
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
