"""Every task but the Game of 24, end to end: a small scripted player, two strategies, both styles, a right answer."""

import random
from fractions import Fraction
from itertools import permutations

import pytest
from fleet import fleet, solve

from services.adapters.llm.scripted import ScriptedModel
from services.core.thought import Verdict
from services.plugins import find_task
from services.tasks._arithmetic import OPERATORS
from services.tasks.crosswords.puzzle import PLACES

STRATEGIES = ("bfs", "dfs")
STYLES = ("BARE", "FEW_SHOT")
LINES = 8


def _say(prompt, options, chance):
    """Some of the lines: one in the bare style, several in the few-shot style, now and then one that is none."""
    return "\n".join(chance.choices([*options, "I do not know"], k=LINES if "possible" in prompt.lower() else 1))


def _is_no_step(prompt):
    """Whether it asks for a judgement, or for the whole way: who takes any step knows of neither."""
    return not prompt.endswith(("Next:\n", "Possible next steps:\n"))


def play_countdown(prompt, seed):
    """Any step, good or bad."""
    if _is_no_step(prompt):
        return " likely"
    numbers = prompt.rpartition("Input: ")[2].partition(" -> ")[0].split()
    lines = []
    for i, j in permutations(range(len(numbers)), 2):
        a, b = Fraction(numbers[i]), Fraction(numbers[j])
        left = [number for k, number in enumerate(numbers) if k not in (i, j)]
        lines += [
            f"{a} {sign} {b} = {made} (left: {' '.join([*left, str(made)])})"
            for sign, made in ((sign, apply(a, b)) for sign, apply in OPERATORS.items() if b or sign != "/")
        ]
    return _say(prompt, lines, random.Random(f"{seed} {prompt}"))


def play_sudoku(prompt, seed):
    """A digit that fits in the row, mostly of the emptiest cells; the rest is up to the rules."""
    if _is_no_step(prompt):
        return " likely"
    rows = [line.split() for line in prompt.rpartition("Board:\n")[2].splitlines()[:-1]]
    lines = [
        f"r{r}c{c} = {digit}"
        for r, row in enumerate(rows, 1)
        for c, cell in enumerate(row, 1)
        for digit in map(str, range(1, len(rows) + 1))
        if cell == "." and digit not in row and digit not in (other[c - 1] for other in rows)
    ]
    return _say(prompt, lines, random.Random(f"{seed} {prompt}"))


def play_sorting(prompt, seed):
    """Any step on the parts; one in four loses the last number."""
    if _is_no_step(prompt):
        return " likely"
    chance = random.Random(f"{seed} {prompt}")

    def order(text):
        numbers = sorted(map(int, text.split()))
        return " ".join(map(str, numbers[:-1] if chance.random() < 0.25 and len(numbers) > 2 else numbers))

    parts = [line.partition(": ")[::2] for line in prompt.rpartition("Parts:\n")[2].splitlines()[:-1]]
    lines = []
    for kind, text in parts:
        words = text.split()
        if kind == "unsorted" and len(words) > 4:
            middle = len(words) // 2
            lines.append(f"split {text} -> {' '.join(words[:middle])} | {' '.join(words[middle:])}")
        if kind == "unsorted" and len(words) <= 4:
            lines.append(f"sort {text} -> {order(text)}")
        if kind == "wrong":
            wrong, _, of = text.partition(" of ")
            lines.append(f"fix {wrong} -> {order(of)}")
    done = [text for kind, text in parts if kind == "sorted"]
    lines += [f"merge {one} | {other} -> {order(f'{one} {other}')}" for one, other in permutations(done, 2)]
    return _say(prompt, lines, chance)


CROSSWORDS = {
    find_task("crosswords").example: "CRIME LEMON INPUT FALSE FLYER",
    "h1. Smell; h2. Light boat; h3. Setting of fires; h4. To wake; h5. Ships of a navy; v1. Worn round the neck; "
    "v2. Sung in December; v3. To follow; v4. Hangman's loop; v5. Belief": "SCENT CANOE ARSON ROUSE FLEET",
}
"""Of each, the only board that the player's judge accepts."""


