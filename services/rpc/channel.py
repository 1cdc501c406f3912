"""Dialling another service, and waking it up."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2

from services.core.errors import WorkerUnavailable
from services.rpc import release
from services.rpc.server import MAX_MESSAGE_BYTES

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    # Whoever calls decides what is sent again, and when.
    ("grpc.enable_retries", 0),
    # How soon a service that was down is tried again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Despite its name: how long connecting may take, where the other side is busy or far.
    ("grpc.min_reconnect_backoff_ms", 5_000),
)

CALLS_PER_CONNECTION = 100
"""What one connection carries at a time through any proxy; what is more may wait there, unseen."""
_WAKE_INTERVAL_SECONDS = 0.1


def dial(target: str, *, apart: bool = False) -> grpc.aio.Channel:
    """Open a channel to `host:port` or `unix:path`; it connects when it is first used.

    Channels to one target share a connection, but for those that are kept `apart`.
    """
    options = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1)) if apart else OPTIONS
    return grpc.aio.insecure_channel(target, options=options)


async def wake(channel: grpc.aio.Channel, peer: str, timeout: float) -> None:
    """Wait until the service answers that it serves, at most `timeout` seconds; `WorkerUnavailable` if it does not.

    On a platform that scales to zero it is this call that brings the service back.
    """
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    last = "no answer"
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    answer = await check(health_pb2.HealthCheckRequest(), metadata=release.metadata())
                except grpc.aio.AioRpcError as error:
                    last = error.details() or error.code().name
                else:
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                    last = "not serving"
                await asyncio.sleep(_WAKE_INTERVAL_SECONDS)
    except TimeoutError as error:
        raise WorkerUnavailable(f"{peer} did not serve within {timeout:g} s: {last}") from error
