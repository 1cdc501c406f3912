"""The tokenizer keeps numbers and labels whole."""

import json

import pytest

from models.data import KINDS, examples
from models.states import parse
from models.tokenizer import LABELS, NUMBERS, OPERATORS, Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer()


@pytest.mark.parametrize("prefix", ["", " "])
def test_every_number_is_one_token(tokenizer, prefix):
    assert [n for n in NUMBERS if len(tokenizer.encode(prefix + n)) != 1] == []


@pytest.mark.parametrize("word", [*LABELS, *OPERATORS, "sure", "likely", "impossible"])
def test_every_label_and_operator_is_one_token(tokenizer, word):
    assert len(tokenizer.encode(word)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_text_comes_back_from_its_tokens(tokenizer, kind):
    for example in list(examples(kind, [parse("1 3 4 6")]))[:200]:
        text = example.prompt + example.completion
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_prompt_ends_where_its_completion_begins(tokenizer):
    for prompt, completion in [("Input: 2 12\nValue:", " sure"), ("Input: 2 12\nNext:\n", "2 * 12 = 24 (left: 24)")]:
        whole = tokenizer.encode(prompt + completion)
        assert whole == tokenizer.encode(prompt) + tokenizer.encode(completion)


def test_the_saved_file_lists_every_merge_after_its_parts(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    assert all({left, right, left + right} <= model["vocab"].keys() for left, right in model["merges"])
    assert sorted(model["vocab"].values()) == list(range(len(tokenizer.tokens)))
