"""Puts the evaluator together."""

from services.core.ports import LanguageModel
from services.evaluator.logic import ModelEvaluator
from services.evaluator.servicer import EvaluatorServicer
from services.plugins import task_of
from services.rpc.gen.kubeofthoughts.v1.evaluator_service_pb2_grpc import add_EvaluatorServiceServicer_to_server
from services.rpc.server import Mount
from services.settings import ServerSettings, read_settings


def mounts(model: LanguageModel) -> list[Mount]:
    """Return the evaluator's service over `model`."""
    return [
        Mount(
            "kubeofthoughts.v1.EvaluatorService",
            add_EvaluatorServiceServicer_to_server,
            EvaluatorServicer(ModelEvaluator(model, task_of), read_settings(ServerSettings).pod),
        )
    ]
