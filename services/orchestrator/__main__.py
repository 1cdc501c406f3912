"""Runs the orchestrator: `python -m services.orchestrator`."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from services.orchestrator.wiring import mounts
from services.process import run
from services.rpc.server import Mount
from services.settings import OrchestratorSettings, StageSettings, StateSettings, read_settings


async def assemble(resources: AsyncExitStack) -> Sequence[Mount]:
    """Return the orchestrator's service, as the environment has it."""
    return mounts(
        resources, read_settings(StageSettings), read_settings(OrchestratorSettings), read_settings(StateSettings)
    )


if __name__ == "__main__":
    run("orchestrator", assemble)
