"""What can be set about a solve besides its strategy's own settings, for the page's form.

Types, ranges and choices are those of the proto, so that they are written down once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from services.core.budget import Limits
from services.rpc.gen.buf.validate import validate_pb2
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form: the path of its value in a `SolveRequest`, and what a reader is told."""

    path: str
    label: str
    text: str
    default: str
    """What holds where nothing is set, in words or figures."""


SEARCH = (
    Field("concurrency", "Concurrency", "One expansion, a level, or thought by thought at a time.", "async"),
    Field("request_batch_size", "Request batch size", "States sent to a worker in one call.", "16"),
    Field("evaluation", "Judged by", "Value: each state alone. Vote: siblings are compared.", "the task's way"),
    Field("value_samples", "Value samples", "Labels, or votes, drawn to judge.", "the style's"),
    Field("trust_arithmetic", "Trust arithmetic", "Check answers only, not each step.", ""),
)
MODEL = (
    Field("sampling.temperature", "Temperature", "0 takes the likeliest token; higher is more diverse.", "1"),
    Field("sampling.max_tokens", "Max tokens", "Tokens that one sample may have.", "the style's"),
    Field("sampling.top_k", "Top-k", "Draw among the k likeliest tokens; 0 is all.", "0"),
    Field("sampling.top_p", "Top-p", "Draw among tokens of this probability together.", "1"),
    Field("seed", "Seed", "Another seed is another search.", "0"),
    Field("prompt_style", "Prompt style", "Terse, for the embedded model, or with examples.", "the server's"),
    Field("propose.model", "Model that proposes", "A name in the generator's KOT_MODELS.", "the server's"),
    Field("value.model", "Model that judges", "A name in the evaluator's KOT_MODELS.", "the server's"),
    Field("validate.model", "Model that validates", "A name in the validator's KOT_MODELS.", "the server's"),
    Field("propose.prompt_style", "Style to propose", "How prompts for thoughts are written.", "the prompt style"),
    Field("value.prompt_style", "Style to judge", "How prompts for values are written.", "the prompt style"),
    Field("validate.prompt_style", "Style to validate", "How prompts for verdicts are written.", "the prompt style"),
    Field("fresh", "Fresh", "Ask the models anew, and no cache of their answers.", ""),
)
BUDGET = (
    Field("budget.nodes", "Thoughts", "Thoughts in the tree.", f"{LIMITS.nodes}"),
    Field("budget.depth", "Depth", "Steps from the problem to a thought.", f"{LIMITS.depth}"),
    Field("budget.model_calls", "Model calls", "Requests to the model.", f"{LIMITS.model_calls}"),
    Field("budget.completion_tokens", "Completion tokens", "Tokens that it writes.", f"{LIMITS.completion_tokens}"),
    Field("budget.prompt_tokens", "Prompt tokens", "Tokens that it reads.", f"{LIMITS.prompt_tokens}"),
    Field("budget.wall_seconds", "Seconds", "From the first call to a worker that serves.", f"{LIMITS.wall_seconds:g}"),
    Field("budget.dollars", "Dollars", "What all calls may cost, where KOT_PRICES is set.", "no limit"),
)
GROUPS = {"search": SEARCH, "model": MODEL, "budget": BUDGET}

_NUMBERS = ("double", "int32", "int64")
_TYPES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "float",
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_ENUM: "choice",
}


def describe_fields() -> Iterator[dict[str, Any]]:
    """Yield each field with its group, its type, and its range or choices, as the page reads them."""
    for group, fields in GROUPS.items():
        for field in fields:
            descriptor = _find(field.path)
            kind = _TYPES.get(descriptor.type, "int")
            said = {"group": group, "path": field.path, "label": field.label, "text": field.text, "type": kind}
            yield said | {"default": field.default} | _range(descriptor) | _choices(descriptor)


def _find(path: str) -> Any:  # noqa: ANN401 - descriptors of two kinds, whose stubs disagree
    message: Any = wire.SolveRequest.DESCRIPTOR
    *parents, name = path.split(".")
    for parent in parents:
        message = message.fields_by_name[parent].message_type
    return message.fields_by_name[name]


def _range(descriptor: Any) -> dict[str, float]:  # noqa: ANN401
    rules: Any = descriptor.GetOptions().Extensions[validate_pb2.field]
    kind = rules.WhichOneof("type")
    if kind not in _NUMBERS:
        return {"minimum": 0} if descriptor.cpp_type == FieldDescriptor.CPPTYPE_UINT64 else {}
    ends = {field.name: value for field, value in getattr(rules, kind).ListFields()}
    # What has to be more than 0 has no least value to show.
    named = {"minimum": ends.get("gte"), "maximum": ends.get("lte")}
    return {name: end for name, end in named.items() if end is not None}


def _choices(descriptor: Any) -> dict[str, list[list[str]]]:  # noqa: ANN401
    """Return the values of an enum but for the first, which is to say nothing, each with a word for it."""
    if descriptor.type != FieldDescriptor.TYPE_ENUM:
        return {}
    values = descriptor.enum_type.values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return {
        "choices": [[value.name, value.name.removeprefix(prefix).lower().replace("_", "-")] for value in values[1:]]
    }
