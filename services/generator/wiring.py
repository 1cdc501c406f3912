"""Puts the generator together."""

from services.core.ports import LanguageModel
from services.generator.logic import Generator
from services.generator.servicer import GeneratorServicer, LanguageModelServicer
from services.plugins import task_of
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2_grpc import add_GeneratorServiceServicer_to_server
from services.rpc.gen.kubeofthoughts.v1.language_model_service_pb2_grpc import (
    add_LanguageModelServiceServicer_to_server,
)
from services.rpc.server import Mount
from services.settings import ServerSettings, read_settings


def mounts(model: LanguageModel) -> list[Mount]:
    """Return the generator's services over `model`."""
    return [
        Mount(
            "kubeofthoughts.v1.GeneratorService",
            add_GeneratorServiceServicer_to_server,
            GeneratorServicer(Generator(model, task_of), read_settings(ServerSettings).pod),
        ),
        Mount(
            "kubeofthoughts.v1.LanguageModelService",
            add_LanguageModelServiceServicer_to_server,
            LanguageModelServicer(model),
        ),
    ]
