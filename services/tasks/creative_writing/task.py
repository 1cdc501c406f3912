"""Creative writing as a task (Yao et al. 2023, section 4.2): the first thought is a plan, the second the passage.

- Both are whole completions. As a thought, each is one line: "¶" stands between the paragraphs of a passage.
- Plans of one draw are compared by vote, and so are passages; a solve may ask for values of plans instead.
- That each paragraph ends with its sentence, the rule checks: a passage that breaks it is no thought. How coherent a
  passage is, only a model can tell: the validator wants `LEAST_COHERENCY` of 10. The paper has it rated after the
  search: 7.6 on average with a tree of thoughts, 6.9 with a chain.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

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
)
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._replies import LABELS, read_label, read_verdict, read_vote
from services.tasks.creative_writing import prompts
from services.tasks.creative_writing.passage import (
    MAX_PASSAGE_BYTES,
    MAX_PLAN_BYTES,
    check_endings,
    one_line,
    read_passage,
    read_plan,
    read_sentences,
)

LEAST_COHERENCY = 7
"""Of 10: what the validator takes for coherent."""
MAX_SOLUTION_BYTES = 4 * (MAX_PLAN_BYTES + MAX_PASSAGE_BYTES)

_SCORE = re.compile(
    r"(?:.*(?::|\b(?:coherency|score) is))?\W*(10|[1-9])(?:\s*(?:/|of|out of)\s*10)?\W*", re.IGNORECASE | re.ASCII
)


class CreativeWriting:
    """Write four paragraphs that end with the four given sentences."""

    name = "creative_writing"
    version = "1"
    summary = "Creative writing: a coherent passage of four paragraphs that end with the four sentences given."
    example = (
        "The lighthouse had been dark for eleven years. Nobody had thought of asking the cat. "
        "By noon the soup was cold on purpose. She still keeps the ticket in her left shoe."
    )
    depth = 2
    checked = False
    longest_thought = MAX_PLAN_BYTES
    """Of a plan: a passage is an answer, and has no value prompt."""
    longest_choice = MAX_PASSAGE_BYTES + len("Choice 20:\n\n\n")
    longest_answer = MAX_PASSAGE_BYTES

    def defaults(self, style: PromptStyle) -> StyleDefaults:
        """Return five completions, each of which is one thought of some hundred tokens."""
        suited = STYLE_DEFAULTS[style]
        if style is PromptStyle.FEW_SHOT:
            suited = replace(suited, value_tokens=300, verdict_tokens=200)
        return replace(suited, samples=5, rollouts=0, lines=1, thought_tokens=800, chain_tokens=1200)

    def normalize(self, problem: str) -> str:
        """Return the sentences, each on a line of its own."""
        return "\n".join(_sentences(problem))

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for a plan, for the passage, or for both at once."""
        sentences, plan = _read(state)
        if plan or method is Method.DIRECT:
            return Prompt(prompts.passage(sentences, plan, style), whole=True)
        if method is Method.CHAIN:
            return Prompt(prompts.chain(sentences, style), whole=True)
        return Prompt(prompts.plan(sentences, style), stop=("Passage:",), whole=True)

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:
        """Read a plan, then a passage; with `trust`, its endings are left to the validator."""
        sentences, plan = _read(state)
        if not plan:
            plan = read_plan(line)
            return Proposal(plan, f"{state.problem}\nPlan: {plan}")
        paragraphs = read_passage(line)
        if not trust:
            check_endings(paragraphs, sentences)
        return _solution(state, one_line(paragraphs), paragraphs)

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the passage below the word "Passage:", or the passage alone."""
        if len(text.encode()) > MAX_SOLUTION_BYTES:
            raise MalformedThought(f"longer than {MAX_SOLUTION_BYTES} bytes")
        return _solution(state, text.strip(), read_passage(text))

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask what a plan is worth."""
        bare = style is PromptStyle.BARE
        return Prompt(prompts.value(*_read(state), style), labels=LABELS if bare else ())

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """Leave it to the model."""
        _read(state)
        return None

    def vote_prompt(self, state: State, choices: Sequence[str], style: PromptStyle) -> Prompt:
        """Ask for the best plan or passage."""
        sentences, plan = _read(state)
        try:
            shown = ["\n\n".join(read_passage(choice)) if plan else read_plan(choice) for choice in choices]
        except MalformedThought as error:
            raise InvalidInput(f"a choice is none: it {error}", field="states") from error
        text = prompts.vote(sentences, shown, style, of_plans=not plan)
        return Prompt(text, stop=("\n",) if style is PromptStyle.BARE else ())

    def parse_vote(self, text: str, count: int) -> int | None:
        """Read the number after "Best:" in the last line, or at its beginning."""
        return read_vote(text, count)

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str] | None:
        """Refuse a passage whose paragraphs do not end with their sentences; leave the rest to the model."""
        try:
            check_endings(read_passage(answer), _sentences(problem))
        except (MalformedThought, IllegalThought) as error:
            return Verdict.IMPOSSIBLE, f"the passage {error}"
        return None

    def validate_prompt(self, problem: str, answer: str, style: PromptStyle) -> Prompt:  # noqa: ARG002 - not asked about
        """Ask how coherent the passage is."""
        return Prompt(prompts.validate(answer, style), stop=("\n",) if style is PromptStyle.BARE else ())

    def parse_verdict(self, text: str) -> Verdict | None:
        """Read the score, or a verdict in words, in the last line."""
        score = read_score(text)
        if score is None:
            return read_verdict(text)
        return Verdict.CERTAIN if score >= LEAST_COHERENCY else Verdict.IMPOSSIBLE


def read_score(text: str) -> int | None:
    """Return the coherency, from 1 to 10, that the text's last line is, or ends with after a colon; None if none."""
    *_, last = text.strip().splitlines() or [""]
    match = _SCORE.fullmatch(last)
    return int(match[1]) if match else None


def _solution(state: State, text: str, paragraphs: Sequence[str]) -> Proposal:
    answer = "\n\n".join(paragraphs)
    return Proposal(text, f"{state.problem}\n\n{answer}", answer=answer)


def _sentences(problem: str) -> tuple[str, ...]:
    try:
        return read_sentences(problem)
    except ValueError as error:
        raise InvalidProblem(str(error)) from error


def _read(state: State) -> tuple[tuple[str, ...], str]:
    """Return the sentences, and the plan or nothing. `InvalidInput` if the state is none."""
    if len(state.steps) > 1:
        raise InvalidInput("the state has more than a plan", field="state")
    try:
        return _sentences(state.problem), read_plan(state.steps[0]) if state.steps else ""
    except MalformedThought as error:
        raise InvalidInput(f"the state has no plan: it {error}", field="state") from error
