"""From what was typed to a `SolveRequest`."""

import uuid
from collections.abc import Mapping
from typing import Any

from services.cli.options import Hyperparameters
from services.core.errors import InvalidInput
from services.rpc.convert import definition_to_proto, settings_to_struct
from services.rpc.gen.kubeofthoughts.v1 import evaluator_service_pb2, thought_pb2
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

_CONCURRENCY = {
    "sequential": wire.CONCURRENCY_MODEL_SEQUENTIAL,
    "level": wire.CONCURRENCY_MODEL_LEVEL,
    "async": wire.CONCURRENCY_MODEL_ASYNC,
}
_EVALUATIONS = {
    "value": evaluator_service_pb2.EVALUATION_METHOD_VALUE,
    "vote": evaluator_service_pb2.EVALUATION_METHOD_VOTE,
}
_PROMPT_STYLES = {"bare": thought_pb2.PROMPT_STYLE_BARE, "few-shot": thought_pb2.PROMPT_STYLE_FEW_SHOT}


def build_request(
    problem: str, strategy: str | None, options: Hyperparameters, detail: wire.EventDetail
) -> wire.SolveRequest:
    """Return the request; what was not given is not sent.

    `InvalidInput` if a value fits no field of its type, or the file of prompts cannot be used.

    The client names the solve, so that it can end it before it was told of it.
    """
    request = wire.SolveRequest(request_id=uuid.uuid4().hex, event_detail=detail)
    values = dict(options.given()) | {"problem": problem} | ({"strategy": strategy} if strategy else {})
    _put_all(request, values)
    if options.prompts is not None:
        # Only who has such a file waits for the parser.
        from services.cli.definition import read_definition

        request.definition.CopyFrom(definition_to_proto(read_definition(options.prompts)))
    return request


def build_resume(solve_id: str, options: Hyperparameters, detail: wire.EventDetail) -> wire.ResumeSolveRequest:
    """Return the request to go on with a solve under a larger budget. Raises `InvalidInput` as `build_request`."""
    limits = wire.SolveRequest()
    _put_all(limits, dict(options.given()))
    return wire.ResumeSolveRequest(solve_id=solve_id, budget=limits.budget, event_detail=detail)


def _put_all(request: wire.SolveRequest, values: Mapping[str, object]) -> None:
    for path, value in values.items():
        try:
            _put(request, path, value)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{path} is not valid UTF-8", field=path) from error
        except (ValueError, OverflowError) as error:
            raise InvalidInput(f"{path} is out of range: {str(value)[:32]}", field=path) from error


def _put(request: wire.SolveRequest, path: str, value: Any) -> None:  # noqa: ANN401 - as the option's type is
    first, _, rest = path.partition(".")
    parent, name = (first, rest) if rest else ("", first)
    if parent == "settings":
        request.settings.MergeFrom(settings_to_struct({name: value}))
    elif path == "concurrency":
        request.concurrency = _CONCURRENCY[str(value)]
    elif path == "evaluation":
        request.evaluation = _EVALUATIONS[str(value)]
    elif name == "prompt_style":
        setattr(getattr(request, parent) if parent else request, name, _PROMPT_STYLES[str(value)])
    else:
        setattr(getattr(request, parent) if parent else request, name, value)
