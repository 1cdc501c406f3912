"""From a request to a solve: resolves names and defaults, and says what is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

from services.core.errors import HistoryRefused, InvalidInput
from services.core.history import Begun
from services.core.ports import Sampling, TaskSelection
from services.core.search import Rules, SearchPolicy, describe_settings, parse_settings
from services.core.task import VOTES, EvaluationMethod, Method, PromptStyle, StyleDefaults, Task, Votable, defaults_of
from services.orchestrator import auto
from services.orchestrator.solve import Concurrency, SolveOptions
from services.plugins import find_strategy, task_of
from services.rpc.convert import (
    definition_from_proto,
    evaluation_from_proto,
    limits_from_proto,
    sampling_from_proto,
    settings_from_struct,
    style_from_proto,
)
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.thought_pb2 import Sampling as SamplingMessage
from services.settings import OrchestratorSettings

DEFAULT_TASK = "game24"
DEFAULT_BATCH_SIZE = 16

_CONCURRENCY = {
    wire.CONCURRENCY_MODEL_UNSPECIFIED: Concurrency.ASYNC,
    wire.CONCURRENCY_MODEL_SEQUENTIAL: Concurrency.SEQUENTIAL,
    wire.CONCURRENCY_MODEL_LEVEL: Concurrency.LEVEL,
    wire.CONCURRENCY_MODEL_ASYNC: Concurrency.ASYNC,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a driver needs: how to make the policy from the root's id, and the options."""

    strategy: str
    """The one that was asked for, or picked."""
    make_policy: Callable[[str], SearchPolicy]
    options: SolveOptions
    task: Task

    @property
    def versions(self) -> str:
        """What a history depends on besides the request: under other ones it may not replay."""
        options = self.options
        styles = {
            "propose": options.task.style,
            "value": options.value_task.style,
            "validate": options.validate_task.style,
        }
        models = {"propose": options.propose_model, "value": options.value_model, "validate": options.validate_model}
        parts = [f"task {self.task.name} {self.task.version}", f"strategy {self.strategy} {options.rules.version}"]
        parts += [f"{stage} {style}" for stage, style in styles.items()]
        parts += [f"{stage} model {model}" for stage, model in models.items() if model]
        return ", ".join(parts)

    def check(self, versions: str) -> None:
        """Raise `HistoryRefused` if a history was made under other versions."""
        if versions != self.versions:
            raise HistoryRefused(f"the solve began with {versions}; here it would go on with {self.versions}")


def propose_style_in(versions: str) -> PromptStyle | None:
    """Return how prompts for thoughts are written, by what `Plan.versions` said; None if it said nothing of that."""
    styles = {f"propose {style}": style for style in PromptStyle}
    return next((styles[part] for part in versions.split(", ") if part in styles), None)


def make_plan(request: wire.SolveRequest, settings: OrchestratorSettings) -> Plan:
    """Return the plan of a request. Raises `InvalidInput` that names the field."""
    selection = _select(request, settings)
    task = task_of(selection)
    style = style_from_proto(request.propose.prompt_style, selection.style)
    value_style = style_from_proto(request.value.prompt_style, selection.style)
    validate_style = style_from_proto(request.validate.prompt_style, selection.style)
    defaults, value_defaults = defaults_of(task, style), defaults_of(task, value_style)
    limits = limits_from_proto(request.budget)
    sampling = _sampling(request, defaults)
    given = settings_from_struct(request.settings)
    name = request.strategy or auto.NAME
    if name == auto.NAME:
        step_tokens = defaults.samples * sampling[Method.STEP].max_tokens
        shape = auto.Shape(
            depth=task.depth,
            checked=task.checked,
            step_tokens=step_tokens,
            completion_tokens=limits.completion_tokens,
        )
        name = _pick(shape, given)
    strategy = find_strategy(name)
    rules: Rules = strategy.Policy.rules
    evaluation = _evaluation(request, task)
    value_samples = request.value_samples or _samples(evaluation, rules, value_defaults)
    selection = replace(selection, trust_arithmetic=request.trust_arithmetic or rules.trusts)
    propose_model = request.propose.model or settings.propose_model
    value_model = request.value.model or settings.value_model
    validate_model = request.validate.model or settings.validate_model
    if request.budget.HasField("dollars"):
        used = {propose_model, value_model} | (set() if task.checked else {validate_model})
        _check_prices(used, settings)
    options = SolveOptions(
        problem=task.normalize(request.problem),
        task=replace(selection, style=style),
        value_task=replace(selection, style=value_style),
        validate_task=replace(selection, style=validate_style),
        propose_model=propose_model,
        value_model=value_model,
        validate_model=validate_model,
        sampling=sampling,
        value_sampling=_value_sampling(request, value_defaults.value_tokens if value_samples else 1),
        validate_sampling=_validate_sampling(request, defaults_of(task, validate_style).verdict_tokens),
        evaluation=evaluation,
        value_samples=value_samples,
        lines=defaults.lines,
        limits=limits,
        concurrency=_CONCURRENCY[request.concurrency],
        batch_size=request.request_batch_size if request.HasField("request_batch_size") else DEFAULT_BATCH_SIZE,
        seed=request.seed,
        fresh=request.fresh,
        rules=rules,
        propose_price=settings.price(propose_model),
        value_price=settings.price(value_model),
        validate_price=settings.price(validate_model),
    )
    suited = {"depth": task.depth, "samples": defaults.samples, "rollouts": defaults.rollouts}
    return Plan(name, _policy_maker(strategy, suited, given), options, task)


