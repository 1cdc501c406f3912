"""Tasks without code: prompts of a user's own, filled in and read here.

A prompt is a template. `{problem}`, `{steps}` (one a line), `{last}`, `{answer}` and `{choices}` (one a line, with
numbers) stand for text that is put in as it is: nothing in it is filled in again. `{{` and `}}` are braces.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from services.core.errors import InvalidInput
from services.core.task import (
    STYLE_DEFAULTS,
    IllegalThought,
    InvalidProblem,
    MalformedThought,
    Method,
    Prompt,
    PromptStyle,
    StyleDefaults,
    TaskDefinition,
)
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._replies import LABELS, read_label, read_verdict, read_vote

MAX_BYTES = {
    "name": 64,
    "summary": 1000,
    "example": 4000,
    "propose": 16_000,
    "evaluate": 16_000,
    "validate": 16_000,
    "vote": 16_000,
    "answer": 64,
}
"""Of each text of a definition."""
MAX_PLACEHOLDERS = 8
"""In one template: what is filled in may be long."""
MAX_THOUGHT_BYTES = 1000
MAX_ANSWER_BYTES = 4000
MAX_DEPTH = 64
MAX_TOKENS = 4096
LONGEST_QUOTE = 32
"""Characters of a template that an error repeats."""

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LIST_MARKS = re.compile(r"(?:(?:[-*•]|[0-9]{1,3}[.)]) )+")


class PromptTask:
    """A task that a user has defined by prompts. A model judges its answers too."""

    checked = False

    def __init__(self, definition: TaskDefinition) -> None:
        """Raise `InvalidInput`, with the field `definition.KEY`, if the definition cannot be used."""
        for key, most in MAX_BYTES.items():
            _refuse_larger(key, getattr(definition, key), most)
        self.name = definition.name
        self.version = blake2b(repr(definition).encode(), digest_size=8).hexdigest()
        self.summary = definition.summary
        self.example = definition.example
        self.depth = _within("depth", definition.depth, 1, MAX_DEPTH)
        if not self.name.strip():
            raise _invalid("name", "must not be empty")
        for key in ("propose_tokens", "evaluate_tokens", "validate_tokens"):
            _within(key, getattr(definition, key), 0, MAX_TOKENS)
        self._propose = _Template("propose", definition.propose, may=("problem", "steps", "last"), must=("problem",))
        self._evaluate = _Template(
            "evaluate", definition.evaluate, may=("problem", "steps", "last"), must=("steps", "last")
        )
        self._validate = _Template("validate", definition.validate, may=("problem", "answer"), must=("answer",))
        self._definition = definition
        self._mark = definition.answer
        if _clean(self._mark) != self._mark:
            raise _invalid(
                "answer", "must be one line with single spaces that does not begin as an item of a list does"
            )
        self.longest_thought = (MAX_THOUGHT_BYTES + 1) * self._evaluate.count("steps", "last")
        self.longest_answer = MAX_ANSWER_BYTES * self._validate.count("answer")

    def defaults(self, style: PromptStyle) -> StyleDefaults:
        """Return what suits the style, with the lengths that are set here."""
        suited, own = STYLE_DEFAULTS[style], self._definition
        return replace(
            suited,
            thought_tokens=own.propose_tokens or suited.thought_tokens,
            chain_tokens=own.propose_tokens or suited.chain_tokens,
            value_tokens=own.evaluate_tokens or suited.value_tokens,
            verdict_tokens=own.validate_tokens or suited.verdict_tokens,
        )

    def normalize(self, problem: str) -> str:
        """Return the problem without the blanks around it."""
        if not problem.strip():
            raise InvalidProblem("the problem is empty")
        return problem.strip()

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for next steps; for a whole solution in the same words, since there are no others."""
        one_line = style is PromptStyle.BARE and method is Method.STEP
        return Prompt(self._propose.fill(_facts(state)), stop=("\n",) if one_line else ())

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:  # noqa: ARG002 - nothing to check
        """Read a line: what it says, without the mark of a list and with single spaces."""
        text = _read_line(line)
        steps = (*state.steps, text)
        key = "\n".join((state.problem, *steps))
        answer = self._marked(text)
        if answer is not None:
            return Proposal(text, key, answer=answer)
        if len(steps) < self.depth:
            return Proposal(text, key)
        if self._mark:
            raise IllegalThought(f"the last of {self.depth} steps has to begin with {self._mark!r}")
        return Proposal(text, key, answer=_short_enough("\n".join(steps), MAX_ANSWER_BYTES))

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read a whole solution: its last line that is marked as the answer, or, without a mark, all of its lines."""
        lines = [_clean(line) for line in text.splitlines() if _clean(line)]
        if not lines:
            raise MalformedThought("says nothing")
        if self._mark:
            answers = [answer for answer in map(self._marked, lines) if answer is not None]
            if not answers:
                raise MalformedThought(f"no line begins with {self._mark!r}")
            answer = answers[-1]
        else:
            answer = "\n".join((*state.steps, *lines))
        whole = _short_enough("\n".join(lines), MAX_ANSWER_BYTES)
        return Proposal(whole, f"{state.problem}\n{answer}", answer=_short_enough(answer, MAX_ANSWER_BYTES))

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask what the steps so far are worth."""
        return Prompt(self._evaluate.fill(_facts(state)), labels=LABELS if style is PromptStyle.BARE else ())

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:  # noqa: ARG002 - no rule
        """Leave it to the model."""
        return None

    def validate(self, problem: str, answer: str) -> None:  # noqa: ARG002 - no rule
        """Leave it to the model."""
        return

    def validate_prompt(self, problem: str, answer: str, style: PromptStyle) -> Prompt:  # noqa: ARG002 - one for both
        """Ask whether the answer is right."""
        return Prompt(self._validate.fill({"problem": problem, "answer": answer}))

    def parse_verdict(self, text: str) -> Verdict | None:
        """Read the verdict at the beginning of the last line."""
        return read_verdict(text)

    def _marked(self, text: str) -> str | None:
        """Return what follows the mark of an answer; None if the line does not begin with it."""
        if not self._mark or text[: len(self._mark)].lower() != self._mark.lower():
            return None
        answer = text[len(self._mark) :].strip()
        return answer if _says_something(answer) else None


