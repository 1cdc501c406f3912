"""All four services in one process, over real gRPC: what `kot` runs where no server is named."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from services.adapters.llm import create_model
from services.core.ports import LanguageModel
from services.evaluator import wiring as evaluator
from services.generator import wiring as generator
from services.orchestrator import wiring as orchestrator
from services.rpc.server import Mount, serving
from services.settings import ModelSettings, OrchestratorSettings, StageSettings
from services.validator import wiring as validator

DRAIN_SECONDS = 1.0
"""A search that is left behind when its client is gone has no one to answer to."""


def assemble(resources: AsyncExitStack, model: LanguageModel, address: str) -> Sequence[Mount]:
    """Return all services; the orchestrator reaches the others at `address`, where they are to be served."""
    stages = StageSettings(generator_target=address, evaluator_target=address, validator_target=address)
    return [
        *orchestrator.mounts(resources, stages, OrchestratorSettings()),
        *generator.mounts(model),
        *evaluator.mounts(model),
        *validator.mounts(),
    ]


@asynccontextmanager
async def all_in_one(settings: ModelSettings) -> AsyncGenerator[str, None]:
    """Serve everything on a private socket while the context lasts; gives the target to dial."""
    async with AsyncExitStack() as resources:
        folder = resources.enter_context(TemporaryDirectory(prefix="kot-"))
        address = f"unix:{Path(folder) / 'kot.sock'}"
        model = create_model(settings)
        resources.push_async_callback(model.close)
        mounts = assemble(resources, model, address)
        await resources.enter_async_context(serving(mounts, address, drain_seconds=DRAIN_SECONDS))
        yield address