def plan_again(begun: Begun, settings: OrchestratorSettings) -> Plan:
    """Return the plan of a solve that was begun before.

    Raises `HistoryRefused` if it was made under other versions, `InvalidInput` if it names what is no longer there.
    """
    request = wire.SolveRequest.FromString(begun.request)
    request.strategy = begun.strategy
    plan = make_plan(request, settings)
    plan.check(begun.versions)
    return plan


def _check_prices(models: set[str], settings: OrchestratorSettings) -> None:
    """Refuse a limit that could not hold."""
    for model in sorted(models - settings.prices.keys()):
        message = f"needs the price of model {model!r}, which the server's KOT_PRICES does not have"
        raise InvalidInput(f"dollars {message}", field="budget.dollars")


def _select(request: wire.SolveRequest, settings: OrchestratorSettings) -> TaskSelection:
    """Return the task that a request names or defines, in the style that it is asked in where a stage has no own."""
    if not request.HasField("definition"):
        style = style_from_proto(request.prompt_style, settings.prompt_style)
        return TaskSelection(name=request.task or DEFAULT_TASK, style=style)
    if request.task:
        raise InvalidInput(
            f"a task is named ({request.task!r}) or defined, not both: leave one of them out", field="definition"
        )
    definition = definition_from_proto(request.definition)
    # Who writes prompts for a general model knows nothing of the server's embedded one.
    style = style_from_proto(request.prompt_style, PromptStyle.FEW_SHOT)
    return TaskSelection(name=definition.name, definition=definition, style=style)


def _evaluation(request: wire.SolveRequest, task: Task) -> EvaluationMethod:
    """Return how states are judged: as is asked for, or else by vote where the task has a prompt for it."""
    votable = isinstance(task, Votable)
    asked = evaluation_from_proto(request.evaluation)
    if asked is EvaluationMethod.VOTE and not votable:
        message = f"task {task.name} has no prompt for votes: its states are judged by value"
        raise InvalidInput(message, field="evaluation")
    return asked or (EvaluationMethod.VOTE if votable else EvaluationMethod.VALUE)


def _samples(evaluation: EvaluationMethod, rules: Rules, defaults: StyleDefaults) -> int:
    """Return how many votes, or labels, are sampled where the request does not say."""
    return VOTES if evaluation is EvaluationMethod.VOTE else rules.value_samples or defaults.value_samples


def _pick(shape: auto.Shape, given: Mapping[str, object]) -> str:
    """Return the fittest strategy that has all the settings that were given; the fittest, if none has."""
    preferred = list(auto.preferred(shape))
    fitting = (name for name in preferred if given.keys() <= _names(find_strategy(name)))
    return next(fitting, preferred[0])


def _names(strategy: ModuleType) -> set[str]:
    return {setting.name for setting in describe_settings(strategy.Settings)}


def _sampling(request: wire.SolveRequest, defaults: StyleDefaults) -> dict[Method, Sampling]:
    """Return how each kind of proposal is drawn; a length that the request names is that of all."""
    message = SamplingMessage()
    message.MergeFrom(request.sampling)
    message.MergeFrom(request.propose.sampling)
    given = sampling_from_proto(message)
    if message.HasField("max_tokens"):
        return dict.fromkeys(Method, given)
    solutions = replace(given, max_tokens=defaults.chain_tokens)
    steps = replace(given, max_tokens=defaults.thought_tokens)
    return {Method.STEP: steps, Method.CHAIN: solutions, Method.DIRECT: solutions}


def _value_sampling(request: wire.SolveRequest, max_tokens: int) -> Sampling:
    """Return how labels are drawn."""
    given = sampling_from_proto(request.value.sampling)
    return given if request.value.sampling.HasField("max_tokens") else replace(given, max_tokens=max_tokens)


def _validate_sampling(request: wire.SolveRequest, max_tokens: int) -> Sampling:
    """Return how verdicts are drawn: the likeliest one, where the request does not say."""
    message = SamplingMessage(temperature=0, max_tokens=max_tokens)
    message.MergeFrom(request.validate.sampling)
    return sampling_from_proto(message)


def _policy_maker(
    strategy: ModuleType, suited: Mapping[str, object], given: Mapping[str, object]
) -> Callable[[str], SearchPolicy]:
    """Return what makes the policy; `suited` are defaults of task and style, for one that goes step by step."""
    known = _names(strategy)
    suited = {name: value for name, value in suited.items() if name in known} if "depth" in known else {}
    settings = parse_settings(strategy.Settings, {**suited, **given})

    def make(root_id: str) -> SearchPolicy:
        policy: SearchPolicy = strategy.Policy(root_id, settings)
        return policy

    return make
