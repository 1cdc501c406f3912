"""Puts the orchestrator together."""

from contextlib import AsyncExitStack

from services.adapters.bus import create_bus
from services.adapters.log import create_log
from services.adapters.stages import CallSettings, RemoteEvaluator, RemoteProposer, RemoteValidator
from services.adapters.tree import Projector, create_tree
from services.orchestrator.servicer import OrchestratorServicer
from services.orchestrator.solves import Keeping
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import (
    add_OrchestratorServiceServicer_to_server,
)
from services.rpc.server import Mount
from services.settings import (
    Neo4jSettings,
    OrchestratorSettings,
    RedisSettings,
    ServerSettings,
    StageSettings,
    StateSettings,
    read_settings,
)


def mounts(
    resources: AsyncExitStack, stages: StageSettings, settings: OrchestratorSettings, state: StateSettings
) -> list[Mount]:
    """Return the orchestrator's service; what it opens is closed with `resources`, after what runs was parked.

    Raises `StoreUnusable` if a store cannot be used as it is.
    """
    calls = CallSettings(
        timeout=stages.stage_timeout,
        attempts=stages.stage_attempts,
        calls=stages.stage_calls,
        absence=stages.cold_start_timeout,
    )
    proposer = RemoteProposer(stages.generator_target, **calls)
    evaluator = RemoteEvaluator(stages.evaluator_target, **calls)
    validator = RemoteValidator(stages.validator_target, **calls)
    for stage in (proposer, evaluator, validator):
        resources.push_async_callback(stage.close)
    keeping = keep(resources, state)
    servicer = OrchestratorServicer(
        proposer, evaluator, validator, settings, keeping, cold_start_timeout=stages.cold_start_timeout
    )
    resources.push_async_callback(servicer.close)
    return [Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, servicer)]


def keep(resources: AsyncExitStack, state: StateSettings) -> Keeping:
    """Open the stores; they are closed with `resources`."""
    redis = read_settings(RedisSettings)
    log, bus = create_log(state, redis), create_bus(state, redis)
    trees = create_tree(state, read_settings(Neo4jSettings))
    for store in (log, bus, trees):
        if store:
            resources.push_async_callback(store.close)
    return Keeping(
        log=log,
        bus=bus,
        trees=trees,
        projector=(lambda solve_id: Projector(log, trees, solve_id)) if trees else None,
        detach_grace=state.detach_grace if log.durable else 0.0,
        log_patience=state.log_patience,
        pod=read_settings(ServerSettings).pod,
    )
