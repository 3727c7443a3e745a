"""The certificates of OpenVPN, as another implementation reads them (RFC 5280)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from warren.commands.providers.pki import (
    REVOKED_LIFE,
    SEED_BYTES,
    Issued,
    is_revoked,
    make_authority,
    make_client,
    make_crl,
    make_server,
    parse_issued,
)

NOW = 1_800_000_000.0
DAY = 86_400.0
AUTHORITY = make_authority(bytes(SEED_BYTES - 1) + b"\1", NOW)
OpenSsl = Callable[..., str]


@pytest.fixture
def verify(tmp_path: Path) -> OpenSsl:
    """`openssl verify` of a certificate at a time, by the authority and a list of revoked ones."""

    def openssl(issued: Issued, purpose: str, at: float, *serials: int) -> str:
        (tmp_path / "ca").write_bytes(AUTHORITY.certificate_pem)
        (tmp_path / "crl").write_bytes(make_crl(AUTHORITY, None, serials, NOW))
        (tmp_path / "one").write_bytes(issued.certificate_pem)
        words = ["openssl", "verify", "-x509_strict", "-CAfile", "ca", "-crl_check", "-CRLfile", "crl"]
        words += ["-purpose", purpose, "-attime", str(int(at)), "one"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return openssl


@pytest.mark.integration
@pytest.mark.needs("openssl")
@pytest.mark.security
def test_wall_clock_set_ahead_deletes_none_of_the_last_revocations() -> None:
    first = make_crl(AUTHORITY, None, [5], NOW)
    ahead = make_crl(AUTHORITY, first, [6], NOW + 400 * DAY)
    assert (is_revoked(ahead, 5), is_revoked(ahead, 6)) == (True, True)


def test_openssl_takes_them_for_what_they_are(verify: OpenSsl) -> None:
    server, client = make_server(AUTHORITY, b"s" * 64, NOW), make_client(AUTHORITY, "user1", b"c" * 64, NOW, DAY)
    assert "one: OK" in verify(server, "sslserver", NOW)
    assert "one: OK" in verify(client, "sslclient", NOW)
    assert "purpose" in verify(server, "sslclient", NOW)
    assert "purpose" in verify(client, "sslserver", NOW)


@pytest.mark.integration
@pytest.mark.needs("openssl")
def test_openssl_refuses_what_has_ended(verify: OpenSsl) -> None:
    client = make_client(AUTHORITY, "user1", b"c" * 64, NOW, 60)
    assert "one: OK" in verify(client, "sslclient", NOW + 59)
    assert "expired" in verify(client, "sslclient", NOW + 61)
    assert "revoked" in verify(client, "sslclient", NOW, client.certificate.serial_number)
    assert "one: OK" in verify(client, "sslclient", NOW, client.certificate.serial_number + 1)


@pytest.mark.unit
@pytest.mark.parametrize("issued", [AUTHORITY, make_server(AUTHORITY, b"s" * 64, NOW)])
def test_what_each_certificate_says(issued: Issued) -> None:
    extensions = issued.certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert extensions.get_extension_for_class(x509.KeyUsage).critical
    own = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    above = AUTHORITY.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert own == above
    issued.certificate.verify_directly_issued_by(AUTHORITY.certificate)


@pytest.mark.unit
@pytest.mark.parametrize(("seconds", "days"), [(DAY, 1), (365 * DAY, 30)])
def test_a_client_lives_for_thirty_days_at_most(seconds: float, days: int) -> None:
    end = make_client(AUTHORITY, "user1", b"c" * 64, NOW, seconds).certificate.not_valid_after_utc
    assert end == datetime.fromtimestamp(NOW, UTC) + timedelta(days=days)


@pytest.mark.unit
def test_nothing_lives_longer_than_the_authority() -> None:
    end = AUTHORITY.certificate.not_valid_after_utc
    late = end.timestamp() - 60
    assert make_client(AUTHORITY, "user1", b"c" * 64, late, DAY).certificate.not_valid_after_utc == end
    assert make_server(AUTHORITY, b"c" * 64, NOW).certificate.not_valid_after_utc == end


@pytest.mark.unit
def test_the_list_grows_and_forgets_what_has_expired_by_itself() -> None:
    first = make_crl(AUTHORITY, None, [5], NOW)
    second = make_crl(AUTHORITY, first, [5, 6], NOW + DAY)
    third = make_crl(AUTHORITY, second, [7], NOW + REVOKED_LIFE.total_seconds(), keep_at_least=0)
    assert [is_revoked(second, serial) for serial in (5, 6, 7)] == [True, True, False]
    assert [is_revoked(third, serial) for serial in (5, 6, 7)] == [False, True, True]
    numbers = [
        x509.load_pem_x509_crl(each).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        for each in (first, second, third)
    ]
    assert numbers == [1, 2, 3]


@pytest.mark.unit
def test_a_list_of_another_authority_is_refused() -> None:
    other = make_authority(b"o" * 64, NOW)
    with pytest.raises(ValueError, match="another authority"):
        make_crl(AUTHORITY, make_crl(other, None, [], NOW), [], NOW)


@pytest.mark.unit
def test_from_files_and_back() -> None:
    read = parse_issued(AUTHORITY.certificate_pem, AUTHORITY.key_pem.open())
    assert read.certificate == AUTHORITY.certificate
    assert "PRIVATE" not in repr(AUTHORITY) + repr(AUTHORITY.key_pem)
    with pytest.raises(ValueError, match="does not belong to the certificate"):
        parse_issued(AUTHORITY.certificate_pem, make_authority(b"o" * 64, NOW).key_pem.open())
    with pytest.raises(ValueError, match="the key is malformed"):
        parse_issued(AUTHORITY.certificate_pem, b"")


@pytest.mark.unit
@given(st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES))
def test_every_seed_gives_a_serial_number_of_its_own_that_may_be(seed: bytes) -> None:
    issued = make_client(AUTHORITY, "user1", seed, NOW, DAY)
    assert 0 < issued.certificate.serial_number < 1 << 159
    assert issued.certificate.public_key() == issued.key.public_key()
