"""TLS, certificates of workers and hosts, and tokens of hosts: on both kinds of servers, whoever fails is not served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from calls import call
from certificates import Authority, Signed
from host import listening
from laneway_worker import HostUnreachable, Tls, serve_function
from laneway_worker._contract import worker_pb2 as contract
from stage import nothing, play, worker_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "another")


def credentials_of(authority: Authority, *, clients: bool) -> grpc.ServerCredentials:
    host = authority.sign("host")
    root = authority.cert if clients else None
    return grpc.ssl_server_credentials([(host.key, host.cert)], root_certificates=root, require_client_auth=clients)


def tls_with(authority: Authority, own: Signed) -> Tls:
    return Tls(ca=authority.cert, cert=own.cert, key=own.key)


async def serves(folder: Path, credentials: grpc.ServerCredentials, tls: Tls) -> None:
    """One message, all the way."""
    async with listening(folder, credentials) as host:
        worker = worker_of(host, tls=tls)
        running = asyncio.create_task(worker.serve())
        host.lease(b"")
        assert (await host.settlements.get()).status == contract.STATUS_COMPLETED
        worker.drain()
        await running


async def is_not_served(folder: Path, credentials: grpc.ServerCredentials, tls: Tls | bool) -> None:
    """It says no hello, and gives up."""
    async with listening(folder, credentials) as host:
        with pytest.raises(HostUnreachable):
            await worker_of(host, tls=tls, give_up_after=0.1).serve()
        assert host.metadata == []


def test_tls_a_host_whose_authority_the_worker_knows_is_served(tmp_path: Path, authority: Authority) -> None:
    play(serves(tmp_path, credentials_of(authority, clients=False), Tls(ca=authority.cert)))


def test_tls_the_name_in_the_certificate_may_be_given(tmp_path: Path, authority: Authority) -> None:
    credentials = credentials_of(authority, clients=False)
    play(serves(tmp_path, credentials, Tls(ca=authority.cert, server_name="localhost")))
    play(is_not_served(tmp_path, credentials, Tls(ca=authority.cert, server_name="another.example")))


def test_tls_other_hosts_are_not_served_nor_one_in_plain_text(
    tmp_path: Path, authority: Authority, another: Authority
) -> None:
    credentials = credentials_of(authority, clients=False)
    for tls in (Tls(ca=another.cert), True, False):
        play(is_not_served(tmp_path, credentials, tls))


def test_mtls_a_worker_with_a_certificate_of_the_authority_is_let_in(tmp_path: Path, authority: Authority) -> None:
    credentials = credentials_of(authority, clients=True)
    play(serves(tmp_path, credentials, tls_with(authority, authority.sign("worker"))))


def test_mtls_none_or_one_of_another_authority_is_not(tmp_path: Path, authority: Authority, another: Authority) -> None:
    credentials = credentials_of(authority, clients=True)
    for tls in (Tls(ca=authority.cert), tls_with(authority, another.sign("worker"))):
        play(is_not_served(tmp_path, credentials, tls))


def test_tls_of_functions(authority: Authority) -> None:
    own = authority.sign("function")

    async def case() -> None:
        tls = Tls(cert=own.cert, key=own.key)
        server = await serve_function({"work": nothing}, listen="127.0.0.1:0", tls=tls)
        assert (
            await call(server.address, credentials=grpc.ssl_channel_credentials(authority.cert)) == grpc.StatusCode.OK
        )
        assert await call(server.address) == grpc.StatusCode.UNAVAILABLE
        await server.close()

    play(case())


def test_mtls_of_functions(authority: Authority, another: Authority) -> None:
    async def case() -> None:
        tls = tls_with(authority, authority.sign("function"))
        server = await serve_function({"work": nothing}, listen="127.0.0.1:0", tls=tls)
        for signer, code in ((authority, grpc.StatusCode.OK), (another, grpc.StatusCode.UNAVAILABLE)):
            host = signer.sign("host")
            credentials = grpc.ssl_channel_credentials(authority.cert, host.key, host.cert)
            assert await call(server.address, credentials=credentials) == code
        await server.close()

    play(case())


def test_functions_are_not_served_in_plain_text_to_other_machines(authority: Authority) -> None:
    with pytest.raises(ValueError, match=r"^tls:"):
        play(serve_function({"work": nothing}, listen="0.0.0.0:0"))
    with pytest.raises(ValueError, match=r"^tls:"):
        play(serve_function({"work": nothing}, listen="127.0.0.1:0", tls=Tls(ca=authority.cert)))
