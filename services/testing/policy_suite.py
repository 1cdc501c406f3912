"""The contract of a search policy. To hold a policy of your own to it, write a test file such as this one:

    import my_package.my_search
    from services.testing.policy_suite import PolicySuite

    class TestMySearch(PolicySuite):
        strategy = my_package.my_search  # a module with `Settings` and `Policy`

The suite drives the policy through small worlds, with no model, no clock and no concurrency.
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidInput, Reason
from services.core.search import Ask, Child, Prune, SearchPolicy, Tell, describe_settings, parse_settings
from services.core.task import Method
from services.core.thought import Value, Verdict

DEPTH = 4
"""Steps from the root of a world to its answers."""
ROOT = "r"
PATIENCE = 5000
"""Asks after which a search is taken to have no end."""

_often: Callable[[Any], Any] = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],  # one test serves many subclasses
)

Moves = Sequence[tuple[int, int | None]]
"""A schedule: at each move, how much to ask for, and which of those in flight to tell, modulo their number, if any."""

_moves = st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 50)), min_size=5, max_size=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is below each thought: a tree of `branching` ways at each step, the same every time.

    A thought is named by its steps, in ascending order below the first: `r21` and `r12` are one. So branches merge,
    as those of a task do whose states have equal keys. Every draw brings half of the children, and ways back. The
    answers, at depth 4, are all rejected: a search for one has no end but those of its own and its budget.

    In an `endless` world each draw brings new children, and none merge.
    """

    branching: int = 3
    endless: bool = False
    failing: frozenset[str] = frozenset({"r1", "r012"})
    """Thoughts that cannot be expanded."""
    worthless: frozenset[str] = frozenset({"r02", "r002"})
    """Thoughts with score 0."""

    def expand(self, ask: Ask) -> Tell:
        """Return what comes of an `Ask`."""
        if ask.thought_id in self.failing:
            return Tell(ask.thought_id, ask.draw, failed=True)
        if ask.method is not Method.STEP and not self.endless:
            answers = range(min(ask.samples, self.branching)) if ask.thought_id not in self.failing else ()
            rejected = (Child(f"{ask.thought_id}={answer}", DEPTH, verdict=Verdict.IMPOSSIBLE) for answer in answers)
            return Tell(ask.thought_id, ask.draw, tuple(rejected), failed=ask.thought_id in self.failing)
        if self.endless:
            names = (f"{ask.thought_id}{ask.draw:03}{step}." for step in range(self.branching))
            depth = ask.thought_id.count(".") + 1
            value = Value(sure=0.5) if depth < DEPTH else None
            return Tell(ask.thought_id, ask.draw, tuple(Child(name, depth, value) for name in names))
        steps = range(ask.draw % 2, self.branching, 2)
        drawn = [*steps, *steps][: ask.samples]  # a draw may repeat itself
        children = {child.thought_id: child for child in (self._child(ask.thought_id, step) for step in drawn)}
        # A step may lead back to where it came from, or to the very beginning.
        here = Child(ask.thought_id, len(ask.thought_id.removeprefix(ROOT)), Value(sure=0.9))
        back = (here, Child(ROOT, 0, Value(sure=0.9))) if self.branching else ()
        return Tell(ask.thought_id, ask.draw, (*children.values(), *back)[: ask.max_thoughts])

    def _child(self, parent_id: str, step: int) -> Child:
        steps = parent_id.removeprefix(ROOT) + str(step)
        thought_id = ROOT + "".join(sorted(steps))
        score = 0.0 if thought_id in self.worthless else 1 / (2 + sum(map(int, steps)) + len(steps))
        if len(steps) >= DEPTH:
            return Child(thought_id, len(steps), verdict=Verdict.IMPOSSIBLE)
        return Child(thought_id, len(steps), Value(sure=score))


BARREN = World(branching=0, failing=frozenset())
"""A world in which nothing ever comes of an `Ask`."""
LOST = World(failing=frozenset({ROOT}))
"""A world in which the root cannot be expanded."""


