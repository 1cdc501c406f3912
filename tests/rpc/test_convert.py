"""What is written to the wire is read from it unchanged, for every pair of converters."""

import math
from dataclasses import fields, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core import ports, tree
from services.core.budget import Limits
from services.core.errors import InvalidInput, KotError, Reason
from services.core.ports import Sampling, TaskSelection, Usage
from services.core.task import EvaluationMethod, PromptStyle, TaskDefinition
from services.core.thought import Dropped, Proposal, State, Thought, Value, Verdict
from services.rpc import convert
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.status import make_error

counts = st.integers(0, 2**31 - 1)
shares = st.floats(0, 1)
texts = st.text(max_size=20)
errors = st.builds(make_error, st.sampled_from(Reason), texts)
usages = st.builds(Usage, counts, counts, counts, counts)
dropped = st.builds(Dropped, counts, counts, counts)
values = st.builds(Value, shares, shares, shares, st.none() | shares)
states = st.builds(State, texts, st.lists(texts, max_size=3).map(tuple))
samplings = st.builds(
    Sampling, temperature=st.floats(0, 2), top_k=counts, top_p=st.floats(0.01, 1), max_tokens=st.integers(1, 4096)
)
definitions = st.builds(
    TaskDefinition, name=texts, summary=texts, example=texts, depth=counts, propose=texts, evaluate=texts,
    validate=texts, vote=texts, answer=texts, propose_tokens=counts, evaluate_tokens=counts, validate_tokens=counts,
)  # fmt: skip
tasks = st.builds(
    TaskSelection, name=texts, definition=st.none() | definitions, trust_arithmetic=st.booleans(),
    style=st.sampled_from(PromptStyle),
)  # fmt: skip
amounts = st.integers(1, 10**7)
limits = st.builds(
    Limits, nodes=amounts, depth=amounts, model_calls=amounts, prompt_tokens=amounts, completion_tokens=amounts,
    dollars=st.floats(0.001, 1e6) | st.just(math.inf), wall_seconds=st.floats(0.001, 86400),
)  # fmt: skip
proposals = st.builds(Proposal, texts, texts, st.none() | texts)
seeds = st.integers(0, 2**64 - 1)
tuples = st.lists(texts, max_size=3).map(tuple)
verdicts = st.sampled_from(Verdict)
thoughts = st.builds(
    Thought, id=texts, parent_id=texts, depth=counts, text=texts, key=st.just(""), answer=st.none() | texts
)

PAIRS = {
    "state": states,
    "task": tasks,
    "sampling": samplings,
    "limits": limits,
    "usage": usages,
    "value": values,
    "dropped": dropped,
    "propose_request": st.builds(
        ports.ProposeRequest, id=texts, task=tasks, state=states, samples=counts, max_thoughts=counts,
        sampling=samplings, seed=seeds, draw=counts,
    ),
    "propose_update": st.builds(
        ports.ProposeUpdate, id=texts, proposals=st.lists(proposals, max_size=3).map(tuple), dropped=dropped,
        usage=usages, done=st.booleans(), error=st.none() | errors,
    ),
    "evaluate_request": st.builds(
        ports.EvaluateRequest, id=texts, task=tasks, states=st.lists(states, max_size=3).map(tuple),
        sampling=samplings, method=st.sampled_from(EvaluationMethod), samples=counts, seed=seeds,
    ),
    "evaluate_update": st.builds(
        ports.EvaluateUpdate, id=texts, index=counts, value=st.none() | values, usage=usages, error=st.none() | errors
    ),
    "definition": definitions,
    "validate_request": st.builds(
        ports.ValidateRequest, id=texts, task=tasks, problem=texts, answer=texts, sampling=samplings, seed=seeds,
        model=texts,
    ),
    "validate_update": st.one_of(
        st.builds(ports.ValidateUpdate, id=texts, verdict=verdicts, explanation=texts, usage=usages),
        st.builds(ports.ValidateUpdate, id=texts, usage=usages, error=errors),
    ),
    "completion_request": st.builds(
        ports.CompletionRequest, prompt=texts, samples=counts, sampling=samplings, seed=seeds, stop=tuples,
        labels=tuples,
    ),
    "completion_event": st.one_of(
        st.builds(ports.TextDelta, counts, texts),
        st.builds(ports.SampleDone, counts, counts, st.booleans(), st.lists(shares, max_size=3).map(tuple)),
        st.builds(ports.CallBegun, st.booleans()),
        st.builds(ports.CompletionDone, counts),
    ),
    "event": st.one_of(
        st.builds(tree.Proposed, thoughts),
        st.builds(tree.Merged, texts, texts, texts),
        st.builds(tree.Evaluated, texts, values),
        st.builds(tree.Validated, texts, verdicts, texts),
        st.builds(tree.Pruned, texts, texts),
        st.builds(tree.Expanded, texts, counts, dropped, usages),
        st.builds(tree.Failed, texts, st.sampled_from(Reason), texts),
    ),
}  # fmt: skip


