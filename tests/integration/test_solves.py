"""Solves over real gRPC with the scripted model: every strategy, every concurrency model, every way to end."""

import asyncio
import itertools

import grpc
import pytest
from fleet import SOLVABLE, UNSOLVABLE, details, fleet, refusal, solve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import four_processes

from services.adapters.llm.scripted import ScriptedModel
from services.core.budget import Price
from services.core.ports import CompletionDone, SampleDone, TextDelta
from services.core.thought import Verdict
from services.core.tree import Status
from services.plugins import STRATEGIES, find_task
from services.tasks.game24 import script
from services.testing.faulty_model import Fault, FaultyModel

BASELINES = ["io", "cot", "cot_sc", "sample_until_valid", "paper_bfs"]
SEARCHES = sorted(set(STRATEGIES.names()) - set(BASELINES))
CONCURRENCY = ("SEQUENTIAL", "LEVEL", "ASYNC")
PROBLEMS = (SOLVABLE, "4 5 6 10", "3 3 8 8", "1 4 8 8")


def assert_right(run):
    """The answer is right by the task's rule, and the steps end in it."""
    assert run.status == "SOLVED", run.result
    verdict, explanation = find_task("game24").validate(run.accepted.problem, run.result.answer)
    assert verdict is Verdict.CERTAIN, explanation
    assert run.result.steps[-1] == f"Answer: {run.result.answer}"


@pytest.mark.parametrize("concurrency", CONCURRENCY)
@pytest.mark.parametrize("strategy", SEARCHES)
async def test_every_search_finds_right_answers_in_every_concurrency_model(strategy, concurrency):
    async with fleet() as target:
        for problem in PROBLEMS:
            run = await solve(
                target, problem, strategy=strategy, concurrency=f"CONCURRENCY_MODEL_{concurrency}",
                budget={"completion_tokens": 200_000},
            )  # fmt: skip
            assert_right(run)


@pytest.mark.parametrize("strategy", BASELINES)
async def test_a_baseline_answers_rightly_or_not_at_all_and_repeats_exactly(strategy):
    async with fleet() as target:
        for problem in PROBLEMS:
            run = await solve(target, problem, strategy=strategy)
            assert run.log == (await solve(target, problem, strategy=strategy)).log
            if run.result.answer:
                assert_right(run)
            else:
                assert run.status in ("EXHAUSTED", "COMPLETION_TOKENS_SPENT")


async def test_sampling_until_valid_finds_what_can_be_found():
    async with fleet() as target:
        assert_right(await solve(target, strategy="sample_until_valid"))


async def test_a_request_with_nothing_but_a_problem_is_solved():
    async with fleet() as target:
        run = await solve(target, event_detail="EVENT_DETAIL_UNSPECIFIED", concurrency="CONCURRENCY_MODEL_UNSPECIFIED")
        assert_right(run)
        assert {message.WhichOneof("event") for message in run.messages} == {"accepted", "progress", "result"}


async def test_the_detail_that_is_asked_for_is_streamed():
    async with fleet() as target:
        quiet = await solve(target, event_detail="EVENT_DETAIL_RESULT")
        assert [message.WhichOneof("event") for message in quiet.messages] == ["accepted", "result"]
        full = await solve(target, event_detail="EVENT_DETAIL_ALL")
        assert full.kinds() >= {"proposed", "evaluated", "validated", "expanded"}


@pytest.mark.parametrize("style", ["BARE", "FEW_SHOT"])
@pytest.mark.parametrize("trust", [False, True])
async def test_every_prompt_style_solves_with_checked_and_with_trusted_arithmetic(style, trust):
    async with fleet() as target:
        run = await solve(target, prompt_style=f"PROMPT_STYLE_{style}", trust_arithmetic=trust)
        assert_right(run)


async def test_trusted_arithmetic_keeps_wrong_steps_and_only_the_validator_judges():
    def lie(prompt, _seed):
        if "Steps:\n" in prompt:
            return "Answer: 1 + 1 + 1 + 5 = 24"
        if prompt.endswith("Value:"):
            return " sure"
        left = {"1 1 1 5": "1 1 20", "1 1 20": "1 23", "1 23": "24"}[prompt.splitlines()[0].removeprefix("Input: ")]
        return f"1 + 1 = 7 (left: {left})"

    options = {"budget": {"model_calls": 30}, "strategy": "bfs", "settings": {"rollouts": 0}}
    async with fleet(FaultyModel(script=lie)) as target:
        checked = await solve(target, UNSOLVABLE, **options)
        trusted = await solve(target, UNSOLVABLE, trust_arithmetic=True, **options)
    assert sum(event.expanded.dropped.illegal for event in checked.log) > 0
    assert len(checked.tree) == 1
    assert sum(event.expanded.dropped.illegal for event in trusted.log) == 0
    assert [node.status for node in trusted.tree if node.thought.answer] == [Status.REJECTED]
    assert (checked.result.answer, trusted.result.answer) == ("", "")


