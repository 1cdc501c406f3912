"""What creative writing asks of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general models: what the paper asks for, without examples, as there. `PromptStyle.BARE` is
the same format without instructions, for a model that was trained on it; the embedded one was not. The sentences come
first, since they stay the same throughout a search, and what is judged comes last, so that an engine's prefix cache is
reused.
"""

from collections.abc import Sequence

from services.core.task import PromptStyle

_RULES = """\
Four sentences are given. They are to become the last sentences of the four short paragraphs of one coherent passage: \
paragraph 1 ends with sentence 1, paragraph 2 with sentence 2, and so on, each copied word for word.
"""

_PLAN = (
    _RULES
    + """\
Do not write the passage yet. Write a plan in a few lines: who and what it is about, and for each paragraph what \
happens in it, so that its sentence comes naturally.

"""
)

_PASSAGE = (
    _RULES
    + """\
Write the passage, as the plan says if there is one. Leave an empty line between paragraphs, and write nothing else.

"""
)

_CHAIN = (
    _RULES
    + """\
Make a plan of a few lines first, then write the word "Passage:" on a line of its own, and below it the passage, with \
an empty line between paragraphs.

"""
)

_VALUE = (
    _RULES
    + """\
A plan for such a passage is judged. Say in one or two sentences whether one story leads through all four paragraphs. \
Then write one word on a line of its own: sure, likely or impossible, for how surely the passage will be coherent.

"""
)

_VOTE_PLAN = (
    _RULES
    + """\
Several plans for such a passage are compared. Say in a few sentences which of them will make the most coherent \
passage, and why. Then write a last line: "Best:" and the number of that choice.

"""
)

_VOTE_PASSAGE = (
    _RULES
    + """\
Several such passages are compared. Say in a few sentences which of them is the most coherent, and why. Then write a \
last line: "Best:" and the number of that choice.

"""
)

_VALIDATE = """\
A passage of four paragraphs is rated for coherency: 10 if one story or thought leads through all of it and every \
sentence follows from what comes before, 1 if the paragraphs have nothing to do with each other. Say in one or two \
sentences what holds the passage together and what does not. Then write a last line: "Coherency:" and a whole number \
from 1 to 10.

"""


def plan(sentences: Sequence[str], style: PromptStyle) -> str:
    """Ask for a plan."""
    return f"{_instruct(_PLAN, style)}{_show(sentences)}Plan:\n"


def passage(sentences: Sequence[str], plan: str, style: PromptStyle) -> str:
    """Ask for the passage; `plan` may be empty."""
    outline = f"Plan:\n{plan}\n\n" if plan else ""
    return f"{_instruct(_PASSAGE, style)}{_show(sentences)}{outline}Passage:\n"


def chain(sentences: Sequence[str], style: PromptStyle) -> str:
    """Ask for a plan and the passage."""
    return f"{_instruct(_CHAIN, style)}{_show(sentences)}Plan:\n"


def value(sentences: Sequence[str], plan: str, style: PromptStyle) -> str:
    """Ask what a plan is worth: the label is the first token (bare) or the last line (few-shot)."""
    return f"{_instruct(_VALUE, style)}{_show(sentences)}Plan:\n{plan}\n\nValue:{_end(style)}"


def vote(sentences: Sequence[str], choices: Sequence[str], style: PromptStyle, *, of_plans: bool) -> str:
    """Ask for the best plan, or passage: its number is the first token (bare) or at the end of the last line."""
    listed = "".join(f"Choice {number}:\n{choice}\n\n" for number, choice in enumerate(choices, start=1))
    return f"{_instruct(_VOTE_PLAN if of_plans else _VOTE_PASSAGE, style)}{_show(sentences)}{listed}Best:{_end(style)}"


def validate(passage: str, style: PromptStyle) -> str:
    """Ask how coherent a passage is: the score is the first token (bare) or at the end of the last line."""
    return f"{_instruct(_VALIDATE, style)}Passage:\n{passage}\n\nCoherency:{_end(style)}"


def _instruct(text: str, style: PromptStyle) -> str:
    return "" if style is PromptStyle.BARE else text


def _show(sentences: Sequence[str]) -> str:
    listed = "".join(f"{number}. {sentence}\n" for number, sentence in enumerate(sentences, start=1))
    return f"Sentences:\n{listed}\n"


def _end(style: PromptStyle) -> str:
    return "" if style is PromptStyle.BARE else "\n"
