"""The hyperparameters of a solve as command line options, declared once for every command that takes them."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import typer

from services.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Wire:
    """Where an option goes in a `SolveRequest`: the path of a field."""

    path: str


_search = functools.partial(typer.Option, rich_help_panel="Search", show_default=False)
_setting = functools.partial(
    typer.Option, rich_help_panel="Search (defaults: see `kot strategies`)", show_default=False
)
_sampling = functools.partial(typer.Option, rich_help_panel="Sampling", show_default=False)
_budget = functools.partial(typer.Option, rich_help_panel="Budget", show_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """What can be chosen about a solve, but for its strategy; what is None is left to the server."""

    task: Annotated[
        str | None, Wire("task"), _search("--task", "-t", help="Class of problems; see `kot tasks`. (default game24)")
    ] = None
    prompts: Annotated[
        Path | None,
        _search("--prompts", metavar="FILE.yaml", help="Class of problems without code: three prompts; docs/tasks.md."),
    ] = None
    beam_width: Annotated[
        int | None,
        Wire("settings.beam_width"),
        _setting(help="Thoughts expanded at each depth in one round."),
    ] = None
    branching_factor: Annotated[
        int | None,
        Wire("settings.branching_factor"),
        _setting(help="Distinct thoughts kept of one expansion."),
    ] = None
    depth: Annotated[
        int | None,
        Wire("settings.depth"),
        _setting(help="Steps from the problem to an answer."),
    ] = None
    samples: Annotated[
        int | None, Wire("settings.samples"), _setting(help="Completions drawn for each thought expanded.")
    ] = None
    answer_samples: Annotated[
        int | None, Wire("settings.answer_samples"), _setting(help="Completions drawn for the last step.")
    ] = None
    evaluation_threshold: Annotated[
        float | None,
        Wire("settings.evaluation_threshold"),
        _setting(help="Thoughts scored below this, from 0 to 1, are pruned."),
    ] = None
    concurrency: Annotated[
        Literal["sequential", "level", "async"] | None,
        Wire("concurrency"),
        _search(help="One expansion at a time, a level at a time, or thought by thought. (default async)"),
    ] = None
    request_batch_size: Annotated[
        int | None, Wire("request_batch_size"), _search(help="States sent to a worker in one call. (default 16)")
    ] = None
    value_samples: Annotated[
        int | None,
        Wire("value_samples"),
        _search(help="Labels, or votes, sampled to judge. (default: the model's probabilities; few-shot: 3; votes: 5)"),
    ] = None
    evaluate: Annotated[
        Literal["value", "vote"] | None,
        Wire("evaluation"),
        _search(help="Judge each state alone, or let siblings be voted on. (default: vote if the task has a prompt)"),
    ] = None
    trust_arithmetic: Annotated[
        bool, Wire("trust_arithmetic"), _search("--trust-arithmetic", help="Check answers only, not each step.")
    ] = False
    settings: Annotated[
        list[str] | None,
        _setting("--set", metavar="NAME=VALUE", help="Any other setting of the strategy; see `kot strategies`."),
    ] = None
    prompt_style: Annotated[
        Literal["bare", "few-shot"] | None,
        Wire("prompt_style"),
        _sampling(help="Terse, for the embedded model, or with examples, for general ones. (default: the server's)"),
    ] = None
    propose_model: Annotated[
        str | None, Wire("propose.model"), _sampling(help="What proposes: a name in the generator's KOT_MODELS.")
    ] = None
    value_model: Annotated[
        str | None, Wire("value.model"), _sampling(help="What judges: a name in the evaluator's KOT_MODELS.")
    ] = None
    validate_model: Annotated[
        str | None,
        Wire("validate.model"),
        _sampling(help="What checks answers, if no rule can: a name in the validator's KOT_MODELS."),
    ] = None
    propose_style: Annotated[
        Literal["bare", "few-shot"] | None,
        Wire("propose.prompt_style"),
        _sampling(help="How prompts for thoughts are written. (default: the prompt style)"),
    ] = None
    value_style: Annotated[
        Literal["bare", "few-shot"] | None,
        Wire("value.prompt_style"),
        _sampling(help="How prompts for values are written. (default: the prompt style)"),
    ] = None
    validate_style: Annotated[
        Literal["bare", "few-shot"] | None,
        Wire("validate.prompt_style"),
        _sampling(help="How prompts for verdicts are written. (default: the prompt style)"),
    ] = None
    temperature: Annotated[
        float | None,
        Wire("sampling.temperature"),
        _sampling(help="0 takes the likeliest token; at most 2. (default 1)"),
    ] = None
    top_k: Annotated[
        int | None, Wire("sampling.top_k"), _sampling(help="Draw among the k likeliest tokens; 0 is all. (default 0)")
    ] = None
    top_p: Annotated[
        float | None,
        Wire("sampling.top_p"),
        _sampling(help="Draw among tokens of this probability together. (default 1)"),
    ] = None
    max_tokens: Annotated[
        int | None,
        Wire("sampling.max_tokens"),
        _sampling(help="Tokens that one sample may have. (default: the style's)"),
    ] = None
    fresh: Annotated[
        bool, Wire("fresh"), _sampling("--fresh", help="Ask the models anew, and no cache of their answers.")
    ] = False
    seed: Annotated[int | None, Wire("seed"), _sampling(help="Another seed is another search. (default 0)")] = None
    max_nodes: Annotated[
        int | None, Wire("budget.nodes"), _budget(help="Thoughts in the tree at most. (default 10000)")
    ] = None
    max_model_calls: Annotated[
        int | None, Wire("budget.model_calls"), _budget(help="Requests to the model at most. (default 10000)")
    ] = None
    max_completion_tokens: Annotated[
        int | None,
        Wire("budget.completion_tokens"),
        _budget(help="Tokens written by the model at most. (default 20000)"),
    ] = None
    max_depth: Annotated[
        int | None, Wire("budget.depth"), _budget(help="Steps from the problem to a thought at most. (default 64)")
    ] = None
    max_prompt_tokens: Annotated[
        int | None,
        Wire("budget.prompt_tokens"),
        _budget(help="Tokens read by the model at most. (default 10000000)"),
    ] = None
    max_dollars: Annotated[
        float | None,
        Wire("budget.dollars"),
        _budget(help="Price of all calls at most, where KOT_PRICES is set. (default: no limit)"),
    ] = None
    max_seconds: Annotated[float | None, Wire("budget.wall_seconds"), _budget(help="Seconds at most. (default 60)")] = (
        None
    )

    def given(self) -> Iterator[tuple[str, object]]:
        """Yield the path on the wire and the value of each option that was given."""
        for name, path in _paths():
            value = getattr(self, name)
            if value is not None and value is not False:
                yield path, value
        for text in self.settings or ():
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise InvalidInput(f"{text[:64]!r} is not of the form NAME=VALUE", field="settings")
            yield f"settings.{name}", _read_value(value)


def flag_of(path: str) -> str | None:
    """Return the option that sets a field of the request; None if none does."""
    flags = {wire: f"--{name.replace('_', '-')}" for name, wire in _paths()}
    whole = {"settings": "--set", "definition": "--prompts"}
    return flags.get(path) or whole.get(path.partition(".")[0])


def _paths() -> Iterator[tuple[str, str]]:
    for option in fields(Hyperparameters):
        for mark in get_args(option.type):
            if isinstance(mark, Wire):
                yield option.name, mark.path


def _read_value(text: str) -> bool | float | str:
    """Read a switch or a number; what is neither goes as it is, for the server to say what it wants."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


Command = TypeVar("Command", bound=Callable[..., None])


def with_hyperparameters(command: Command) -> Callable[..., None]:
    """Let typer see one option for each hyperparameter where `command` takes them as `options`."""
    return _with_options(command, fields(Hyperparameters))


def with_budget(command: Command) -> Callable[..., None]:
    """Let it see those of the budget alone."""
    budget = {name for name, path in _paths() if path.startswith("budget.")}
    return _with_options(command, [option for option in fields(Hyperparameters) if option.name in budget])


def _with_options(command: Command, taken: Sequence[Field[Any]]) -> Callable[..., None]:
    options = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type) for f in taken
    ]
    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != "options"]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + options

    @functools.wraps(command)
    def with_options(**values: Any) -> None:  # noqa: ANN401 - as typer reads them
        chosen = {option.name: values.pop(option.name) for option in options}
        command(**values, options=Hyperparameters(**chosen))

    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options
