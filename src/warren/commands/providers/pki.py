"""The certificates of an OpenVPN server and its clients; pure: randomness and time are arguments (RFC 5280).

Keys are P-256, which every OpenVPN since 2.4 supports. The authority signs only servers, clients and its CRL. A
client's certificate is valid for at most 30 days, so an entry of the CRL is kept no longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from warren.commands.effects.effect import Secret
from warren.commands.providers.openvpn_files import SERVER_NAME

SEED_BYTES = 64
"""Random octets per certificate: 40 for the key, the rest for the serial number."""
KEY_BYTES = 40  # 64 bits more than the order, so that keys are uniform (FIPS 186-5, A.2.1)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (SEC 2, 2.4.2)."""
AUTHORITY_NAME = "Warren OpenVPN"
AUTHORITY_LIFE = timedelta(days=3650)
CLIENT_LIFE = timedelta(days=30)
BACKDATED = timedelta(minutes=5)  # for a client whose clock is behind
Life = tuple[datetime, datetime]
REVOKED_LIFE = CLIENT_LIFE + timedelta(days=1)
KEPT_ENTRIES = 5_000  # of about 40 octets: the server reads the file when it has changed


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> Secret:
        """The private key in PEM."""
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return Secret(self.key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))


def parse_issued(certificate_pem: bytes, key_pem: bytes) -> Issued:
    """Parse a certificate and its key.

    Raises:
        ValueError: one of them is malformed, or they do not belong together.
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError):
        raise ValueError("the key is malformed or has a passphrase") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise ValueError("the key does not belong to the certificate")
    return Issued(certificate, key)


def make_authority(seed: bytes, now: float) -> Issued:
    """Make a self-signed authority that is valid for ten years."""
    key, serial = _derive(seed)
    name = _name(f"{AUTHORITY_NAME} {serial:x}"[:30])
    builder = _builder(name, key, serial, _from(now, _at(now) + AUTHORITY_LIFE)).issuer_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(_issuer_key(key.public_key()), critical=False)
    return Issued(builder.sign(key, hashes.SHA256()), key)


def make_server(authority: Issued, seed: bytes, now: float) -> Issued:
    """Make a server certificate, valid as long as the authority: nothing renews it."""
    end = authority.certificate.not_valid_after_utc
    return _issue(authority, SERVER_NAME, ExtendedKeyUsageOID.SERVER_AUTH, seed, _from(now, end))


def make_client(authority: Issued, username: str, seed: bytes, now: float, seconds: float) -> Issued:
    """Make a client certificate; valid for `seconds`, at most 30 days, and no longer than the authority."""
    end = min(
        _at(now) + min(CLIENT_LIFE, timedelta(seconds=seconds)),
        authority.certificate.not_valid_after_utc,
    )
    return _issue(authority, username, ExtendedKeyUsageOID.CLIENT_AUTH, seed, _from(now, end))


def make_crl(
    authority: Issued, before: bytes | None, serials: Iterable[int], now: float, keep_at_least: int = KEPT_ENTRIES
) -> bytes:
    """Make the CRL that has the entries of the one before and these serials, without expired certificates.

    The last `keep_at_least` entries are kept whatever the wall clock shows: it may be ahead, and a certificate whose
    entry is gone is valid again when it is corrected. The CRL is valid as long as the authority: OpenVPN rejects all
    clients by an expired CRL.

    Raises:
        ValueError: the CRL before is not of this authority.
    """
    old = _parse_crl(authority, before) if before is not None else None
    at = _at(now).replace(microsecond=0)
    dates = {entry.serial_number: entry.revocation_date_utc for entry in old or ()}
    last = set(sorted(dates, key=lambda serial: dates[serial])[-keep_at_least:] if keep_at_least else ())
    kept = {serial: date for serial, date in dates.items() if serial in last or date + REVOKED_LIFE > at}
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(at - BACKDATED).next_update(authority.certificate.not_valid_after_utc)
    for serial, date in sorted((dict.fromkeys(serials, at) | kept).items()):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date).build()
        )
    builder = builder.add_extension(x509.CRLNumber(_number(old) + 1), critical=False)
    builder = builder.add_extension(_issuer_key(authority.key.public_key()), critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_revoked(crl: bytes, serial: int) -> bool:
    """Return whether the CRL has this serial. Raises ValueError for a malformed CRL."""
    return x509.load_pem_x509_crl(crl).get_revoked_certificate_by_serial_number(serial) is not None


def _derive(seed: bytes) -> tuple[ec.EllipticCurvePrivateKey, int]:
    """Derive a key, and a positive serial number of at most 20 octets (RFC 5280, 4.1.2.2)."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"expected {SEED_BYTES} octets")
    scalar = int.from_bytes(seed[:KEY_BYTES], "big") % (ORDER - 1) + 1
    serial = int.from_bytes(seed[KEY_BYTES : KEY_BYTES + 20], "big") >> 1 | 1
    return ec.derive_private_key(scalar, ec.SECP256R1()), serial


def _issue(authority: Issued, name: str, purpose: ObjectIdentifier, seed: bytes, life: Life) -> Issued:
    key, serial = _derive(seed)
    builder = _builder(_name(name), key, serial, life).issuer_name(authority.certificate.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(_issuer_key(authority.key.public_key()), critical=False)
    if purpose == ExtendedKeyUsageOID.SERVER_AUTH:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(name: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int, life: Life) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key()).serial_number(serial)
    builder = builder.not_valid_before(life[0]).not_valid_after(life[1])
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_key(public: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)


def _parse_crl(authority: Issued, pem: bytes) -> x509.CertificateRevocationList:
    crl = x509.load_pem_x509_crl(pem)
    if not crl.is_signature_valid(authority.key.public_key()):
        raise ValueError("the CRL is of another authority")
    return crl


def _number(crl: x509.CertificateRevocationList | None) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number if crl is not None else 0


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _from(now: float, end: datetime) -> Life:
    return _at(now) - BACKDATED, end


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
