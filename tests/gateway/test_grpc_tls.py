"""TLS of the gRPC server: what is wrong with its files is said before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from axon import InvalidOption
from axon.gateway.grpc import TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files_of(cert: trustme.LeafCert, home: Path, name: str = "server") -> tuple[Path, Path]:
    """Its certificate and its key."""
    chain, key = home / f"{name}.pem", home / f"{name}.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
    key.write_bytes(cert.private_key_pem.bytes())
    return chain, key


def test_a_file_that_is_not_there_is_named(tmp_path: Path, authority: trustme.CA) -> None:
    _, key = files_of(authority.issue_cert("localhost"), tmp_path)
    with pytest.raises(
        InvalidOption, match=r"certificate must be a file that can be read \(No such file.*'.*none.pem'"
    ):
        TLS(tmp_path / "none.pem", key).credentials()


def test_a_key_that_is_not_of_the_certificate_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    chain, _ = files_of(authority.issue_cert("localhost"), tmp_path)
    _, other = files_of(authority.issue_cert("localhost"), tmp_path, "other")
    with pytest.raises(InvalidOption, match=r"one in PEM form that .*other.key is the key of"):
        TLS(chain, other).credentials()


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    chain, key = files_of(authority.issue_cert("localhost"), tmp_path)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(InvalidOption, match="certificate must be one in PEM form"):
        TLS(nonsense, key).credentials()
    with pytest.raises(InvalidOption, match="client_authority must be certificates in PEM form"):
        TLS(chain, key, client_authority=nonsense).credentials()


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path, authority: trustme.CA) -> None:
    from cryptography.hazmat.primitives import serialization

    chain, key = files_of(authority.issue_cert("localhost"), tmp_path)
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    with pytest.raises(InvalidOption, match="a key with a passphrase"):
        TLS(chain, key).credentials()
