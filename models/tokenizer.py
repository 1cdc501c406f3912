"""A byte-level BPE whose merges are written by hand: the integers 0 to 199 and the labels are one token each."""

import json
import re
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

SPECIAL = ("<s>", "</s>", "<pad>")
BOS, EOS, PAD = range(3)

NUMBERS = tuple(map(str, range(200)))
OPERATORS = (" +", " -", " *", " /", " =", " (")
LABELS = (" sure", " likely", " impossible")
WORDS = (
    *("Input", "Next", "Steps", "Value", "Answer", "left", "Goal"),
    *("sure", "likely", "impossible", "Possible", " next", " steps", "Evaluate", " if", " given", " numbers", " can"),
    *(" reach", "I", " cannot", " at", " once", ",", " but", " the", " are", " of", " a", " good", " size", "the"),
    *(" all", " too", " small", " big", "no", " step", " makes", "Use", " and", " basic", " arithmetic", " operations"),
    *(" to", " obtain", "Each", " you", " only", " allowed", " choose", " two", " remaining", " new", " number", "))"),
)

# GPT-2's way to split text before merging, written for `re`: letters, digits and the rest apart, one space in front.
_SPLIT = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")


@cache
def _alphabet() -> dict[int, str]:
    """Return GPT-2's printable character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


class Tokenizer:
    """Text to token ids and back; `save` writes the same tokenizer for transformers, vLLM and llama.cpp."""

    def __init__(self) -> None:
        self.tokens: list[str] = [*SPECIAL, *sorted(_alphabet().values())]
        self.merges: dict[tuple[str, str], int] = {}
        self._cache: dict[str, list[int]] = {}
        for word in (*(f" {n}" for n in NUMBERS), *NUMBERS, *OPERATORS, *LABELS, *WORDS):
            self._learn(word)
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def _learn(self, word: str) -> None:
        """Add the merges that make `word` one token.

        They join the pieces that the merges so far leave, and come after those, so words learned before stay whole.
        """
        pieces = self._merge(word)
        while len(pieces) > 1:
            self.merges[pieces[0], pieces[1]] = len(self.merges)
            if pieces[0] + pieces[1] not in self.tokens:
                self.tokens.append(pieces[0] + pieces[1])
            pieces = self._merge(word)

    def _merge(self, word: str) -> list[str]:
        pieces = [_alphabet()[byte] for byte in word.encode()]
        while ranks := {self.merges[pair]: i for i, pair in enumerate(pairwise(pieces)) if pair in self.merges}:
            i = ranks[min(ranks)]
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        return pieces

    def encode(self, text: str) -> list[int]:
        """Return the token ids of plain text, without BOS or EOS."""
        return [token for word in _SPLIT.findall(text) for token in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        if word not in self._cache:
            self._cache[word] = [self._ids[piece] for piece in self._merge(word)]
        return self._cache[word]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of the ids; special tokens are left out."""
        byte = {character: byte for byte, character in _alphabet().items()}
        text = "".join(self.tokens[i] for i in ids if i >= len(SPECIAL))
        return bytes(byte[character] for character in text).decode(errors="replace")

    def save(self, path: Path) -> None:
        """Write `tokenizer.json` in the format of Hugging Face's tokenizers."""
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        tokenizer = {
            "version": "1.0",
            "added_tokens": [{"id": i, "content": token, **flags} for i, token in enumerate(SPECIAL)],
            "pre_tokenizer": byte_level,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": self._ids,
                "merges": [list(pair) for pair in self.merges],
            },
        }
        path.write_text(json.dumps(tokenizer, ensure_ascii=False))
