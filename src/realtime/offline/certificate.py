"""Makes the self-signed certificate of ``--tls``.

Thread: any; writes two small files.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import Any

from .models.interfaces import ModelError

DAYS = 30


class SelfSigned:
    """A self-signed certificate in a temporary folder, which ``close`` removes; the private key is never kept.

    Parameters
    ----------
    host : str
        Name or IP address that clients connect to; localhost and the loopback addresses are valid too.

    Attributes
    ----------
    path : Path
        The certificate (PEM), for clients to trust: ``SSL_CERT_FILE`` or ``ssl.create_default_context(cafile=...)`` in
        Python, ``NODE_EXTRA_CA_CERTS`` in Node.
    context : SSLContext
        For the server.

    Raises
    ------
    ModelError
        The library ``cryptography`` is not installed, or *host* is no name of a host.
    """

    def __init__(self, host: str) -> None:
        certificate, key = _make(sorted({host, "localhost", "127.0.0.1", "::1"}))
        self._folder = tempfile.TemporaryDirectory(prefix="wavtools-tls-")
        folder = Path(self._folder.name)
        self.path = folder / "certificate.pem"
        self.path.write_bytes(certificate)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # OpenSSL reads keys from files only. The folder belongs to this user alone.
        private = folder / "key.pem"
        private.touch(mode=0o600)
        private.write_bytes(key)
        self.context.load_cert_chain(self.path, private)
        private.unlink()

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _make(hosts: list[str]) -> tuple[bytes, bytes]:
    """Certificate and private key (PEM) for *hosts*."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise ModelError("--tls needs the library cryptography; run: pip install cryptography") from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wavtools offline server")])
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **usage
            ),
            True,
        ),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour for clocks that differ.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private


def _general_name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        # A name.
        pass
    try:
        return x509.DNSName(host.encode("idna").decode("ascii"))
    except UnicodeError:
        raise ModelError(f"--tls: no certificate can be made for the host {host!r}") from None