class VotablePromptTask(PromptTask):
    """One with a prompt for votes."""

    def __init__(self, definition: TaskDefinition) -> None:
        """Raise as `PromptTask` does."""
        super().__init__(definition)
        self._vote = _Template("vote", definition.vote, may=("problem", "steps", "choices"), must=("choices",))
        self.longest_choice = (MAX_THOUGHT_BYTES + len("20. \n")) * self._vote.count("choices")

    def vote_prompt(self, state: State, choices: Sequence[str], style: PromptStyle) -> Prompt:
        """Ask which step is the best: in the bare style a number alone."""
        numbered = "\n".join(f"{number}. {choice}" for number, choice in enumerate(choices, start=1))
        text = self._vote.fill(_facts(state) | {"choices": numbered})
        return Prompt(text, stop=("\n",) if style is PromptStyle.BARE else ())

    def parse_vote(self, text: str, count: int) -> int | None:
        """Read the number after "best" in the last line, or at its beginning."""
        return read_vote(text, count)


def make_task(definition: TaskDefinition) -> PromptTask:
    """Return the task that a definition makes, votable if it has a prompt for that. Raises as `PromptTask` does."""
    return VotablePromptTask(definition) if definition.vote else PromptTask(definition)


class _Template:
    """A prompt with gaps. Raises `InvalidInput` if it is no template, or has none of the gaps that it `must` have."""

    def __init__(self, key: str, text: str, *, may: tuple[str, ...], must: tuple[str, ...]) -> None:
        self._text = text
        self._gaps: list[str] = []
        for part in _PART.finditer(text):
            name = part[1]
            if name in may:
                self._gaps.append(name)
            elif part[0] not in ("{{", "}}"):
                known = ", ".join(f"{{{each}}}" for each in may)
                raise _invalid(
                    key, f"has {part[0][:LONGEST_QUOTE]!r}; it may have {known}; a brace itself is written twice"
                )
        if not set(must) & set(self._gaps):
            raise _invalid(key, f"must have {' or '.join(f'{{{each}}}' for each in must)}")
        if len(self._gaps) > MAX_PLACEHOLDERS:
            raise _invalid(key, f"may have {MAX_PLACEHOLDERS} placeholders, not {len(self._gaps)}")

    def count(self, *names: str) -> int:
        """Return how often these are filled in."""
        return sum(self._gaps.count(name) for name in names)

    def fill(self, facts: Mapping[str, str]) -> str:
        """Put the facts in, each as it is."""
        return _PART.sub(lambda part: part[0][0] if part[1] is None else facts[part[1]], self._text)


def _facts(state: State) -> dict[str, str]:
    last = state.steps[-1] if state.steps else ""
    return {"problem": state.problem, "steps": "\n".join(state.steps), "last": last}


def _read_line(line: str) -> str:
    text = _clean(line)
    if not _says_something(text):
        raise MalformedThought("says nothing")
    if text.endswith(":"):
        raise MalformedThought("announces what follows")
    return _short_enough(text, MAX_THOUGHT_BYTES)


def _clean(line: str) -> str:
    """Return the line with single spaces, without the mark of a list."""
    text = " ".join(line.split())
    mark = _LIST_MARKS.match(text)
    return text[mark.end() :] if mark else text


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def _short_enough(text: str, limit: int) -> str:
    if len(text.encode()) > limit:
        raise MalformedThought(f"longer than {limit} bytes")
    return text


def _refuse_larger(key: str, text: str, most: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _invalid(key, "is not valid UTF-8") from error
    if size > most:
        raise _invalid(key, f"must have at most {most:,} bytes, not {size:,}")


def _within(key: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise _invalid(key, f"must be from {least} to {most:,}, not {number:,}")
    return number


def _invalid(key: str, message: str) -> InvalidInput:
    return InvalidInput(f"{key} {message}", field=f"definition.{key}")
