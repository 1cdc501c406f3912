"""Mini crosswords as a task (Yao et al. 2023, section 4.3): a state is a board, a thought fills one word.

- A word has to fit the letters that are there. The paper lets a word change them; here a search goes back instead, so
  that no step undoes another and the board alone tells states apart: the order of filling leaves no trace.
- The paper asks of each open word whether one exists that fits its letters, and prunes where one cannot. A state has
  one value prompt here, so it asks for all of them at once, and for the sum of it as the label.
- Whether a word fits its clue, no rule can tell, and no dictionary is asked: a model judges states and answers.
"""

import re

from services.core.errors import InvalidInput
from services.core.task import IllegalThought, InvalidProblem, MalformedThought, Method, Prompt, PromptStyle
from services.core.thought import Label, Proposal, State, Verdict
from services.tasks._replies import LABELS, read_label, read_solution, read_verdict, refuse_longer
from services.tasks.crosswords import prompts
from services.tasks.crosswords.puzzle import (
    BLANK,
    SIDE,
    Clues,
    is_full,
    read_board,
    read_clues,
    show_board,
    show_clues,
    write,
)

MAX_LINE_LENGTH = 100
MAX_ANSWER_LENGTH = 200
MAX_SOLUTION_LENGTH = 4000

_WORD = re.compile(
    r"\s*([hv][1-5])\.\s*([a-z]+)\s*(?:\(\s*(?:certain|high|medium|low)\s*\)\s*)?", re.IGNORECASE | re.ASCII
)


class Crosswords:
    """Find ten words of five letters that fit ten clues and cross each other."""

    name = "crosswords"
    version = "1"
    summary = "Mini crosswords of 5 by 5 letters: five words across and five down, a clue for each."
    example = (
        "h1. Theft or fraud; h2. Sour yellow fruit; h3. What is typed in; h4. Not true; h5. Pilot, or leaflet; "
        "v1. Steep rock by the sea; v2. Of the kidneys; v3. To suggest; v4. What a cat chases; v5. To go in"
    )
    depth = 2 * SIDE - 1
    """All words across, or all down, fill the board: eight words leave a cell empty at most, nine do not."""
    checked = False
    longest_thought = MAX_LINE_LENGTH
    longest_answer = 0
    """A prompt without an answer shows an empty board, which is as long as a full one."""

    def normalize(self, problem: str) -> str:
        """Return the ten clues in one line."""
        return show_clues(_clues(problem))

    def propose_prompt(self, state: State, style: PromptStyle, method: Method = Method.STEP) -> Prompt:
        """Ask for words to fill in, or for the whole board."""
        clues, board = _puzzle(state)
        if method is Method.DIRECT:
            return Prompt(prompts.direct(clues, board, style), stop=("\n",))
        if method is Method.CHAIN:
            return Prompt(prompts.chain(clues, state.steps, style), stop=("\n\n",))
        return Prompt(prompts.propose(clues, board, style), stop=("\n\n",))

    def parse_thought(self, state: State, line: str, *, trust: bool) -> Proposal:  # noqa: ARG002 - it claims nothing
        """Read `h1. CRIME`. How sure the model says it is, as in `h1. CRIME (high)`, is left to the evaluator."""
        _, board = _puzzle(state)
        name, word = _read_word(line)
        try:
            filled = write(board, name, word)
        except ValueError as error:
            raise IllegalThought(str(error)) from error
        answer = show_board(filled) if is_full(filled) else None
        return Proposal(f"{name}. {word}", _key(state, filled), answer=answer)

    def parse_solution(self, state: State, text: str) -> Proposal:
        """Read the board at the end of a chain, or the board alone."""
        try:
            board = read_board(read_solution(text, answer_limit=MAX_ANSWER_LENGTH, limit=MAX_SOLUTION_LENGTH))
        except ValueError as error:
            raise MalformedThought(f"no board: {error}") from error
        return Proposal(text.strip(), _key(state, board), answer=show_board(board))

    def value_prompt(self, state: State, style: PromptStyle) -> Prompt:
        """Ask whether the open words can still be found."""
        text = prompts.value(*_puzzle(state), style)
        if style is PromptStyle.BARE:
            return Prompt(text, labels=LABELS)
        return Prompt(text, stop=("\n\n",))

    def parse_value(self, text: str) -> Label | None:
        """Read the last label in the text."""
        return read_label(text)

    def value_by_rule(self, state: State) -> Label | None:
        """Leave it to the model: letters never clash, since a word that does not fit is no thought."""
        _puzzle(state)
        return None

    def validate(self, problem: str, answer: str) -> tuple[Verdict, str] | None:
        """Refuse what is no full board; leave the rest to the model, since letters in all cells always cross."""
        _clues(problem)
        try:
            _read_answer(answer)
        except (MalformedThought, ValueError) as error:
            return Verdict.IMPOSSIBLE, f"no board: {error}"
        return None

    def validate_prompt(self, problem: str, answer: str, style: PromptStyle) -> Prompt:
        """Ask whether each word fits its clue."""
        try:
            board = _read_answer(answer)
        except (MalformedThought, ValueError):
            board = BLANK
        return Prompt(
            prompts.validate(_clues(problem), board, style),
            stop=("\n",) if style is PromptStyle.BARE else ("\n\n",),
        )

    def parse_verdict(self, text: str) -> Verdict | None:
        """Read the verdict at the beginning of the last line."""
        return read_verdict(text)


def _clues(problem: str) -> Clues:
    try:
        return read_clues(problem)
    except ValueError as error:
        raise InvalidProblem(f"{error}; such as 'h1. Theft or fraud; h2. Sour yellow fruit; ...'") from error


def _puzzle(state: State) -> tuple[Clues, str]:
    """Return the clues, and the board that the steps lead to. `InvalidInput` if there is none."""
    try:
        clues, board = read_clues(state.problem), BLANK
        for step in state.steps:
            board = write(board, *_read_word(step))
    except (ValueError, MalformedThought, IllegalThought) as error:
        raise InvalidInput(f"the state has no board: {error}", field="state") from error
    return clues, board


def _read_word(line: str) -> tuple[str, str]:
    """Read a place and its word. Raises `MalformedThought` or `IllegalThought`."""
    refuse_longer(line, MAX_LINE_LENGTH)
    match = _WORD.fullmatch(line)
    if match is None:
        raise MalformedThought("not of the form h1. WORD")
    if len(match[2]) != SIDE:
        raise IllegalThought(f"{match[2].upper()} has {len(match[2])} letters, not {SIDE}")
    return match[1].lower(), match[2].upper()


def _read_answer(answer: str) -> str:
    """Read a full board. Raises `MalformedThought` or `ValueError`."""
    refuse_longer(answer, MAX_ANSWER_LENGTH)
    return read_board(answer)


def _key(state: State, board: str) -> str:
    """Return what tells states apart: of a board that is not full, the full words are those that were filled in."""
    return f"{state.problem}\n{board}"
