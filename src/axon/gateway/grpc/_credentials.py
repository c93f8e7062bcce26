"""TLS: the server's certificate and key from files, looked at before anything listens."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from ...errors import InvalidOption


@dataclass(frozen=True, slots=True)
class TLS:
    """Whose certificate the server shows, as files in PEM form.

        GrpcServer(gateway, tls=TLS(Path("server.pem"), Path("server.key")))

    certificate: the server's own and those between it and the authority. key: its private key, without a passphrase.
    client_authority: certificates of an authority; then only clients that show a certificate of it are let in (mutual
    TLS), besides what their tokens say. Default none. The files are read when the server starts: start it again after
    they have changed. https://grpc.io/docs/guides/auth/
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """What a gRPC server takes. Reads the files, so not on the loop. Raises `InvalidOption`, which says what is wrong."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = _read("certificate", self.certificate), _read("key", self.key)
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidOption(
                "certificate", str(self.certificate), f"one in PEM form that {self.key} is the key of ({error})"
            ) from error
        if self.client_authority is None:
            return grpc.ssl_server_credentials([(key, chain)])
        authority = _read("client_authority", self.client_authority)
        try:
            context.load_verify_locations(self.client_authority)
        except ssl.SSLError as error:
            raise InvalidOption(
                "client_authority", str(self.client_authority), f"certificates in PEM form ({error})"
            ) from error
        return grpc.ssl_server_credentials([(key, chain)], root_certificates=authority, require_client_auth=True)


def _read(option: str, path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidOption(option, str(path), f"a file that can be read ({error.strerror})") from error


def _no_passphrase() -> str:
    raise ValueError("a key with a passphrase")
