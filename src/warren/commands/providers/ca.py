"""The certificate authority of an OpenVPN server, as effects on its files."""

from __future__ import annotations

from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.files import ReadFile, WriteFile
from warren.commands.effects.system import GetRandomBytes
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.pki import (
    SEED_BYTES,
    Issued,
    is_revoked,
    make_authority,
    make_crl,
    make_server,
    parse_issued,
)
from warren.commands.result import Code, CommandError, Status

MAX_CRL_BYTES = 16 << 20  # 100,000 users deleted within 30 days


def open_authority(files: VpnFiles, now: float) -> Effects[Issued]:
    """Return the authority; the first call creates it, with the server's certificate and an empty CRL.

    The caller holds the lock.

    Raises:
        CommandError: EXEC_FAILED if its files cannot be used.
    """
    certificate = yield from do(ReadFile(files.pki("ca.crt")))
    if certificate is None:
        return (yield from _create(files, now))
    key = yield from do(ReadFile(files.pki("ca.key")))
    if key is None:
        raise _failed(f"{files.pki('ca.key')} does not exist; {files.pki('ca.crt')} cannot sign without it")
    try:
        return parse_issued(certificate, key)
    except ValueError as error:
        raise _failed(f"{files.pki('ca.crt')} and {files.pki('ca.key')} cannot be used: {error}") from None


def revoke(files: VpnFiles, serial: int, now: float) -> Effects[None]:
    """Revoke a certificate: no handshake with it succeeds afterwards. The caller holds the lock."""
    before = yield from do(ReadFile(files.crl, MAX_CRL_BYTES))
    authority = yield from open_authority(files, now)
    try:
        if before is not None and is_revoked(before, serial):
            return
        crl = make_crl(authority, before, [serial], now)
    except ValueError as error:
        raise _failed(f"{files.crl} cannot be used: {error}") from None
    yield from do(WriteFile(files.crl, Secret(crl), 0o644))


def _create(files: VpnFiles, now: float) -> Effects[Issued]:
    """Create the authority; its certificate is written last, before which nothing has been signed for a user."""
    authority = make_authority((yield from do(GetRandomBytes(SEED_BYTES))), now)
    server = make_server(authority, (yield from do(GetRandomBytes(SEED_BYTES))), now)
    yield from do(WriteFile(files.pki("ca.key"), authority.key_pem))
    yield from do(WriteFile(files.pki("server.key"), server.key_pem))
    yield from do(WriteFile(files.pki("server.crt"), Secret(server.certificate_pem), 0o644))
    yield from do(WriteFile(files.crl, Secret(make_crl(authority, None, [], now)), 0o644))
    yield from do(WriteFile(files.pki("ca.crt"), Secret(authority.certificate_pem), 0o644))
    return authority


def _failed(problem: str) -> CommandError:
    return CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
