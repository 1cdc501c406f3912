"""A fleet as on a cluster, where only the generator has a model; and an orchestrator in this process."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

from common import Service, service, wait_until_serving

from services.adapters.stages import CallSettings, RemoteEvaluator, RemoteProposer, RemoteValidator
from services.cli.all_in_one import private_address
from services.cli.client import Client
from services.orchestrator.servicer import OrchestratorServicer
from services.orchestrator.solves import Keeping
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from services.rpc.server import Mount, serving
from services.settings import OrchestratorSettings

CALLS = CallSettings(timeout=55, attempts=3, calls=256, absence=20)

Stages = tuple[RemoteProposer, RemoteEvaluator, RemoteValidator]


@contextmanager
def workers(**environment: str) -> Iterator[dict[str, Service]]:
    """Run generator, evaluator and validator as processes; the last two ask the first for its model."""
    with ExitStack() as stack:
        found = {"generator": stack.enter_context(service("generator", **environment))}
        remote = environment | {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": found["generator"].target}
        found |= {name: stack.enter_context(service(name, **remote)) for name in ("evaluator", "validator")}
        for each in found.values():
            wait_until_serving(each)
        yield found


@asynccontextmanager
async def orchestrator(stages: Stages, keeping: Keeping) -> AsyncGenerator[Client, None]:
    """Serve an orchestrator with few-shot prompts in this process; gives a client of it."""
    async with AsyncExitStack() as resources:
        for stage in stages:
            resources.push_async_callback(stage.close)
        settings = OrchestratorSettings(prompt_style="few_shot")
        servicer = OrchestratorServicer(*stages, settings, keeping, cold_start_timeout=20)
        resources.push_async_callback(servicer.close)
        mount = Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, servicer)
        address = private_address(resources)
        await resources.enter_async_context(serving([mount], address, drain_seconds=1))
        channel = await resources.enter_async_context(dial(address))
        yield Client(channel, "the orchestrator here")
