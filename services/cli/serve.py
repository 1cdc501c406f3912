"""`kot serve`: all services on one port."""

import asyncio
from contextlib import AsyncExitStack

from services.adapters.mortal import UntilDeath
from services.cli.all_in_one import DRAIN_SECONDS, cached_model, orchestrator_over, private_address, stages_with
from services.core.errors import WorkerUnavailable
from services.rpc.server import ServedInVain, serve_until_told, serving
from services.settings import ModelSettings, ServerSettings, read_settings


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then let the solves that are followed end, and park those that do not in time.

    The orchestrator reaches the stages over a private socket that closes last: a server that drains refuses new calls,
    its own included, and what runs is parked while its stages are still there. Raises `WorkerUnavailable` if the model
    dies.
    """
    died = asyncio.Event()
    try:
        async with AsyncExitStack() as resources:
            model = await cached_model(read_settings(ModelSettings), resources)
            stages = stages_with(UntilDeath(model, died))
            address = private_address(resources)
            await resources.enter_async_context(serving(stages, address, drain_seconds=DRAIN_SECONDS))
            public = [*orchestrator_over(address, resources), *stages]
            drain_seconds = read_settings(ServerSettings).drain_seconds
            await serve_until_told(public, f"{host}:{port}", drain_seconds=drain_seconds, died=died)
    except ServedInVain as error:
        raise WorkerUnavailable("the model died; start `kot serve` again") from error
