"""Measure the weights on held-out puzzles: `python -m models.evaluate`.

Two parts: how good single thoughts, values and expressions are, and how far plain sampling gets without a search. The
searches themselves are measured through the product, by `kot bench`.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from models.data import training_roots
from models.llama import Completion, Llama
from models.states import TARGET, Chain, State, read_puzzles, show, steps, visits, wins
from services.core.task import PromptStyle
from services.tasks._arithmetic import ExpressionError, evaluate
from services.tasks.game24 import prompts

MODELS = Path(__file__).parent
WEIGHTS = MODELS / "thought-model.gguf"
BARE = PromptStyle.BARE
SAMPLES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one method did with all puzzles under one seed; tokens are a mean over the puzzles."""

    method: str
    seed: int
    puzzles: int
    solved: float
    """Expected count: for a single sample, the mean over all samples drawn."""
    tokens: float


def is_answer(text: str, root: State) -> bool:
    """Tell whether the text ends in `Answer: EXPRESSION = 24` with each number of the root used once."""
    expression, equals, result = text.rpartition("Answer:")[2].partition("=")
    try:
        value, numbers = evaluate(expression.strip())
    except ExpressionError:
        return False
    return bool(equals) and result.strip() == "24" and value == TARGET and sorted(numbers) == list(root)


def auc(scores: Iterable[tuple[float, bool]]) -> float:
    """Return the chance that a winning state scores above a losing one; ties count half."""
    scored = list(scores)
    good = [score for score, wins in scored if wins]
    bad = [score for score, wins in scored if not wins]
    return mean((g > b) + (g == b) / 2 for g in good for b in bad)


def value(llama: Llama, state: State) -> float:
    """Return the score that the search uses: the chance of `sure`, and half the chance of `likely`."""
    chances = llama.labels(prompts.value(show(state), BARE))
    return chances["sure"] + chances["likely"] / 2


def value_quality(llama: Llama, roots: list[State]) -> dict[str, float]:
    """Return the AUC over the three-number states below the roots, apart for those that no training root reaches."""
    trained = visits(training_roots()).keys()
    states = sorted({step.state for root in roots for step in steps(root)})
    scored = {state: (value(llama, state), wins(state)) for state in states}
    unseen_winning = [score for state, (score, winning) in scored.items() if state not in trained and winning]
    return {
        "seen_states": sum(state in trained for state in states),
        "unseen_states": sum(state not in trained for state in states),
        "unseen_winning_states": len(unseen_winning),
        "unseen_winning_states_scored_above_half": mean(score > 0.5 for score in unseen_winning),
        "auc_seen": auc(score for state, score in scored.items() if state in trained),
        "auc_unseen": auc(score for state, score in scored.items() if state not in trained),
    }


def thought_quality(llama: Llama, roots: list[State], seed: int, beam: int = 5, samples: int = 8) -> dict[str, float]:
    """Measure legal thoughts by numbers left, and right expressions on right chains, along a plain beam search."""
    legal: Counter[int] = Counter()
    drawn: Counter[int] = Counter()
    right, chains = 0, 0
    for number, root in enumerate(roots):
        frontier: dict[State, Chain] = {root: ()}
        for size in (4, 3, 2):
            found: dict[State, Chain] = {}
            for state, chain in frontier.items():
                known = {str(step): step for step in steps(state)}
                for thought in llama.sample(prompts.propose(show(state), BARE), samples, seed=seed * 1000 + number):
                    drawn[size] += 1
                    if thought.text in known:
                        legal[size] += 1
                        found[known[thought.text].state] = (*chain, known[thought.text])
            scores = {state: value(llama, state) if size > 2 else float(wins(state)) for state in found}
            frontier = {state: found[state] for state in sorted(found, key=lambda state: -scores[state])[:beam]}
        if chain := frontier.get((TARGET,), ()):
            answers = llama.sample(prompts.chain(show(root), tuple(map(str, chain)), BARE), 4, seed=seed)
            right += sum(is_answer(answer.text, root) for answer in answers)
            chains += len(answers)
    shares = {f"legal_of_{size}": legal[size] / drawn[size] for size in (4, 3, 2)}
    return shares | {"right_expressions": right / max(chains, 1)}


def sampling(llama: Llama, roots: list[State], seed: int) -> list[Figure]:
    """Measure input-output and chain of thought: one sample, a majority, and sampling until an answer is right."""
    figures: list[Figure] = []
    for name, build in (("IO", prompts.direct), ("CoT", lambda numbers, style: prompts.chain(numbers, (), style))):
        drawn = {root: _sample(llama, build, root, seed) for root in roots}
        ok = {root: [is_answer(_with_answer(c.text), root) for c in some] for root, some in drawn.items()}
        tokens = {root: mean(c.tokens for c in some) for root, some in drawn.items()}

        def add(method: str, solved: Iterable[float], spent: Iterable[float]) -> None:
            figures.append(Figure(method=method, seed=seed, puzzles=len(roots), solved=sum(solved), tokens=mean(spent)))

        add(name, (mean(ok[root]) for root in roots), tokens.values())
        if name == "CoT":
            majority = (is_answer(_majority(drawn[root]), root) for root in roots)
            add(f"CoT-SC, {SAMPLES}", majority, (SAMPLES * tokens[root] for root in roots))
        for limit in (10, SAMPLES):
            spent = [sum(c.tokens for c in drawn[r][: _until(ok[r], limit)]) for r in roots]
            add(f"{name} until valid, at most {limit}", (any(ok[root][:limit]) for root in roots), spent)
    return figures


def _sample(llama: Llama, build: Callable[[str, PromptStyle], str], root: State, seed: int) -> list[Completion]:
    place = random.Random(f"{seed} {root}").randrange(1_000_000)
    return llama.sample(build(show(root), BARE), SAMPLES, seed=place)


def _with_answer(text: str) -> str:
    return text if "Answer:" in text else f"Answer:{text}"


def _majority(completions: list[Completion]) -> str:
    ((answer, _),) = Counter(c.text.rpartition("Answer:")[2] for c in completions).most_common(1)
    return f"Answer:{answer}"


def _until(ok: list[bool], limit: int) -> int:
    return min(ok.index(True) + 1 if True in ok else limit, limit)


def main() -> None:
    """Print the figures, and write them for `models.figures`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--puzzles", default="dev", help="name of a file in models/puzzles")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=MODELS / "results")
    arguments = parser.parse_args()
    llama = Llama(arguments.weights)
    roots = read_puzzles(arguments.puzzles)
    quality = value_quality(llama, roots)
    per_seed = [thought_quality(llama, roots, seed) for seed in range(arguments.seeds)]
    quality |= {name: mean(each[name] for each in per_seed) for name in per_seed[0]}
    print(json.dumps(quality, indent=2))
    figures = [asdict(figure) for seed in range(arguments.seeds) for figure in sampling(llama, roots, seed)]
    print(json.dumps(figures, indent=2))
    arguments.out.mkdir(exist_ok=True)
    (arguments.out / f"{arguments.puzzles}-quality.json").write_text(json.dumps(quality, indent=2) + "\n")
    (arguments.out / f"{arguments.puzzles}-sampling.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
