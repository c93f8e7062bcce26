"""TLS of the gRPC server: what is wrong with its files is said before anything listens."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import trustme
from gateway_parts import talker
from grpc import aio
from grpc_parts import serving

import axon
from axon import InvalidOption, StartFailed
from axon.gateway import Gateway
from axon.gateway.grpc import TLS, GRPCServer, synapse_pb2, synapse_pb2_grpc
from axon.testing.models import Say

HELLO = synapse_pb2.RunRequest(agent_id="talker", prompt="hello")


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


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.usefixtures("grpc_is_over")
async def test_over_tls_a_client_knows_the_server_and_nobody_reads_along(tmp_path: Path, authority: trustme.CA) -> None:
    tls = TLS(*files_of(authority.issue_cert("localhost"), tmp_path))
    async with serving(talker(Say("secret")), host="localhost", tls=tls) as world:
        trusted = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with aio.secure_channel(world.address, trusted) as channel:
            answer = await synapse_pb2_grpc.AgentServiceStub(channel).Run(HELLO)
            assert answer.result == "secret"
        stranger = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
        for channel in (aio.secure_channel(world.address, stranger), aio.insecure_channel(world.address)):
            async with channel:
                with pytest.raises(aio.AioRpcError) as failed:
                    await synapse_pb2_grpc.AgentServiceStub(channel).Run(HELLO, timeout=5)
                assert failed.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.usefixtures("grpc_is_over")
async def test_with_a_client_authority_a_client_shows_a_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    theirs = trustme.CA()
    theirs.cert_pem.write_to_path(tmp_path / "clients.pem")
    files = files_of(authority.issue_cert("localhost"), tmp_path)
    async with serving(
        talker(Say("welcome")), host="localhost", tls=TLS(*files, client_authority=tmp_path / "clients.pem")
    ) as world:
        nobody = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        chain, key = files_of(theirs.issue_cert("shop"), tmp_path, "shop")
        shop = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), key.read_bytes(), chain.read_bytes())
        async with aio.secure_channel(world.address, nobody) as channel:
            with pytest.raises(aio.AioRpcError) as failed:
                await synapse_pb2_grpc.AgentServiceStub(channel).Run(HELLO, timeout=5)
            assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
        async with aio.secure_channel(world.address, shop) as channel:
            assert (await synapse_pb2_grpc.AgentServiceStub(channel).Run(HELLO)).result == "welcome"


@pytest.mark.real_clock
async def test_files_that_cannot_be_used_keep_it_from_starting(tmp_path: Path) -> None:
    async with Gateway() as gateway:
        with pytest.raises(StartFailed, match="certificate must be a file that can be read"):
            await axon.start(GRPCServer(gateway, tls=TLS(tmp_path / "none.pem", tmp_path / "none.key")))
