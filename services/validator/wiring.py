"""Puts the validator together."""

from services.core.ports import LanguageModel
from services.plugins import task_of
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import add_ValidatorServiceServicer_to_server
from services.rpc.server import Mount
from services.settings import ServerSettings, read_settings
from services.validator.logic import AnswerValidator
from services.validator.servicer import ValidatorServicer


def mounts(model: LanguageModel) -> list[Mount]:
    """Return the validator's service; it asks `model` where a task has no rule."""
    return [
        Mount(
            "kubeofthoughts.v1.ValidatorService",
            add_ValidatorServiceServicer_to_server,
            ValidatorServicer(AnswerValidator(model, task_of), read_settings(ServerSettings).pod),
        )
    ]
