"""Puts the validator together."""

from services.plugins import find_task
from services.rpc.gen.kubeofthoughts.v1.validator_service_pb2_grpc import add_ValidatorServiceServicer_to_server
from services.rpc.server import Mount
from services.validator.logic import RuleValidator
from services.validator.servicer import ValidatorServicer


def mounts() -> list[Mount]:
    """Return the validator's service."""
    return [
        Mount(
            "kubeofthoughts.v1.ValidatorService",
            add_ValidatorServiceServicer_to_server,
            ValidatorServicer(RuleValidator(find_task)),
        )
    ]
