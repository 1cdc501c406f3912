"""Measure whether the weights keep to the formats of the few-shot prompts: `python -m models.few_shot`.

The model is made for the bare prompts; after the long ones it need not be right, but what it says has to be readable.
"""

import argparse
import json
from collections import Counter

from models.evaluate import WEIGHTS
from models.llama import Llama
from models.states import read_puzzles, show, steps
from services.core.task import IllegalThought, MalformedThought, PromptStyle
from services.core.thought import State
from services.tasks._replies import LABELS
from services.tasks.game24 import TASK, prompts

FEW_SHOT = PromptStyle.FEW_SHOT
TOKENS = 150
"""Of one completion: with a prompt of up to 390 tokens, what fits into the evaluation's context."""


def read_lines(problem: str, text: str) -> Counter[str]:
    """Count the lines of a proposal as the product's parser reads them; the last one may be cut and is left out."""
    counts: Counter[str] = Counter()
    for line in filter(str.strip, text.split("\n")[:-1]):
        try:
            TASK.parse_thought(State(problem), line, trust=False)
        except MalformedThought:
            counts["malformed"] += 1
        except IllegalThought:
            counts["illegal"] += 1
        else:
            counts["legal"] += 1
    return counts


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puzzles", default="dev", help="name of a file in models/puzzles")
    parser.add_argument("--limit", type=int, default=40)
    arguments = parser.parse_args()
    llama = Llama(WEIGHTS)
    lines: Counter[str] = Counter()
    labelled = 0
    roots = read_puzzles(arguments.puzzles)[: arguments.limit]
    for seed, root in enumerate(roots):
        (proposal,) = llama.sample(prompts.propose(show(root), FEW_SHOT), 1, seed=seed, max_tokens=TOKENS)
        lines += read_lines(show(root), proposal.text)
        after_one_step = show(steps(root)[0].state)
        (value,) = llama.sample(prompts.value(after_one_step, FEW_SHOT), 1, seed=seed, max_tokens=TOKENS)
        *_, last = value.text.strip().split("\n")
        labelled += last.strip() in LABELS
    print(json.dumps({"puzzles": len(roots), "values_that_end_in_a_label": labelled, "lines": lines}, indent=2))


if __name__ == "__main__":
    main()
