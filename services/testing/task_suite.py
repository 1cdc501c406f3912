"""The contract of a task. To hold a task of your own to it, write a test file such as this one:

from services.testing.task_suite import TaskSuite
from my_package import TASK

class TestMyTask(TaskSuite):
    task = TASK
    invalid_problems = ("", "no problem of mine")
    paths = (("first step", "second step", "the answer"), ("another first step",))
"""  # noqa: D400, D415 - ends in an example
# ruff: noqa: S101 - a suite asserts

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations, takewhile
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidInput, Reason
from services.core.task import (
    InvalidProblem,
    ModelValidated,
    Prompt,
    PromptStyle,
    Task,
    ThoughtRejected,
    Votable,
    defaults_of,
)
from services.core.thought import Label, Proposal, State, Verdict

LONGEST_CUE = 64
"""Characters that may follow what differs in a prompt, such as "Possible next steps:"."""

_often: Callable[[Any], Any] = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],  # one test serves many subclasses
)


class TaskSuite:
    """Set `task` and `paths`; each path is lines that lead from the task's example towards an answer."""

    task: Task
    """The task under test."""
    paths: Sequence[Sequence[str]]
    """At least two, with different first lines; at least one ends in an answer, right by the rule if there is one."""
    invalid_problems: ClassVar[Sequence[str]] = ("",)
    """Problems that the task cannot read."""

    # --- problems ---------------------------------------------------------------------------------------------------

    def test_the_task_says_what_it_is(self) -> None:
        """It has a name, a version, a one-sentence summary and a depth."""
        assert self.task.name
        assert self.task.version
        assert self.task.summary.endswith(".")
        assert self.task.depth >= 1
        for style in PromptStyle:
            suited = defaults_of(self.task, style)
            assert min(suited.samples, suited.lines) >= 1
            lengths = (suited.thought_tokens, suited.chain_tokens, suited.value_tokens, suited.verdict_tokens)
            assert min(lengths) >= 1

    @_often
    @given(st.text(max_size=60))
    def test_the_normal_form_of_a_problem_is_its_own_normal_form(self, noise: str) -> None:
        """`normalize` is idempotent, and raises `InvalidProblem` or nothing."""
        for problem in (self.task.example, noise, f"{self.task.example}{noise}", *_mutations(self.task.example, noise)):
            try:
                normal = self.task.normalize(problem)
            except InvalidProblem:
                continue
            assert self.task.normalize(normal) == normal

    def test_an_invalid_problem_is_refused_at_once(self) -> None:
        """`InvalidProblem` names the field and the reason, for the client to show."""
        for problem in self.invalid_problems:
            error = _refusal(self.task, problem)
            assert error is not None, f"{problem!r} was taken"
            assert (error.field, error.reason) == ("problem", Reason.INVALID_PROBLEM)
            assert str(error)

    # --- thoughts ---------------------------------------------------------------------------------------------------

    def test_every_path_is_read_and_one_ends_in_a_certain_answer(self) -> None:
        """Believed or checked, the lines parse; the last of a full path carries the answer."""
        judged = []
        for trust in (False, True):
            for path in self.paths:
                proposals = list(self._walk(path, trust=trust))
                assert all(step.answer is None for _, step in proposals[:-1]), "an answer comes last"
                assert len(proposals) <= self.task.depth
                if answer := proposals[-1][1].answer:
                    judged.append(self.task.validate(self._problem, answer))
        # Of a task without a rule, at least one answer has to get as far as the model.
        assert any(each is None if not self.task.checked else each and each[0] is Verdict.CERTAIN for each in judged)

    def test_a_thoughts_text_is_read_as_the_same_thought(self) -> None:
        """The text of a proposal is the task's normal form: one line, and reading it again changes nothing."""
        for trust in (False, True):
            for path in self.paths:
                for state, proposal in self._walk(path, trust=trust):
                    self._assert_normal(state, proposal, trust=trust)

    @_often
    @given(st.data(), st.booleans())
    def test_any_line_is_read_or_rejected(self, data: st.DataObject, trust: bool) -> None:  # noqa: FBT001 - drawn
        """Whatever a model writes raises `ThoughtRejected` or becomes a thought in normal form."""
        state, line = data.draw(st.sampled_from(list(self._places())))
        noise = data.draw(st.text(max_size=30) | st.text(alphabet=line, max_size=30))
        for candidate in (noise, *_mutations(line, noise)):
            try:
                proposal = self.task.parse_thought(state, candidate, trust=trust)
            except ThoughtRejected:
                continue
            self._assert_normal(state, proposal, trust=trust)

    @_often
    @given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=3))
    def test_a_state_that_is_none_is_refused(self, problem: str, steps: list[str]) -> None:
        """States come over the wire: `InvalidInput` is raised for what is none, and nothing else."""
        state = State(problem, tuple(steps))
        uses: list[Callable[[], object]] = [
            *(lambda style=style: self.task.propose_prompt(state, style) for style in PromptStyle),
            *(lambda style=style: self.task.value_prompt(state, style) for style in PromptStyle),
            lambda: self.task.value_by_rule(state),
            lambda: self.task.parse_thought(state, "", trust=False),
        ]
        for use in uses:
            try:
                use()
            except (InvalidInput, ThoughtRejected):
                continue

    # --- prompts ----------------------------------------------------------------------------------------------------

    def test_equal_keys_render_equal_prompts(self) -> None:
        """What has one key is one node: no later prompt may tell its states apart."""
        seen: dict[str, State] = {}
        for path in self.paths:
            for state, proposal in self._walk(path):
                after = State(state.problem, (*state.steps, proposal.text))
                other = seen.setdefault(proposal.key, after)
                if proposal.answer is None:
                    assert list(self._prompts(other)) == list(self._prompts(after))
                    assert self.task.value_by_rule(other) == self.task.value_by_rule(after)

    @_often
    @given(st.data())
    def test_equal_keys_of_siblings_render_equal_prompts(self, data: st.DataObject) -> None:
        """The same, for the many ways to write one step."""
        state, line = data.draw(st.sampled_from(list(self._places())))
        proposals = list(self._readable(state, _mutations(line, data.draw(st.text(alphabet=f"{line} ", max_size=4)))))
        for one, other in combinations(proposals, 2):
            if one.key == other.key and one.answer is None and other.answer is None:
                first, second = (State(state.problem, (*state.steps, step.text)) for step in (one, other))
                assert list(self._prompts(first)) == list(self._prompts(second))

    def test_prompts_of_siblings_share_all_but_their_end(self) -> None:
        """Stable text comes first, so that an engine computes it once (prefix caching)."""
        firsts = {path[0]: next(self._walk(path)) for path in self.paths}
        states = [State(root.problem, (*root.steps, first.text)) for root, first in firsts.values()]
        assert len(states) > 1, "give paths with different first lines"
        for one, other in combinations(states, 2):
            for prompt, sibling in zip(self._prompts(one), self._prompts(other), strict=True):
                shared = _shared_prefix(prompt.text, sibling.text)
                own = len(one.problem) + sum(len(step) + 1 for step in one.steps)
                assert len(prompt.text) - shared <= own + LONGEST_CUE

    def test_prompts_of_two_problems_share_their_instructions_and_examples(self) -> None:
        """What differs comes last here too, and takes no more room than two copies of its problem and a cue."""
        other = next(_neighbours(self.task), None)
        assert other, "the example has no neighbour"
        for prompt, another in zip(self._prompts(State(self._problem)), self._prompts(State(other)), strict=True):
            shared = _shared_prefix(prompt.text, another.text)
            assert len(prompt.text) - shared <= 2 * len(self._problem) + LONGEST_CUE

    def test_rendering_a_prompt_twice_gives_the_same_prompt(self) -> None:
        """A prompt is a function of the state and the style: caches and replays rest on it."""
        for state, _ in self._places():
            assert list(self._prompts(state)) == list(self._prompts(state))

    # --- values and verdicts ----------------------------------------------------------------------------------------

    def test_every_label_is_read_as_itself(self) -> None:
        """In any case, alone or at the end of a text; so are the labels that a prompt asks for."""
        for label in Label:
            for text in (label.value, label.value.title(), f"as far as I see:\n{label.value}\n"):
                assert self.task.parse_value(text) is label
        for state, _ in self._places():
            for style in PromptStyle:
                asked = self.task.value_prompt(state, style).labels
                assert {self.task.parse_value(text) for text in asked} in ({*Label}, set())

    @_often
    @given(st.text(max_size=60), st.sampled_from(Label))
    def test_any_text_has_a_label_or_none(self, noise: str, label: Label) -> None:
        """Whatever a model writes is a `Label` or None."""
        for text in (noise, *_mutations(label.value, noise), *_lookalikes(label.value)):
            assert self.task.parse_value(text) in (*Label, None)

    @_often
    @given(st.text(max_size=60))
    def test_a_garbage_answer_is_never_certain(self, noise: str) -> None:
        """A validator is the last line: random text gets a verdict and an explanation, and is not believed."""
        verdict, explanation = self._judge(noise)
        assert verdict is not Verdict.CERTAIN
        assert explanation

    @_often
    @given(st.data())
    def test_a_damaged_answer_gets_a_verdict(self, data: st.DataObject) -> None:
        """Text that almost is an answer never raises."""
        answers = [step.answer for path in self.paths for _, step in self._walk(path) if step.answer]
        answer = data.draw(st.sampled_from(answers))
        for text in _mutations(answer, data.draw(st.text(max_size=30) | st.text(alphabet=answer, max_size=300))):
            verdict, explanation = self._judge(text)
            assert isinstance(verdict, Verdict)
            assert explanation

    def test_a_task_without_a_rule_has_prompts_for_its_answers(self) -> None:
        """And one with a rule has none: nobody is asked what a rule knows."""
        assert isinstance(self.task, ModelValidated) is not self.task.checked

    @_often
    @given(st.text(max_size=60))
    def test_an_answer_makes_its_prompt_longer_by_no_more_than_is_said(self, answer: str) -> None:
        """The budget reserves that much."""
        if isinstance(self.task, ModelValidated):
            for style in PromptStyle:
                empty = self.task.validate_prompt(self._problem, "", style)
                prompt = self.task.validate_prompt(self._problem, answer, style)
                assert prompt == self.task.validate_prompt(self._problem, answer, style)
                assert len(prompt.text.encode()) - len(empty.text.encode()) <= self.task.longest_answer

    @_often
    @given(st.text(max_size=60))
    def test_any_text_has_a_verdict_or_none(self, noise: str) -> None:
        """Each verdict is read as itself, and what says nothing is no certainty."""
        if isinstance(self.task, ModelValidated):
            for verdict in Verdict:
                for text in (verdict.value, verdict.value.title(), f"as far as I see:\n{verdict.value}\n"):
                    assert self.task.parse_verdict(text) is verdict
                for text in (noise, *_mutations(verdict.value, noise), *_lookalikes(verdict.value)):
                    assert self.task.parse_verdict(text) in (*Verdict, None)
            assert self.task.parse_verdict("") is not Verdict.CERTAIN

    # --- votes ------------------------------------------------------------------------------------------------------

    def test_a_vote_shows_its_choices_after_what_is_stable(self) -> None:
        """A choice makes the prompt longer by no more than is said, since the budget reserves that much."""
        if isinstance(self.task, Votable):
            choices = [next(self._walk(path))[1].text for path in self.paths]
            state = State(self._problem)
            for style in PromptStyle:
                alone, first, whole = (
                    self.task.vote_prompt(state, choices[:count], style) for count in (0, 1, len(choices))
                )
                assert whole == self.task.vote_prompt(state, choices, style)
                assert all(choice in whole.text for choice in choices)
                longer = len(whole.text.encode()) - len(alone.text.encode())
                assert longer <= self.task.longest_choice * len(choices)
                before_choices = first.text.index(choices[0])
                assert first.text[:before_choices] == whole.text[:before_choices]

    @_often
    @given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=3))
    def test_a_vote_on_what_is_none_is_refused(self, noise: str, steps: list[str]) -> None:
        """States and choices come over the wire: `InvalidInput` is raised for what is none, and nothing else."""
        if isinstance(self.task, Votable):
            for state in (State(noise, tuple(steps)), State(self._problem, tuple(steps))):
                for style in PromptStyle:
                    try:
                        self.task.vote_prompt(state, [noise, *steps], style)
                    except InvalidInput:
                        continue

    @_often
    @given(st.text(max_size=60), st.integers(1, 20))
    def test_any_text_is_a_vote_or_none(self, noise: str, count: int) -> None:
        """Each number is read as itself, and what names no choice is no vote."""
        if isinstance(self.task, Votable):
            for number in range(1, count + 1):
                for text in (str(number), f" {number}\n", f"as far as I see:\nBest: {number}\n"):
                    assert self.task.parse_vote(text, count) == number
            for number in (0, count + 1):
                assert self.task.parse_vote(f"Best: {number}", count) is None
            assert self.task.parse_vote("", count) is None
            for text in (noise, *_mutations("Best: 1", noise), *_lookalikes("Best: 1")):
                vote = self.task.parse_vote(text, count)
                assert vote is None or vote in range(1, count + 1)

    # --- the walk ---------------------------------------------------------------------------------------------------

    @property
    def _problem(self) -> str:
        return self.task.normalize(self.task.example)

    def _judge(self, answer: str) -> tuple[Verdict, str]:
        """Return what the task says of an answer; if it leaves that to a model, what an empty reply of one says."""
        return self.task.validate(self._problem, answer) or (Verdict.IMPOSSIBLE, "the model gives no verdict")

    def _walk(self, path: Sequence[str], *, trust: bool = False) -> Iterator[tuple[State, Proposal]]:
        """Yield each state on a path, and the thought that the path takes there."""
        state = State(self._problem)
        for line in path:
            proposal = self.task.parse_thought(state, line, trust=trust)
            yield state, proposal
            state = State(state.problem, (*state.steps, proposal.text))

    def _places(self) -> Iterator[tuple[State, str]]:
        """Yield each state on a path, and the line that goes on from it."""
        for path in self.paths:
            for (state, _), line in zip(self._walk(path), path, strict=True):
                yield state, line

    def _readable(self, state: State, lines: Iterable[str]) -> Iterator[Proposal]:
        for line in lines:
            try:
                yield self.task.parse_thought(state, line, trust=False)
            except ThoughtRejected:
                continue

    def _prompts(self, state: State) -> Iterator[Prompt]:
        for style in PromptStyle:
            yield self.task.propose_prompt(state, style)
            yield self.task.value_prompt(state, style)

    def _assert_normal(self, state: State, proposal: Proposal, *, trust: bool) -> None:
        assert proposal.text.splitlines() == [proposal.text], "a thought is one line"
        assert proposal.key
        assert proposal.answer is None or proposal.answer.strip()
        assert self.task.parse_thought(state, proposal.text, trust=trust) == proposal