def play_crosswords(prompt, seed):
    """Right words and a few wrong ones, of which some lead astray; a judge who knows the right board."""
    shown = prompt[max(prompt.rfind("Clues:\n"), prompt.rfind("Words:\n")) :]
    [across] = [answer.split() for problem, answer in CROSSWORDS.items() if problem[:9] in shown]
    words = dict(zip(PLACES, (*across, *map("".join, zip(*across, strict=True))), strict=True))
    if shown.startswith("Words:\n"):
        right = all(f": {word}\n" in shown for word in words.values())
        return "certain" if right else "impossible"
    if _is_no_step(prompt):
        known = [line.split(". ") for line in shown.partition("Letters:\n")[2].splitlines()[: len(PLACES)]]
        fits = all(
            letter in ("_", right)
            for name, letters in known
            for letter, right in zip(letters.split(), words[name], strict=True)
        )
        return "likely" if fits else "impossible"
    wrong = [f"{name}. {word[:4]}Z" for name, word in words.items()]
    right = [f"{name}. {word} (high)" for name, word in words.items()]
    return _say(prompt, [*right, *right, *wrong], random.Random(f"{seed} {prompt}"))


GAMES = {
    "crosswords": (play_crosswords, tuple(CROSSWORDS)),
    "countdown": (play_countdown, ("25 2 7 3 -> 53", "1 3 7 9 -> 30")),
    "sorting": (play_sorting, ("3 1 4 1 5 9 2 6 5 3", "40 7 999 0 12 7 3 3 65 21 8 8 90")),
    "sudoku": (play_sudoku, ("..1. 3... 4... ..2.", "1234 341. 2143 43..")),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", GAMES)
async def test_a_search_finds_a_right_answer(name, strategy, style):
    play, problems = GAMES[name]
    task = find_task(name)
    async with fleet(ScriptedModel(play)) as target:
        for problem in problems:
            run = await solve(target, problem, task=name, strategy=strategy, prompt_style=f"PROMPT_STYLE_{style}",
                              budget={"completion_tokens": 200_000})  # fmt: skip
            assert run.status == "SOLVED", run.result
            judged = task.validate(run.accepted.problem, run.result.answer)
            if task.checked:
                assert judged[0] is Verdict.CERTAIN
            else:
                assert judged is None, "the player's judge has found it right"
            assert len(run.result.steps) <= task.depth


@pytest.mark.parametrize("name", GAMES)
async def test_a_problem_that_cannot_be_read_is_refused(name):
    async with fleet() as target:
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            await solve(target, "no problem of this task", task=name)


@pytest.mark.parametrize("name", GAMES)
async def test_branches_that_meet_are_merged(name):
    play, (problem, _) = GAMES[name]
    options = {"settings": {"beam_width": 20, "samples": 4}, "prompt_style": "PROMPT_STYLE_FEW_SHOT"}
    async with fleet(ScriptedModel(play)) as target:
        run = await solve(target, problem, task=name, strategy="bfs", budget={"completion_tokens": 200_000}, **options)
    assert run.status == "SOLVED", run.result
    assert run.result.progress.merged > 0


async def test_a_list_with_a_mistake_is_fixed_on_the_way():
    def forget(prompt, seed):
        """Lose a number in every merge."""
        lines = play_sorting(prompt, seed).splitlines()
        return "\n".join(line.rpartition(" ")[0] if line.startswith("merge") else line for line in lines)

    async with fleet(ScriptedModel(forget)) as target:
        run = await solve(target, GAMES["sorting"][1][1], task="sorting", strategy="dfs")
    assert run.status == "SOLVED", run.result
    verbs = [step.partition(" ")[0] for step in run.result.steps]
    assert verbs.count("fix") == verbs.count("merge") > 0


async def test_a_board_that_the_judge_refuses_is_no_answer_and_the_search_goes_back():
    def stray(prompt, seed):
        """Always name a word with a wrong last letter too, and like it best until the board is full."""
        said = play_crosswords(prompt, seed)
        if prompt.endswith("Possible next steps:\n"):
            right = [line for line in said.splitlines() if not line.endswith("Z")]
            return "\n".join(["h5. FLYEZ", "v5. ENTEZ", *right])
        return said if "Words:\n" in prompt else "sure" if prompt.endswith("Z\n") else "likely"

    problem = GAMES["crosswords"][1][0]
    async with fleet(ScriptedModel(stray)) as target:
        run = await solve(target, problem, task="crosswords", prompt_style="PROMPT_STYLE_FEW_SHOT",
                          budget={"completion_tokens": 200_000})  # fmt: skip
    assert run.accepted.strategy == "dfs"
    assert (run.status, run.result.answer) == ("SOLVED", CROSSWORDS[problem])
    verdicts = [each.validated.verdict for each in run.log if each.HasField("validated")]
    assert len(verdicts) > 1, "the first board has a wrong letter"