async def test_the_events_add_up_to_the_tree_that_the_result_speaks_of():
    async with fleet() as target:
        for problem, strategy in itertools.product((SOLVABLE, UNSOLVABLE), SEARCHES):
            run = await solve(target, problem, strategy=strategy, budget={"completion_tokens": 30_000})
            tree, progress = run.tree, run.result.progress
            assert (len(tree), tree.merged, tree.depth) == (progress.nodes, progress.merged, progress.depth)
            answer = tree.answer
            assert (answer.thought.answer if answer else "") == run.result.answer
            if answer:
                assert "\n".join(tree.steps(answer.thought.id)) == "\n".join(run.result.steps)
            last = [message.progress for message in run.messages if message.WhichOneof("event") == "progress"][-1]
            assert last.nodes == progress.nodes


async def test_states_reached_twice_are_merged_and_reported():
    async with fleet() as target:
        run = await solve(target, UNSOLVABLE, settings={"evaluation_threshold": 0})
    merged = [node for node in run.tree if len(node.parents) > 1]
    assert merged
    assert run.result.progress.merged == sum(len(node.parents) - 1 for node in merged)
    for node in merged:
        assert all(node.thought.id in run.tree[parent].children for parent in node.parents)


async def test_dropped_lines_are_counted_by_what_is_wrong_with_them():
    def say(prompt, seed):
        if not prompt.endswith("Next:\n"):
            return " sure"
        return (
            "no step at all",
            "1 + 1 = 3 (left: 3 11 11)",
            "1 + 1 = 2 (left: 2 11 11)",
            "1 + 1 = 2 (left: 2 11 11)",
        )[seed % 4]

    async with fleet(FaultyModel(script=say)) as target:
        run = await solve(target, settings={"samples": 4}, budget={"model_calls": 5})
    first = next(event.expanded for event in run.log if event.WhichOneof("event") == "expanded")
    assert (first.dropped.malformed, first.dropped.illegal, first.dropped.duplicate) == (1, 1, 1)
    assert len([event for event in run.log if event.WhichOneof("event") == "proposed"]) >= 1


async def test_a_rejected_answer_is_sampled_again():
    """The model writes the answer wrong at first; another draw brings the right one."""
    written = []

    def say(prompt, seed):
        if "Steps:\n" in prompt:
            written.append(prompt)
            return f"Answer: {'1 + 1 + 11 + 11' if len(written) > 4 else '11 + 11 + 2'} = 24"
        if prompt.endswith("Value:"):
            return " sure"
        numbers = prompt.removeprefix("Input: ").removesuffix("\nNext:\n")
        return {
            "1 1 11 11": "1 + 1 = 2 (left: 2 11 11)",
            "2 11 11": "11 + 11 = 22 (left: 2 22)",
            "2 22": "2 + 22 = 24 (left: 24)",
        }[numbers]

    async with fleet(FaultyModel(script=say)) as target:
        for strategy in SEARCHES:
            written.clear()
            run = await solve(target, strategy=strategy)
            assert_right(run)
            assert Status.REJECTED in {node.status for node in run.tree}


async def test_the_first_certain_answer_ends_the_search():
    """Expansions that would wait for ever are left where they are."""
    model = FaultyModel()
    async with fleet(model) as target:
        run = await solve(target, concurrency="CONCURRENCY_MODEL_ASYNC")
        assert_right(run)
        assert run.log[-1].WhichOneof("event") in ("expanded", "pruned")
        assert model.in_flight == 0


# --- determinism ----------------------------------------------------------------------------------------------------


def requests():
    for strategy, concurrency in itertools.product(STRATEGIES.names(), CONCURRENCY[:2]):
        yield {
            "strategy": strategy,
            "concurrency": f"CONCURRENCY_MODEL_{concurrency}",
            "prompt_style": "PROMPT_STYLE_FEW_SHOT" if strategy == "bfs" else "PROMPT_STYLE_BARE",
            "settings": {"evaluation_threshold": 0} if strategy in SEARCHES else {},
            "budget": {"completion_tokens": 4_000},
        }


