"""The shipped files hold one model: transformers and llama.cpp agree on it."""

from math import log

import pytest

from models.data import training_roots
from models.states import show
from models.tokenizer import LABELS, Tokenizer
from services.core.task import PromptStyle
from services.tasks.game24 import prompts

REASON = "torch or transformers is missing: pip install -e '.[train]', then make test-all"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

from models.evaluate import WEIGHTS  # noqa: E402
from models.llama import Llama  # noqa: E402

pytestmark = pytest.mark.heavy

HF = WEIGHTS.parent / "hf"
PROMPTS = [
    build(show(root), PromptStyle.BARE)
    for root in training_roots()[:700:70]
    for build in (prompts.propose, prompts.value)
]
# Both hold float16 weights; llama.cpp also rounds activations to float16, transformers computes in float32 here.
TOLERANCE = 0.05
"""Nats by which a log-probability may differ, where it is above one in a thousand."""


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(HF)


def test_transformers_reads_the_same_tokens(tokenizer):
    own = Tokenizer()
    long = [prompts.propose("2 8 8 14", PromptStyle.FEW_SHOT), prompts.value("3 5 12", PromptStyle.FEW_SHOT)]
    for text in PROMPTS + long + list(LABELS):
        assert tokenizer(text).input_ids == own.encode(text)


def test_transformers_and_llama_cpp_agree_on_twenty_prompts(tokenizer):
    assert len(PROMPTS) == 20
    model = transformers.AutoModelForCausalLM.from_pretrained(HF, dtype=torch.float32).eval()
    llama = Llama(WEIGHTS)
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer(prompt).input_ids])
        with torch.no_grad():
            ours = model(ids).logits[0, -1].log_softmax(-1)
        theirs = llama.next_token(prompt, top=10)
        likely = {token: chance for token, chance in theirs.items() if chance > 1e-3}
        assert likely
        for token, chance in likely.items():
            assert log(chance) == pytest.approx(float(ours[token]), abs=TOLERANCE), prompt
