"""From a request to a solve: resolves names and defaults, and says what is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

from services.core.ports import Sampling, TaskSelection
from services.core.search import Rules, SearchPolicy, describe_settings, parse_settings
from services.core.task import STYLE_DEFAULTS, Method, PromptStyle
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
    strategy = find_strategy(request.strategy or DEFAULT_STRATEGY)
    rules: Rules = strategy.Policy.rules
    style = style_from_proto(request.prompt_style, default_style)
    defaults = STYLE_DEFAULTS[style]
    sampling = sampling_from_proto(request.sampling)
    if not request.sampling.HasField("max_tokens"):
        steps = rules.method is Method.STEP
        sampling = replace(sampling, max_tokens=defaults.thought_tokens if steps else defaults.chain_tokens)
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
        rules=rules,
    )
    suited = {"depth": task.depth, "samples": defaults.samples} if rules.method is Method.STEP else {}
    return Plan(_policy_maker(strategy, suited, settings_from_struct(request.settings)), options)


def _policy_maker(
    strategy: ModuleType, suited: Mapping[str, object], given: Mapping[str, object]
) -> Callable[[str], SearchPolicy]:
    """Return what makes the policy; `suited` are defaults of task and style, for the settings that it has."""
    known = {setting.name for setting in describe_settings(strategy.Settings)}
    suited = {name: value for name, value in suited.items() if name in known}
    settings = parse_settings(strategy.Settings, {**suited, **given})

    def make(root_id: str) -> SearchPolicy:
        policy: SearchPolicy = strategy.Policy(root_id, settings)
        return policy

    return make