async def test_level_and_sequential_repeat_exactly_in_one_process_and_in_four(tmp_path):
    with four_processes(tmp_path, KOT_CACHE="none") as services:
        async with fleet() as target:
            for problem, request in itertools.product((SOLVABLE, UNSOLVABLE), requests()):
                here, again, there = [
                    await solve(address, problem, **request) for address in (target, target, services[0].target)
                ]
                assert here.log == again.log
                assert here.log == there.log
                assert here.status == again.status == there.status
                assert there.pods.get("proposed", set()) <= {"generator-pod"}
                assert there.pods.get("evaluated", set()) <= {"evaluator-pod"}
                assert there.pods.get("validated", set()) <= {"validator-pod"}
                assert there.accepted.pod == "orchestrator-pod"
        assert [service.end() for service in services] == [0, 0, 0, 0]


async def test_another_batch_size_changes_nothing_in_level():
    async with fleet() as target:
        logs = [(await solve(target, request_batch_size=size)).log for size in (1, 3, 256)]
    assert logs[0] == logs[1] == logs[2]


async def test_another_seed_is_another_search():
    async with fleet() as target:
        assert (await solve(target)).log != (await solve(target, seed=1)).log


async def test_solves_at_the_same_time_do_not_touch_each_other():
    async with fleet() as target:
        alone = [(await solve(target, problem)).log for problem in PROBLEMS]
        together = await asyncio.gather(*(solve(target, problem) for problem in PROBLEMS * 4))
    assert [run.log for run in together] == alone * 4


# --- budgets --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    nodes=st.integers(1, 60),
    calls=st.integers(1, 60),
    tokens=st.integers(1, 5000),
    strategy=st.sampled_from(SEARCHES),
    concurrency=st.sampled_from(CONCURRENCY),
    style=st.sampled_from(["BARE", "FEW_SHOT"]),
    value_samples=st.integers(0, 3),
    problem=st.sampled_from([SOLVABLE, UNSOLVABLE]),
)
def test_a_budget_is_never_exceeded_and_the_status_names_it(
    nodes, calls, tokens, strategy, concurrency, style, value_samples, problem
):
    async def check():
        async with fleet() as target:
            run = await solve(
                target, problem, strategy=strategy, concurrency=f"CONCURRENCY_MODEL_{concurrency}",
                prompt_style=f"PROMPT_STYLE_{style}", value_samples=value_samples,
                budget={"nodes": nodes, "model_calls": calls, "completion_tokens": tokens},
            )  # fmt: skip
        spent = run.result.usage
        assert run.result.progress.nodes <= nodes
        assert spent.model_calls <= calls
        assert spent.completion_tokens <= tokens
        assert run.status in ("SOLVED", "EXHAUSTED", "NODES_SPENT", "MODEL_CALLS_SPENT", "COMPLETION_TOKENS_SPENT")
        if run.status != "SOLVED":
            assert run.result.answer == ""

    asyncio.run(check())


@pytest.mark.parametrize(
    ("budget", "status"),
    [
        ({"nodes": 15}, "NODES_SPENT"),
        ({"model_calls": 40}, "MODEL_CALLS_SPENT"),
        ({"completion_tokens": 1500}, "COMPLETION_TOKENS_SPENT"),
        ({"nodes": 1}, "NODES_SPENT"),
        ({"model_calls": 1}, "MODEL_CALLS_SPENT"),
        ({"completion_tokens": 1}, "COMPLETION_TOKENS_SPENT"),
    ],
)
async def test_the_budget_that_ran_out_is_named(budget, status):
    generous = {"nodes": 10**6, "model_calls": 10**6, "completion_tokens": 10**6}
    async with fleet() as target:
        run = await solve(target, UNSOLVABLE, settings={"evaluation_threshold": 0}, budget=generous | budget)
    assert run.status == status


@pytest.mark.parametrize("concurrency", CONCURRENCY)
async def test_dollars_are_charged_by_each_models_price_and_never_exceeded(concurrency):
    prices = {"big": Price(prompt=10, completion=1000), "small": Price(completion=100)}
    async with fleet(prices=prices) as target:
        run = await solve(
            target, UNSOLVABLE, strategy="bfs", budget={"dollars": 0.5, "completion_tokens": 10**6},
            concurrency=f"CONCURRENCY_MODEL_{concurrency}",
        )  # fmt: skip
    spent = run.result.usage
    assert run.status == "DOLLARS_SPENT"
    assert 0.2 < spent.dollars <= 0.5
    if_all_were_big = (10 * spent.prompt_tokens + 1000 * spent.completion_tokens) / 1e6
    a_label_less = (10 * 10 + 900) / 1e6
    assert if_all_were_big - spent.model_calls * a_label_less <= spent.dollars < if_all_were_big