def without_error(value):
    """Errors compare by identity: return a value without its own, and what the error says."""
    error = getattr(value, "error", None)
    if not isinstance(error, KotError):
        return value, None
    return replace(value, error=None), (type(error), error.reason, str(error))


@pytest.mark.parametrize("name", PAIRS)
@given(st.data())
def test_what_is_written_is_read(name, data):
    value = data.draw(PAIRS[name])
    message = getattr(convert, f"{name}_to_proto")(value)
    message = type(message).FromString(message.SerializeToString())
    assert without_error(getattr(convert, f"{name}_from_proto")(message)) == without_error(value)


@given(
    st.one_of(
        st.builds(tree.Proposed, thoughts, texts),
        st.builds(tree.Evaluated, texts, values, texts),
        st.builds(tree.Validated, texts, verdicts, texts, texts),
    )
)
def test_an_event_says_where_it_came_about_and_is_the_same_anywhere(event):
    read = convert.event_from_proto(convert.event_to_proto(event))
    assert read.pod == event.pod
    assert read == replace(event, pod="elsewhere")


@pytest.mark.parametrize("name", ["propose_update", "evaluate_update", "validate_update"])
@given(st.data())
def test_what_a_worker_says_is_known_to_come_from_its_pod(name, data):
    update = data.draw(PAIRS[name])
    read = getattr(convert, f"{name}_from_proto")(getattr(convert, f"{name}_to_proto")(update), "g-7")
    said = read.proposals if name == "propose_update" else [read]
    assert {each.pod for each in said} <= {"g-7"}
    assert without_error(read) == without_error(update)


def test_every_pair_of_converters_is_tested():
    written = {name.removesuffix("_to_proto") for name in dir(convert) if name.endswith("_to_proto")}
    read = {name.removesuffix("_from_proto") for name in dir(convert) if name.endswith("_from_proto")}
    private = {name for name in written | read if name.startswith("_")}
    assert (written & read) - private - {"style", "method"} == set(PAIRS)


def test_every_event_of_a_tree_is_among_them():
    assert {kind.__name__ for kind in get_args(tree.Event)} == {
        "Proposed", "Merged", "Evaluated", "Validated", "Pruned", "Expanded", "Failed",
    }  # fmt: skip


@given(st.sampled_from(PromptStyle))
def test_a_style_is_read_as_written_and_by_default(style):
    assert convert.style_from_proto(convert.style_to_proto(style), PromptStyle.BARE) is style
    assert convert.style_from_proto(convert.style_to_proto(None), style) is style


@given(st.dictionaries(texts, st.booleans() | st.floats(allow_nan=False), max_size=4))
def test_settings_are_read_as_written(settings):
    assert convert.settings_from_struct(convert.settings_to_struct(settings)) == settings


def test_limits_that_are_left_out_have_their_defaults():
    assert convert.limits_from_proto(wire.Budget()) == Limits()
    given_all = wire.Budget(nodes=1, model_calls=2, completion_tokens=3, wall_seconds=4)
    assert convert.limits_from_proto(given_all) == Limits(nodes=1, model_calls=2, completion_tokens=3, wall_seconds=4)
    assert {field.name for field in fields(Limits)} == set(wire.Budget.DESCRIPTOR.fields_by_name)


def test_an_invalid_input_keeps_its_reason_in_a_failure():
    error = InvalidInput("wrong", field="state", reason=Reason.INVALID_PROBLEM)
    update = convert.propose_update_to_proto(ports.ProposeUpdate(id="a", done=True, error=error))
    assert convert.propose_update_from_proto(update).error.reason is Reason.INVALID_PROBLEM