class Run:
    """Drives a policy through a world and asserts, at each call, what holds of every policy at any time."""

    def __init__(self, policy: SearchPolicy, world: World) -> None:
        self.policy = policy
        self.world = world
        self.in_flight: list[Ask] = []
        self.asked: list[Ask] = []
        self.alive = {ROOT}
        """Thoughts that can be expanded, as far as the policy was told."""
        self.known = {ROOT}
        self.failed: set[str] = set()
        self.pruned: list[str] = []

    def ask(self, capacity: int) -> Sequence[Ask]:
        """Ask for more, in flight from now on."""
        asks = self.policy.ask(capacity)
        assert len(asks) <= capacity, "more than there is capacity for"
        for ask in asks:
            assert ask.thought_id in self.alive, f"{ask} is about a thought that cannot be expanded, or none"
            assert ask.thought_id not in self.failed, f"{ask} is about a thought that failed"
            assert ask.thought_id not in self.pruned, f"{ask} is about a thought that was left aside"
            assert ask.draw == sum(ask.thought_id == other.thought_id for other in self.asked), (
                f"{ask} repeats or skips"
            )
            assert ask.samples >= 1
            assert ask.max_thoughts >= 1
            self.asked.append(ask)
            self.in_flight.append(ask)
        self._assert_best_is_known()
        return asks

    def tell(self, ask: Ask, *, singly: bool = False) -> Sequence[Prune]:
        """Tell what came of one ask in flight: all at once, or child by child, and each of them twice."""
        self.in_flight.remove(ask)
        result = self.world.expand(ask)
        children = result.children * 2 if singly else ()
        pruned = [prune for child in children for prune in self._tell(replace(result, children=(child,), done=False))]
        return [*pruned, *self._tell(replace(result, children=()) if singly else result)]

    def tell_first(self, ask: Ask) -> None:
        """Tell the first child of one ask, which stays in flight."""
        self._tell(replace(self.world.expand(ask), children=self.world.expand(ask).children[:1], done=False))

    def _tell(self, result: Tell) -> Sequence[Prune]:
        self.known |= {child.thought_id for child in result.children}
        self.alive |= {child.thought_id for child in result.children if not child.dead}
        if result.failed:
            self.failed.add(result.thought_id)
        pruned = self.policy.tell(result)
        for prune in pruned:
            assert prune.thought_id in self.known
            assert prune.thought_id not in self.pruned, "pruned twice"
            assert prune.reason
            self.pruned.append(prune.thought_id)
        self._assert_best_is_known()
        return pruned

    def play(self, moves: Moves) -> list[object]:
        """Follow a schedule; return all that the policy said. Every other result is told child by child."""
        said: list[object] = []
        for capacity, choice in moves:
            said.append(tuple(self.ask(capacity)))
            if self.in_flight and choice is not None:
                ask = self.in_flight[choice % len(self.in_flight)]
                said.append(tuple(self.tell(ask, singly=choice % 2 == 1)))
            said.append(self.policy.best())
        return said

    def ends(self) -> bool:
        """Tell whether the search is over: nothing in flight, and nothing more to ask."""
        return not self.in_flight and not self.ask(1)

    def _assert_best_is_known(self) -> None:
        assert self.policy.best() in self.known, "the best thought is none that the policy was told of"