def _refusal(task: Task, problem: str) -> InvalidProblem | None:
    try:
        task.normalize(problem)
    except InvalidProblem as error:
        return error
    return None


def _neighbours(task: Task) -> Iterator[str]:
    """Yield other problems: the task's example with two of its characters changed for each other."""
    for first, second in combinations(range(len(task.example)), 2):
        characters = list(task.example)
        characters[first], characters[second] = characters[second], characters[first]
        with suppress(InvalidProblem):
            problem = task.normalize("".join(characters))
            if problem != task.normalize(task.example):
                yield problem


def _shared_prefix(one: str, other: str) -> int:
    """Return how many characters two texts have in common before they differ."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _mutations(line: str, noise: str) -> Iterator[str]:
    """Yield `line` as it is, with `noise` around, inside and instead of parts, and with other spaces."""
    middle = len(noise) % (len(line) + 1)
    yield line
    yield f"{noise}{line}"
    yield f"{line}{noise}"
    yield f"{line[:middle]}{noise}{line[middle:]}"
    yield f"{line[:middle]}{noise}{line[middle + len(noise) :]}"
    yield line[:middle]
    yield line[middle:]
    yield line.replace(" ", "")
    yield line.replace(" ", "\t ")
    yield line.upper()


def _lookalikes(text: str) -> Iterator[str]:
    """Yield what a search that ignores case may take for `text`."""
    yield text.replace("s", "\N{LATIN SMALL LETTER LONG S}")
    yield text.replace("i", "\N{LATIN SMALL LETTER DOTLESS I}")
    yield text.replace("k", "\N{KELVIN SIGN}")
