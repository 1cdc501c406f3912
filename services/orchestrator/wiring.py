"""Puts the orchestrator together."""

from contextlib import AsyncExitStack

from services.adapters.stages import RemoteEvaluator, RemoteProposer, RemoteValidator
from services.orchestrator.servicer import OrchestratorServicer
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import (
    add_OrchestratorServiceServicer_to_server,
)
from services.rpc.server import Mount
from services.settings import OrchestratorSettings, StageSettings


def mounts(resources: AsyncExitStack, stages: StageSettings, settings: OrchestratorSettings) -> list[Mount]:
    """Return the orchestrator's service; its channels are closed with `resources`."""
    timeout, attempts, calls = stages.stage_timeout, stages.stage_attempts, stages.stage_calls
    proposer = RemoteProposer(stages.generator_target, timeout=timeout, attempts=attempts, calls=calls)
    evaluator = RemoteEvaluator(stages.evaluator_target, timeout=timeout, attempts=attempts, calls=calls)
    validator = RemoteValidator(stages.validator_target, timeout=timeout, attempts=attempts, calls=calls)
    for stage in (proposer, evaluator, validator):
        resources.push_async_callback(stage.close)
    servicer = OrchestratorServicer(
        proposer, evaluator, validator, settings, cold_start_timeout=stages.cold_start_timeout
    )
    return [Mount("kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, servicer)]
