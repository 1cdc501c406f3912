"""What every task reads in the same way from what a model says: labels, and answers."""

import re

from services.core.task import MalformedThought
from services.core.thought import Label

LABELS = tuple(label.value for label in Label)

_LABEL = re.compile(rf"\b({'|'.join(LABELS)})\b", re.IGNORECASE | re.ASCII)
_ANSWER = re.compile(r"\s*answer:\s*(\S.*)", re.IGNORECASE)


def read_label(text: str) -> Label | None:
    """Return the last label in the text; None if it has none."""
    labels = _LABEL.findall(text)
    return Label(labels[-1].lower()) if labels else None


def refuse_longer(text: str, limit: int) -> None:
    """Raise `MalformedThought` if the text is longer than `limit` characters."""
    if len(text) > limit:
        raise MalformedThought(f"longer than {limit} characters")


def read_answer(line: str, *, limit: int) -> str:
    """Return what follows `Answer:`, with single spaces.

    `MalformedThought` if it is not there, or is too long for `Answer: ...` to be a line within the limit.
    """
    match = _ANSWER.match(line)
    if match is None:
        raise MalformedThought("not of the form Answer: ...")
    answer = " ".join(match[1].split())
    refuse_longer(f"Answer: {answer}", limit)
    return answer


def read_solution(text: str, *, answer_limit: int, limit: int) -> str:
    """Return the answer of a whole completion: what follows `Answer:` in its last line, or else that line itself."""
    refuse_longer(text, limit)
    *_, last = text.strip().splitlines() or [""]
    return read_answer(f"Answer: {last.rpartition('Answer:')[2]}", limit=answer_limit)
