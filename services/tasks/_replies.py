"""What every task reads in the same way from what a model says: labels, and answers."""

import re

from services.core.task import MalformedThought
from services.core.thought import Label, Verdict

LABELS = tuple(label.value for label in Label)

_LABEL = re.compile(rf"\b({'|'.join(LABELS)})\b", re.IGNORECASE | re.ASCII)
_VERDICTS = {
    "certain": Verdict.CERTAIN,
    "sure": Verdict.CERTAIN,
    "yes": Verdict.CERTAIN,
    "impossible": Verdict.IMPOSSIBLE,
    "no": Verdict.IMPOSSIBLE,
}
_VERDICT = re.compile(rf"(?:.*:)?\W*({'|'.join(_VERDICTS)})\b", re.IGNORECASE | re.ASCII)
_VOTE = re.compile(r"(?:.*\bbest\b[^0-9]*|\W*(?:choice)?\W*)([0-9]{1,3})\b", re.IGNORECASE | re.ASCII)
_ANSWER = re.compile(r"\s*answer:\s*(\S.*)", re.IGNORECASE)


def read_label(text: str) -> Label | None:
    """Return the last label in the text; None if it has none."""
    labels = _LABEL.findall(text)
    return Label(labels[-1].lower()) if labels else None


def read_vote(text: str, count: int) -> int | None:
    """Return which of `count` choices the text's last line names: after "best", or at its beginning; None if none."""
    *_, last = text.strip().splitlines() or [""]
    match = _VOTE.match(last)
    return int(match[1]) if match and 1 <= int(match[1]) <= count else None


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


def read_verdict(text: str) -> Verdict | None:
    """Return the verdict at the beginning of the text's last line, or after a colon there; None if it has none.

    Only there, because "I am not certain" is no certainty.
    """
    *_, last = text.strip().splitlines() or [""]
    match = _VERDICT.match(last)
    return _VERDICTS[match[1].lower()] if match else None
