"""Training from nothing learns, and repeats."""

import pytest

REASON = "torch is missing: pip install -e '.[train]', then make test-all"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("safetensors", reason=REASON)

from models.data import examples  # noqa: E402
from models.model import ModelConfig, ThoughtModel  # noqa: E402
from models.states import parse  # noqa: E402
from models.tokenizer import Tokenizer  # noqa: E402
from models.train import Recipe, Table, held_out_losses, train  # noqa: E402

pytestmark = pytest.mark.heavy
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tables():
    roots = [parse("1 3 4 6"), parse("2 8 8 13")]
    return {kind: Table(examples(kind, roots), Tokenizer(), CPU) for kind in ("propose", "value", "chain")}


def run(tables, steps):
    torch.manual_seed(0)
    model = ThoughtModel(ModelConfig(len(Tokenizer().tokens), width=32, layers=2, heads=2, hidden=64))
    recipe = Recipe(steps=steps, scale=1, learning_rate=1e-2, warmup=2)
    train(model, recipe, tables, {})
    return model


def test_a_short_training_lowers_every_loss(tables):
    before, after = (held_out_losses(run(tables, steps), tables) for steps in (1, 12))
    assert all(after[kind] < 0.9 * before[kind] for kind in tables)


def test_two_steps_twice_give_equal_weights(tables):
    first, second = (run(tables, 2).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
