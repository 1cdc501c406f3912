"""From a request to a solve: resolves names and defaults, and says what is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from services.core.ports import Sampling, TaskSelection
from services.core.search import SearchPolicy, describe_settings, parse_settings
from services.core.task import STYLE_DEFAULTS, PromptStyle, Task
from services.orchestrator.solve import Concurrency, SolveOptions
from services.plugins import find_strategy, find_task
from services.rpc.convert import (
    limits_from_proto,
    sampling_from_proto,
    settings_from_struct,
    style_from_proto,
)
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

DEFAULT_TASK = "game24"
DEFAULT_STRATEGY = "bfs"
DEFAULT_BATCH_SIZE = 16

_CONCURRENCY = {
    wire.CONCURRENCY_MODEL_UNSPECIFIED: Concurrency.LEVEL,
    wire.CONCURRENCY_MODEL_SEQUENTIAL: Concurrency.SEQUENTIAL,
    wire.CONCURRENCY_MODEL_LEVEL: Concurrency.LEVEL,
    wire.CONCURRENCY_MODEL_ASYNC: Concurrency.ASYNC,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a driver needs: how to make the policy from the root's id, and the options."""

    make_policy: Callable[[str], SearchPolicy]
    options: SolveOptions


def make_plan(request: wire.SolveRequest, default_style: PromptStyle) -> Plan:
    """Return the plan of a request. Raises `InvalidInput` that names the field."""
    task = find_task(request.task or DEFAULT_TASK)
    style = style_from_proto(request.prompt_style, default_style)
    defaults = STYLE_DEFAULTS[style]
    sampling = sampling_from_proto(request.sampling)
    if not request.sampling.HasField("max_tokens"):
        sampling = replace(sampling, max_tokens=defaults.thought_tokens)
    value_samples = request.value_samples or defaults.value_samples
    options = SolveOptions(
        problem=task.normalize(request.problem),
        task=TaskSelection(name=task.name, trust_arithmetic=request.trust_arithmetic, style=style),
        sampling=sampling,
        value_sampling=Sampling(max_tokens=defaults.value_tokens if value_samples else 1),
        value_samples=value_samples,
        limits=limits_from_proto(request.budget),
        concurrency=_CONCURRENCY[request.concurrency],
        batch_size=request.request_batch_size if request.HasField("request_batch_size") else DEFAULT_BATCH_SIZE,
        seed=request.seed,
    )
    return Plan(_policy_maker(request, task, style), options)


def _policy_maker(request: wire.SolveRequest, task: Task, style: PromptStyle) -> Callable[[str], SearchPolicy]:
    strategy = find_strategy(request.strategy or DEFAULT_STRATEGY)
    known = {setting.name for setting in describe_settings(strategy.Settings)}
    suited: dict[str, object] = {"depth": task.depth, "samples": STYLE_DEFAULTS[style].samples}
    suited = {name: value for name, value in suited.items() if name in known}
    settings = parse_settings(strategy.Settings, suited | settings_from_struct(request.settings))

    def make(root_id: str) -> SearchPolicy:
        policy: SearchPolicy = strategy.Policy(root_id, settings)
        return policy

    return make
