"""The authority of an OpenVPN server, as effects on its files."""

from __future__ import annotations

from warren.commands.effects.effect import Effects, RandomBytes, ReadFile, Secret, WriteFile, do
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

MAX_CRL_BYTES = 16 << 20  # 100,000 users that ended within 30 days


def opened_authority(files: VpnFiles, now: float) -> Effects[Issued]:
    """Made when it is first asked for, with the server's certificate and an empty list. The caller holds the lock.

    Raises CommandError EXEC_FAILED where its files cannot be used.
    """
    certificate = yield from do(ReadFile(files.pki("ca.crt")))
    if certificate is None:
        return (yield from _make(files, now))
    key = yield from do(ReadFile(files.pki("ca.key")))
    if key is None:
        raise _failed(f"{files.pki('ca.key')} is not there, and without it {files.pki('ca.crt')} signs nothing")
    try:
        return parse_issued(certificate, key)
    except ValueError as error:
        raise _failed(f"{files.pki('ca.crt')} and {files.pki('ca.key')} cannot be used: {error}") from None


def revoke(files: VpnFiles, serial: int, now: float) -> Effects[None]:
    """No handshake with this certificate succeeds when this is done. The caller holds the lock."""
    before = yield from do(ReadFile(files.crl, MAX_CRL_BYTES))
    authority = yield from opened_authority(files, now)
    try:
        if before is not None and is_revoked(before, serial):
            return
        crl = make_crl(authority, before, [serial], now)
    except ValueError as error:
        raise _failed(f"{files.crl} cannot be used: {error}") from None
    yield from do(WriteFile(files.crl, Secret(crl), 0o644))


def _make(files: VpnFiles, now: float) -> Effects[Issued]:
    """The authority's certificate comes last: until it is there nothing has been signed for anybody."""
    authority = make_authority((yield from do(RandomBytes(SEED_BYTES))), now)
    server = make_server(authority, (yield from do(RandomBytes(SEED_BYTES))), now)
    yield from do(WriteFile(files.pki("ca.key"), authority.key_pem))
    yield from do(WriteFile(files.pki("server.key"), server.key_pem))
    yield from do(WriteFile(files.pki("server.crt"), Secret(server.certificate_pem), 0o644))
    yield from do(WriteFile(files.crl, Secret(make_crl(authority, None, [], now)), 0o644))
    yield from do(WriteFile(files.pki("ca.crt"), Secret(authority.certificate_pem), 0o644))
    return authority


def _failed(problem: str) -> CommandError:
    return CommandError(Code.EXEC_FAILED, problem, Status.ERROR)
