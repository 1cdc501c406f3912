"""The errors of the domain, and their names on the wire."""

import pytest

import services.core.task  # its error is one of the tree
from services.core import errors
from services.core.errors import InvalidInput, KotError, PermanentError, Reason, TemporaryError
from services.rpc.gen.kubeofthoughts.v1 import error_reason_pb2


def _leaves(kind):
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] if below else [kind]


LEAVES = [leaf for leaf in _leaves(KotError) if leaf.__module__.startswith("services.core.")]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_has_a_reason_and_tells_whether_to_try_again(leaf):
    error = leaf("what went wrong")
    assert error.reason is not Reason.INTERNAL
    assert str(error) == "what went wrong"
    assert issubclass(leaf, PermanentError) != issubclass(leaf, TemporaryError)


def test_the_leaves_of_the_core_are_drawn_in_the_module_docstring():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KotError)]
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.__name__ in errors.__doc__


def test_no_two_leaves_of_the_core_share_a_reason():
    reasons = [leaf("").reason for leaf in LEAVES if leaf.__module__ == errors.__name__]
    assert len(reasons) == len(set(reasons))


def test_an_invalid_input_names_its_field_and_may_narrow_its_reason():
    error = InvalidInput("no such task", field="task", reason=Reason.UNKNOWN_TASK)
    assert (str(error), error.field, error.reason) == ("no such task", "task", Reason.UNKNOWN_TASK)
    assert InvalidInput("empty").reason is Reason.INVALID_REQUEST


def test_an_invalid_problem_is_an_invalid_input_of_the_problem():
    error = services.core.task.InvalidProblem("no numbers")
    assert isinstance(error, InvalidInput)
    assert (error.field, error.reason) == ("problem", Reason.INVALID_PROBLEM)


def test_the_wire_has_the_same_reasons_and_no_others():
    on_the_wire = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert on_the_wire - {"UNSPECIFIED"} == {reason.value for reason in Reason}
    assert all(reason.name == reason.value for reason in Reason)