async def test_without_prices_nothing_is_charged_and_a_limit_of_dollars_is_refused():
    async with fleet() as target:
        run = await solve(target)
        assert run.result.usage.dollars == 0
        error = await refusal(target, budget={"dollars": 5})
    code, _, fields = details(error)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["budget.dollars"])
    assert "KOT_PRICES" in error.details()
    async with fleet(prices={"big": Price(completion=1)}) as target:
        error = await refusal(target, budget={"dollars": 5})
    assert "'small'" in error.details()


async def test_what_is_judged_in_vain_is_paid_for_too():
    judge = FaultyModel(lambda request: Fault.OVERLOADED if request.prompt.endswith("Value:") else Fault.NONE)
    for concurrency in CONCURRENCY:
        async with fleet(judge=judge, attempts=1) as target:
            run = await solve(
                target, UNSOLVABLE, strategy="dfs", concurrency=f"CONCURRENCY_MODEL_{concurrency}",
                budget={"model_calls": 40, "completion_tokens": 10**6},
            )  # fmt: skip
        assert run.status == "MODEL_CALLS_SPENT"
        assert run.result.usage.model_calls <= 40


async def test_a_look_ahead_that_fails_leaves_its_thought_alone():
    def fails(request):
        return Fault.RAISES if request.prompt.endswith(")\n") and "= 24" not in request.prompt else Fault.NONE

    async with fleet(FaultyModel(fails)) as target:
        run = await solve(target, "4 5 6 10", strategy="bfs", settings={"rollouts": 2})
    assert_right(run)
    assert not run.failures()


async def test_a_model_that_fails_for_good_is_not_asked_on_and_on():
    for strategy in STRATEGIES.names():
        calls = itertools.count()
        model = FaultyModel(lambda _request, calls=calls: Fault.RAISES if next(calls) > 30 else Fault.NONE)
        async with fleet(model) as target:
            run = await solve(target, UNSOLVABLE, strategy=strategy, budget={"completion_tokens": 10**6})
        assert run.status in ("EXHAUSTED", "MODEL_CALLS_SPENT")
        assert model.started < 300


async def test_a_circle_of_steps_is_walked_round_by_no_strategy():
    def fix(prompt, _seed):
        if prompt.endswith("Value:"):
            return " sure"
        left = prompt.splitlines()[0].removeprefix("Input: ")
        return f"1 + 1 = 2 (left: {left})" if "Next" in prompt else "Answer: 1 = 24"

    async with asyncio.timeout(30), fleet(FaultyModel(script=fix)) as target:
        for strategy in STRATEGIES.names():
            run = await solve(
                target, UNSOLVABLE, strategy=strategy, trust_arithmetic=True, budget={"model_calls": 50},
                concurrency="CONCURRENCY_MODEL_ASYNC",
            )  # fmt: skip
            assert run.status in ("MODEL_CALLS_SPENT", "EXHAUSTED")


@pytest.mark.parametrize("tokens", [400, 1000, 4000])
async def test_a_budget_too_small_for_a_whole_expansion_pays_for_a_part_of_it(tokens):
    async with fleet() as target:
        run = await solve(target, prompt_style="PROMPT_STYLE_FEW_SHOT", budget={"completion_tokens": tokens})
    spent = run.result.usage.completion_tokens
    assert 0 < spent <= tokens or run.status == "COMPLETION_TOKENS_SPENT"
    if tokens > 660:
        assert run.result.usage.model_calls > 0


@pytest.mark.parametrize("limit", [300, 3000, 30_000])
async def test_prompt_tokens_are_reserved_at_their_worst_and_never_exceeded(limit):
    async with fleet() as target:
        for style in ("BARE", "FEW_SHOT"):
            run = await solve(
                target, UNSOLVABLE, prompt_style=f"PROMPT_STYLE_{style}",
                budget={"prompt_tokens": limit, "completion_tokens": 10**6},
            )  # fmt: skip
            assert run.status == "PROMPT_TOKENS_SPENT"
            assert run.result.usage.prompt_tokens <= limit