class PolicySuite:
    """Set `strategy`, a module with `Settings` and `Policy`."""

    strategy: Any
    """The module under test."""
    settings: ClassVar[Mapping[str, object]] = {}
    """Settings to test it with, other than the defaults. Searches must go at least four steps deep."""
    expands_everything: ClassVar[bool] = True
    """Whether the search comes by every thought that it does not prune, given enough budget; false for sampling."""

    # --- settings ---------------------------------------------------------------------------------------------------

    def test_the_settings_describe_themselves(self) -> None:
        """Each has a sentence and a default within its range; the defaults make a policy."""
        for description in describe_settings(self.strategy.Settings):
            assert description.text.endswith(".")
            assert parse_settings(self.strategy.Settings, {description.name: description.default}) == self._defaults()
        assert self.strategy.Policy(ROOT, self._defaults()).best() == ROOT

    def test_a_setting_out_of_range_is_refused(self) -> None:
        """So is one of the wrong type, and one that there is not."""
        wrong: list[tuple[str, object]] = [("no_such_setting", 1)]
        for description in describe_settings(self.strategy.Settings):
            wrong += [(description.name, "1"), (description.name, None), (description.name, float("nan"))]
            if description.minimum is not None:
                wrong.append((description.name, description.minimum - 1))
            if description.maximum is not None:
                wrong.append((description.name, description.maximum + 1))
        for name, value in wrong:
            error = _refusal(self.strategy.Settings, {name: value})
            assert error is not None, f"{name}={value!r} was taken"
            assert (error.field, error.reason) == (f"settings.{name}", Reason.INVALID_SETTING)

    # --- ask and tell -----------------------------------------------------------------------------------------------

    @_often
    @given(_moves)
    def test_replay_asks_the_same(self, moves: Moves) -> None:
        """The same calls in the same order give the same answers: a search is a replay of its log."""
        assert self._run().play(moves) == self._run().play(moves)

    @_often
    @given(_moves)
    def test_late_repeated_and_unknown_tells_are_ignored(self, moves: Moves) -> None:
        """They change nothing: the search goes on as if they had not come."""
        plain, disturbed = self._run(), self._run()
        for move in moves:
            assert plain.play([move]) == disturbed.play([move])
            told = [ask for ask in disturbed.asked if ask not in disturbed.in_flight]
            for junk in _junk(told, disturbed):
                assert not disturbed.policy.tell(junk)
        assert plain.ask(50) == disturbed.ask(50)

    @_often
    @given(st.integers(1, 6), st.data())
    def test_tells_in_any_order_go_on_to_the_same_thoughts(self, capacity: int, data: st.DataObject) -> None:
        """Results come back in any order; none is lost, and the search ends only where it would have anyway."""
        in_order, shuffled = self._run(), self._run()
        for _ in range(4):
            while in_order.ask(capacity):
                pass
            while shuffled.ask(capacity):
                pass
            assert bool(in_order.in_flight) == bool(shuffled.in_flight)
            for ask in list(in_order.in_flight):
                in_order.tell(ask)
            for ask in data.draw(st.permutations(shuffled.in_flight)):
                shuffled.tell(ask)
        assert in_order.ends() == shuffled.ends()

    @_often
    @given(st.integers(1, 9), st.integers(0, 2**32), st.booleans())
    def test_every_thought_has_its_turn(self, capacity: int, choice: int, singly: bool) -> None:  # noqa: FBT001 - drawn
        """With budget enough, all that is alive and not pruned is expanded, in whatever order results come back."""
        run = self._run()
        while self.expands_everything and not self._is_done(run):
            assert len(run.asked) < PATIENCE, f"never asked for {run.alive - {ask.thought_id for ask in run.asked}}"
            run.ask(capacity)
            assert run.in_flight, "the search ended before every thought had its turn"
            run.tell(run.in_flight[choice % len(run.in_flight)], singly=singly)

    @_often
    @given(st.integers(1, 9))
    def test_a_tell_with_more_to_come_leaves_its_ask_open(self, capacity: int) -> None:
        """What can be asked for meanwhile is something else."""
        run = self._run()
        for _ in range(20):
            for ask in run.ask(capacity):
                run.tell_first(ask)
            run.ask(capacity)
            for ask in list(run.in_flight):
                run.tell(ask)

    @_often
    @given(st.integers(1, 9))
    def test_told_in_parts_a_search_goes_on_as_told_at_once(self, capacity: int) -> None:
        """What comes after the first part is taken, and what is told again changes nothing."""
        parts, whole = self._run(), self._run()
        for _ in range(20):
            assert parts.ask(capacity) == whole.ask(capacity)
            for ask in list(whole.in_flight):
                parts.tell_first(ask)
                parts.tell(ask)
                whole.tell(ask)

    def test_memory_grows_with_the_nodes_and_no_faster(self) -> None:
        """Four times the thoughts take at most six times the memory."""
        small, large = (self._bytes_of_a_search(nodes) for nodes in (1000, 4000))
        assert large <= 6 * max(small, 100_000)

    def test_no_capacity_asks_for_nothing(self) -> None:
        """And changes nothing."""
        asked, left_alone = self._run(), self._run()
        for _ in range(3):
            assert not asked.ask(0)
        assert asked.ask(5) == left_alone.ask(5)

    # --- ends -------------------------------------------------------------------------------------------------------

    def test_a_root_that_cannot_be_expanded_ends_the_search(self) -> None:
        """Nothing is in flight and nothing more is asked; the best thought is the root."""
        run = self._run(LOST)
        while run.ask(3):
            pass
        for ask in list(run.in_flight):
            run.tell(ask)
        assert run.ends()
        assert run.policy.best() == ROOT

    def test_a_world_without_children_does_not_hang(self) -> None:
        """Every ask returns: another draw of the root, or nothing because the search is over."""
        run = self._run(BARREN)
        for _ in range(200):
            if run.ends():
                break
            for ask in list(run.in_flight):
                run.tell(ask)
        assert run.policy.best() == ROOT

    def test_the_best_thought_is_not_one_that_was_pruned_or_rejected(self) -> None:
        """A search that is cut short answers with something of worth; one that votes stands by its choice."""
        run = self._run()
        for _ in range(200):
            if run.ends():
                break
            for ask in list(run.in_flight):
                run.tell(ask)
            assert run.policy.best() not in run.pruned
            assert run.policy.best() in run.alive or not run.policy.rules.stops_at_answer

    def _bytes_of_a_search(self, nodes: int) -> int:
        """Return what a search of so many thoughts holds; less, for one that ends before."""
        tracemalloc.start()
        try:
            run = self._run(World(branching=10, failing=frozenset(), worthless=frozenset(), endless=True))
            before = tracemalloc.get_traced_memory()[0]
            known = 0
            while known < nodes and (asks := run.policy.ask(8)):
                for ask in asks:
                    result = run.world.expand(ask)
                    known += len(result.children)
                    run.policy.tell(result)
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()

    # --- making one -------------------------------------------------------------------------------------------------

    def _defaults(self) -> object:
        return parse_settings(self.strategy.Settings, {})

    def _run(self, world: World | None = None) -> Run:
        policy = self.strategy.Policy(ROOT, parse_settings(self.strategy.Settings, self.settings))
        return Run(policy, world or World())

    @staticmethod
    def _is_done(run: Run) -> bool:
        return run.alive - set(run.pruned) <= {ask.thought_id for ask in run.asked} and len(run.asked) > 1


def _refusal(settings_class: type, given: Mapping[str, object]) -> InvalidInput | None:
    try:
        parse_settings(settings_class, given)
    except InvalidInput as error:
        return error
    return None


def _junk(told: Sequence[Ask], run: Run) -> list[Tell]:
    """Return tells that a policy must ignore: repeated, of draws to come, of thoughts not asked or not known."""
    surprise = (Child("surprise", 1, Value(sure=0.9)), Child("rejected", DEPTH, verdict=Verdict.IMPOSSIBLE))
    not_asked = run.known - {ask.thought_id for ask in run.asked}
    return [
        Tell("nobody", 0, surprise),
        *(Tell(ask.thought_id, ask.draw, surprise) for ask in told),
        *(Tell(ask.thought_id, ask.draw, failed=True) for ask in told),
        *(Tell(ask.thought_id, ask.draw + 1000, surprise) for ask in run.in_flight),
        *(Tell(thought_id, 0, surprise) for thought_id in sorted(not_asked)),
    ]
