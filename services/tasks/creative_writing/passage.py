"""Sentences, plans and passages: how they are read, and the rule that a program can check."""

import re
from collections.abc import Sequence

from services.core.task import IllegalThought, MalformedThought

PARAGRAPHS = 4
MAX_SENTENCE_LENGTH = 400
MAX_PLAN_BYTES = 2000
MAX_PASSAGE_BYTES = 4000

_OPENING, _CLOSING = "\"'(\u2018\u201c", "\"')\u2019\u201d"
"""Quotes, straight and typographic."""
_BETWEEN_SENTENCES = re.compile(rf"(?:(?<=[.!?])|(?<=[.!?][{_CLOSING}]))\s+(?=[{_OPENING}]?[A-Z0-9])")
_BETWEEN_PARAGRAPHS = re.compile(r"\n\s*\n")
_PLAN = re.compile(r"(?:\W*plan\s*:\s*)+", re.IGNORECASE)
_PASSAGE = re.compile(r"^[^\w\n]*passage\W*:\W*", re.IGNORECASE | re.MULTILINE)
_BREAK = "¶"
"""Between paragraphs, where a passage is one line."""
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


def read_sentences(text: str) -> tuple[str, ...]:
    """Return the four sentences of a problem, one a line or all in one. Raises `ValueError`."""
    lines = [_squeezed(line) for line in text.splitlines() if line.strip()]
    sentences = _BETWEEN_SENTENCES.split(lines[0]) if len(lines) == 1 else lines
    if len(sentences) != PARAGRAPHS:
        raise ValueError(f"{PARAGRAPHS} sentences are wanted, not {len(sentences)}: give each a line of its own")
    for sentence in sentences:
        if not _says_something(sentence):
            raise ValueError(f"{sentence[:32]!r} is no sentence")
        if len(sentence) > MAX_SENTENCE_LENGTH:
            raise ValueError(f"a sentence has {MAX_SENTENCE_LENGTH} characters at most, not {len(sentence)}")
    return tuple(sentences)


def read_plan(text: str) -> str:
    """Return a plan as one line; what comes after it, and the word "Plan:", are left out. Raises `MalformedThought`."""
    heading = _PLAN.match(text)
    text = text[heading.end() :] if heading else text
    passage = _PASSAGE.search(text)
    return _checked(_squeezed(text[: passage.start()] if passage else text), MAX_PLAN_BYTES)


def read_passage(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a passage, or of one that was made a line. Raises `MalformedThought`.

    Empty lines part them, or, if there is none, the ends of lines do.
    """
    text = text.replace(_BREAK, "\n\n").strip()
    for heading in list(_PASSAGE.finditer(text))[-1:]:
        text = text[heading.end() :].strip()
    parts = _BETWEEN_PARAGRAPHS.split(text)
    paragraphs = [_squeezed(part) for part in (parts if len(parts) > 1 else text.split("\n"))]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    _checked(one_line(paragraphs), MAX_PASSAGE_BYTES)
    return tuple(paragraphs)


def one_line(paragraphs: Sequence[str]) -> str:
    """Return a passage as a thought has it: in one line."""
    return f" {_BREAK} ".join(paragraphs)


def check_endings(paragraphs: Sequence[str], sentences: Sequence[str]) -> None:
    """Raise `IllegalThought` if a paragraph does not end with its sentence; how quotes are typed does not matter."""
    if len(paragraphs) != len(sentences):
        raise IllegalThought(f"has {len(paragraphs)} paragraphs, not {len(sentences)}")
    for number, (paragraph, sentence) in enumerate(zip(paragraphs, sentences, strict=True), start=1):
        if not paragraph.translate(_STRAIGHT).endswith(sentence.translate(_STRAIGHT)):
            raise IllegalThought(f"paragraph {number} does not end with sentence {number}")


def _checked(text: str, most_bytes: int) -> str:
    if not _says_something(text):
        raise MalformedThought("says nothing")
    if len(text.encode()) > most_bytes:
        raise MalformedThought(f"longer than {most_bytes} bytes")
    return text


def _squeezed(text: str) -> str:
    """Return the text in one line, with single spaces."""
    return " ".join(text.split())


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))
