"""Budgets: the worst case is reserved before a call and refunded after."""

import math
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from services.core.budget import Budget, Cost, Limits, Price, Resource
from services.core.thought import Usage

NAMES = [field.name for field in fields(Cost)]
amounts = st.integers(0, 30)
costs = st.builds(Cost, **dict.fromkeys(NAMES, amounts))
limits = st.builds(Limits, **dict.fromkeys(NAMES, amounts))


def _broken_by(budget, promised, cost):
    """Return the limits that `cost` would break, beside what is promised already."""
    after = budget.spent + promised + cost
    return [name for name in NAMES if getattr(after, name) > getattr(budget.limits, name)]


class BudgetMachine(RuleBasedStateMachine):
    """Any sequence of calls whose usage stays within what was reserved for them."""

    reservations = Bundle("reservations")

    def __init__(self):
        super().__init__()
        self.budget = Budget(Limits(nodes=60, model_calls=40, prompt_tokens=90, completion_tokens=80, dollars=70))
        self.promised = Cost()
        self.spent = Cost()

    @rule(target=reservations, cost=costs)
    def reserve(self, cost):
        broken = _broken_by(self.budget, self.promised, cost)
        forbidden = self.budget.reserve(cost)
        assert forbidden == (Resource(broken[0]) if broken else None)
        return self._promise(Cost() if broken else cost)

    @rule(target=reservations, wanted=st.integers(1, 40), each=costs)
    def reserve_most(self, wanted, each):
        def cost_of(samples):
            return Cost(nodes=each.nodes * samples, model_calls=1, completion_tokens=each.completion_tokens * samples)

        samples, reserved, forbidden = self.budget.reserve_most(wanted, cost_of)
        assert 0 <= samples <= wanted
        assert reserved == (cost_of(samples) if samples else Cost())
        assert not _broken_by(self.budget, self.promised, reserved)
        one_more = _broken_by(self.budget, self.promised, cost_of(samples + 1))
        assert forbidden == (None if samples == wanted else Resource(one_more[0]))
        return self._promise(reserved)

    @rule(reserved=consumes(reservations), share=st.floats(0, 1), cached=st.booleans())
    def settle(self, reserved, share, cached):
        used = {name: int(getattr(reserved, name) * share) for name in NAMES}
        if cached:
            used = dict.fromkeys(NAMES, 0) | {"nodes": used["nodes"]}
        usage = Usage(**{name: used[name] for name in NAMES if name != "nodes"})
        self.budget.settle(reserved, nodes=used["nodes"], usage=usage)
        self.promised -= reserved
        self.spent += Cost(**used)

    @rule(reserved=consumes(reservations))
    def refund(self, reserved):
        self.budget.refund(reserved)
        self.promised -= reserved

    @invariant()
    def what_is_spent_and_promised_is_within_the_limits(self):
        assert self.budget.spent == self.spent
        assert not _broken_by(self.budget, self.promised, Cost())

    @invariant()
    def what_is_left_can_be_reserved_to_the_last_unit_and_no_further(self):
        left = Cost(**{name: getattr(self.budget.limits, name) for name in NAMES}) - self.spent - self.promised
        assert self.budget.reserve(left) is None
        for name in NAMES:
            assert self.budget.reserve(Cost(**{name: 1})) == Resource(name)
        self.budget.settle(left, nodes=0, usage=Usage())

    def _promise(self, cost):
        self.promised += cost
        return cost


TestAnySequenceOfCalls = BudgetMachine.TestCase
TestAnySequenceOfCalls.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)


@given(limits, costs)
def test_a_refused_reservation_promises_nothing(limits, cost):
    budget = Budget(limits)
    if budget.reserve(cost) is not None:
        assert budget.reserve(Cost()) is None
        whole = Cost(**{name: getattr(limits, name) for name in NAMES})
        assert budget.reserve(whole) is None


@pytest.mark.parametrize("name", NAMES)
def test_the_limit_that_is_in_the_way_is_named(name):
    budget = Budget(Limits(**dict.fromkeys(NAMES, 10)))
    assert budget.reserve(Cost(**{name: 11})) == Resource(name)


def test_as_many_samples_are_reserved_as_fit_and_the_limit_that_forbids_one_more_is_named():
    budget = Budget(Limits(nodes=80, model_calls=9, completion_tokens=50))
    samples, cost, forbidden = budget.reserve_most(100, lambda n: Cost(nodes=n, model_calls=1, completion_tokens=n))
    assert (samples, cost) == (50, Cost(nodes=50, model_calls=1, completion_tokens=50))
    assert forbidden is Resource.COMPLETION_TOKENS  # though 100 would break the limit of nodes as well


def test_a_refund_can_be_spent_again():
    budget = Budget(Limits(completion_tokens=100))
    assert budget.reserve(Cost(completion_tokens=100)) is None
    assert budget.reserve(Cost(completion_tokens=1)) is Resource.COMPLETION_TOKENS
    budget.settle(
        Cost(completion_tokens=100), nodes=0, usage=Usage(model_calls=1, prompt_tokens=7, completion_tokens=40)
    )
    assert budget.reserve(Cost(completion_tokens=60)) is None
    assert budget.usage == Usage(model_calls=1, prompt_tokens=7, completion_tokens=40)


def test_what_is_charged_is_the_price_of_all_tokens():
    price = Price(prompt=2.5, completion=10)
    charged = price.charged(Usage(model_calls=1, prompt_tokens=1_000_000, completion_tokens=500_000))
    assert charged.dollars == 7.5
    assert price.charged(Usage(dollars=0.5)).dollars == 0.5


@pytest.mark.parametrize("amount", [-0.01, math.inf, math.nan])
def test_a_price_is_a_number_of_at_least_nothing(amount):
    with pytest.raises(ValueError, match="dollars"):
        Price(prompt=amount)
    with pytest.raises(ValueError, match="dollars"):
        Price(completion=amount)


def test_dollars_that_are_spent_in_small_parts_fill_the_limit_and_no_more():
    budget = Budget(Limits(dollars=1.0))
    for _ in range(10):
        assert budget.reserve(Cost(dollars=0.1)) is None
    assert budget.reserve(Cost(dollars=0.001)) is Resource.DOLLARS


def test_every_limit_is_a_resource_and_every_cost_has_a_limit():
    assert {resource.value for resource in Resource} == {field.name for field in fields(Limits)}
    assert set(NAMES) < {field.name for field in fields(Limits)}