async def test_what_lies_deeper_than_the_budget_is_left_aside_and_the_rest_is_searched():
    async with fleet() as target:
        for strategy in SEARCHES:
            settings = {"rollouts": 0} if strategy == "bfs" else {}
            limits = {"depth": 2, "completion_tokens": 5000}
            run = await solve(target, strategy=strategy, budget=limits, settings=settings)
            assert run.result.progress.depth == 2
            assert run.status in ("DEPTH_SPENT", "COMPLETION_TOKENS_SPENT")
            deep = [node for node in run.tree if node.thought.depth == 2]
            assert all(node.draws == 0 for node in deep)
        once = await solve(target, strategy="paper_bfs", budget={"depth": 2, "completion_tokens": 10**6})
    assert once.status == "DEPTH_SPENT"
    assert len(once.result.steps) == 2, "the deepest thoughts are the best of what there is"
    assert any("budget" in event.pruned.reason for event in once.log if event.WhichOneof("event") == "pruned")


async def test_time_that_runs_out_ends_in_the_best_so_far():
    model = FaultyModel(lambda request: Fault.HANGS if "Steps:" in request.prompt else Fault.NONE)
    async with fleet(model) as target:
        run = await solve(target, budget={"wall_seconds": 1.5}, settings={"rollouts": 0})
    assert run.status == "WALL_TIME_SPENT"
    assert len(run.result.steps) == 3
    assert run.result.answer == ""
    assert run.result.usage.model_calls > 0


async def test_the_paper_merges_nothing_checks_nothing_and_goes_to_the_end():
    async with fleet() as target:
        run = await solve(target, "4 5 6 10", strategy="paper_bfs", settings={"samples": 20})
    assert run.result.progress.merged == 0
    assert max(node.thought.depth for node in run.tree) == 4
    keys = [node.thought.key for node in run.tree if node.thought.answer is None]
    assert len(set(keys)) < len(keys), "no state was reached twice"
    assert any("= 9" in node.thought.text for node in run.tree), "no wrong step was believed"
    assert sum(event.expanded.dropped.illegal for event in run.log) == 0
    judged = [event.evaluated.value for event in run.log if event.WhichOneof("event") == "evaluated"]
    thirds = {0, 1 / 3, 2 / 3, 1}
    assert all(min(abs(value.sure - third) for third in thirds) < 1e-9 for value in judged), "not three labels a state"


async def test_auto_picks_by_budget_and_by_the_settings_that_are_given_and_says_so():
    async with fleet() as target:
        assert (await solve(target)).accepted.strategy == "bfs"
        assert (await solve(target, budget={"completion_tokens": 1000})).accepted.strategy == "dfs"
        small = await solve(target, budget={"completion_tokens": 1000}, settings={"beam_width": 2})
        assert small.accepted.strategy == "bfs"
        assert (await solve(target, settings={"exploration": 2})).accepted.strategy == "mcts"
        assert (await solve(target, strategy="dfs")).accepted.strategy == "dfs"


async def test_a_look_ahead_finds_answers_before_the_last_depth():
    async with fleet() as target:
        run = await solve(target, "4 5 6 10", strategy="bfs", settings={"rollouts": 50}, budget={"model_calls": 200})
    assert_right(run)
    answer = run.tree.answer
    assert answer.thought.depth < 4
    assert len(run.result.steps) == 4


class _PatientModel(ScriptedModel):
    """Says a first line, and the rest only when what comes of the first has been expanded."""

    def __init__(self):
        super().__init__(script.answer)
        self.expanded = asyncio.Event()

    async def complete(self, request):
        if request.prompt == "Input: 4 5 6 10\nNext:\n":
            yield TextDelta(0, "10 - 4 = 6 (left: 5 6 6)\n")
            await self.expanded.wait()
            yield SampleDone(0, 10)
            yield CompletionDone(5)
            return
        if request.prompt == "Input: 5 6 6\nNext:\n":
            self.expanded.set()
        async for event in super().complete(request):
            yield event


async def test_without_a_barrier_a_thought_is_expanded_while_its_siblings_are_still_decoded():
    """It would hang otherwise: what is decoded waits for the expansion."""
    for strategy in ("bfs", "best_first", "a_star", "mcts"):
        async with asyncio.timeout(20), fleet(_PatientModel()) as target:
            run = await solve(
                target, "4 5 6 10", strategy=strategy, concurrency="CONCURRENCY_MODEL_ASYNC",
                settings={"evaluation_threshold": 0} | ({"sure_score": 0} if strategy == "bfs" else {}),
            )  # fmt: skip
            assert_right(run)


@pytest.mark.parametrize("concurrency", CONCURRENCY)
async def test_an_unsolvable_puzzle_never_has_an_answer(concurrency):
    async with fleet() as target:
        run = await solve(target, UNSOLVABLE, concurrency=f"CONCURRENCY_MODEL_{concurrency}")
    assert run.status == "COMPLETION_TOKENS_SPENT"
    assert run.result.answer == ""
    assert run.tree.answer is None
