"""Calls a function as a host does."""

from __future__ import annotations

import grpc

from laneway_worker import _contract
from laneway_worker._contract import worker_pb2 as contract


async def call(
    address: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    token: str = "",
    timeout: float | None = None,
) -> grpc.StatusCode:
    """One message to the handler `work`; how that ended."""
    channel = (
        grpc.aio.insecure_channel(address) if credentials is None else grpc.aio.secure_channel(address, credentials)
    )
    async with channel:
        method: grpc.aio.UnaryUnaryMultiCallable[contract.CallRequest, contract.CallResponse] = channel.unary_unary(
            _contract.CALL,
            request_serializer=contract.CallRequest.SerializeToString,
            response_deserializer=contract.CallResponse.FromString,
        )
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            await method(contract.CallRequest(handler="work"), metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK
