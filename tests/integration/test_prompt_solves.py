"""Tasks without code, over the wire: three prompts that come with the solve, and a model that checks the answers."""

import grpc
import pytest
from fleet import details, fleet, refusal, solve
from google.protobuf.json_format import MessageToDict
from processes import four_processes, service
from structlog.testing import capture_logs
from word_ladder import ANSWER, EXAMPLE, PROBLEM, play

from services.adapters.llm._named import NamedModels
from services.adapters.llm.scripted import ScriptedModel
from services.cli.definition import read_definition
from services.core.budget import Price
from services.core.errors import ModelFailed
from services.rpc.convert import definition_to_proto

DEFINITION = MessageToDict(definition_to_proto(read_definition(EXAMPLE)), preserving_proto_field_name=True)
GAME24 = DEFINITION | {"propose": "Input: {problem}\nSteps:\n{steps}", "evaluate": "{last}\nInput: {problem}\nValue:"}
"""What the scripted player of the Game of 24 answers."""


class Recorder(ScriptedModel):
    def __init__(self, script=play):
        super().__init__(script)
        self.requests = []

    async def complete(self, request):
        self.requests.append(request)
        async for event in super().complete(request):
            yield event

    def checks(self):
        return [request for request in self.requests if "Check the answer" in request.prompt]


def ladder(target, **fields):
    return solve(target, PROBLEM, **{"definition": DEFINITION, "strategy": "bfs"} | fields)


@pytest.mark.parametrize("strategy", ["bfs", "dfs", "best_first", "auto"])
async def test_the_worked_example_finds_its_answer(strategy):
    async with fleet(ScriptedModel(play)) as target:
        run = await ladder(target, strategy=strategy)
    assert run.status == "SOLVED", run.result
    assert run.result.answer == ANSWER
    assert list(run.result.steps) == ["cord", "card", "ward", "warm", f"Answer: {ANSWER}"]
    [why] = [e.validated.explanation for e in run.log if e.HasField("validated") and e.validated.verdict == 1]
    assert why == "the model says: I checked. certain"


@pytest.mark.parametrize("strategy", ["cot", "cot_sc", "sample_until_valid"])
async def test_whole_solutions_are_checked_by_the_model_too(strategy):
    def chain(prompt, seed):
        return play(prompt, seed) if "Check the answer" in prompt else f"1. cord\n2. card\n\nAnswer: {ANSWER}"

    model = Recorder(chain)
    async with fleet(model) as target:
        run = await ladder(target, strategy=strategy)
    assert (run.status, run.result.answer) == ("SOLVED", ANSWER)
    assert len(model.checks()) == 1, "one answer is checked once"
    assert run.result.usage.model_calls == len(model.requests)


async def test_what_checking_costs_is_counted_and_charged():
    big, small, judge = Recorder(), Recorder(), Recorder()
    models = NamedModels(ScriptedModel(play), {"big": big, "small": small, "judge": judge})
    prices = {"big": Price(), "small": Price(), "judge": Price(completion=1e6)}
    async with fleet(models, prices=prices) as target:
        run = await ladder(
            target, validate={"model": "judge", "sampling": {"max_tokens": 77}}, budget={"dollars": 10_000}
        )
    assert run.status == "SOLVED"
    assert judge.requests == judge.checks()
    assert judge.requests
    assert not [*big.checks(), *small.checks()]
    assert all((r.sampling.temperature, r.sampling.max_tokens) == (0, 77) for r in judge.requests)
    usage = run.result.usage
    assert usage.model_calls == sum(len(model.requests) for model in (big, small, judge))
    # "I checked.\ncertain" is two words and an end to the scripted model.
    assert usage.dollars == 3 * len(judge.requests)


@pytest.mark.parametrize("concurrency", ["LEVEL", "ASYNC"])
@pytest.mark.parametrize(
    ("resource", "limits"),
    [
        ("model_calls", (1, 2, 15, 40)),
        ("completion_tokens", (300, 1000, 6000)),
        ("prompt_tokens", (500, 9000, 60_000)),
    ],
)
async def test_budgets_hold_with_the_checking_of_every_answer(resource, limits, concurrency):
    """The player answers at once, wrongly, with as many answers and words as it may: nearly all calls are checks."""

    def babble(prompt, seed):
        if "Check the answer" in prompt:
            return "impossible " * 500
        if "Next:" in prompt:
            return "\n".join(f"Answer: {seed} {number}" for number in range(12))
        return "likely " * 500

    async with fleet(ScriptedModel(babble)) as target:
        for limit in limits:
            budget = {"model_calls": 10**6, "completion_tokens": 10**6, "prompt_tokens": 10**8} | {resource: limit}
            run = await ladder(target, budget=budget, concurrency=f"CONCURRENCY_MODEL_{concurrency}")
            assert run.status == f"{resource.upper()}_SPENT"
            assert getattr(run.result.usage, resource) <= limit


async def test_a_check_that_fails_fails_its_answer_alone():
    class Breaks(Recorder):
        async def complete(self, request):
            if "Check the answer" in request.prompt and len(self.checks()) == 0:
                self.requests.append(request)
                raise ModelFailed("out of order")
            async for event in super().complete(request):
                yield event

    def two(prompt, seed):
        return "Answer: wrong\n" + f"Answer: {ANSWER}" if "Next:" in prompt else play(prompt, seed)

    model = Breaks(two)
    async with fleet(model) as target:
        run = await ladder(target)
    assert (run.status, run.result.answer) == ("SOLVED", ANSWER)
    [failure] = run.failures()
    assert "out of order" in failure.message
    assert run.result.usage.model_calls == len(model.requests)


async def test_a_model_that_gives_no_verdict_proves_nothing():
    def mute(prompt, seed):
        return "who knows" if "Check the answer" in prompt else play(prompt, seed)

    async with fleet(ScriptedModel(mute)) as target:
        run = await ladder(target, budget={"completion_tokens": 20_000})
    assert run.status != "SOLVED"
    assert {e.validated.explanation for e in run.log if e.HasField("validated")} == {
        "the model gives no verdict: who knows"
    }


async def test_a_model_for_checking_that_there_is_not_ends_the_solve_with_its_name():
    async with fleet(NamedModels(ScriptedModel(play), {"small": Recorder()})) as target:
        error = await refusal(target, PROBLEM, definition=DEFINITION, validate={"model": "huge"})
    assert details(error)[1].reason == "MODEL_UNUSABLE"
    assert "'huge'" in error.details()


async def test_text_that_looks_like_a_template_stays_text():
    problem = "{steps} {problem.__class__} {{ \\1 %s \N{OM SYMBOL}"
    model = Recorder(lambda prompt, _seed: "Answer: {answer} {problem}" if "Next:" in prompt else "certain")
    async with fleet(model) as target:
        run = await solve(target, problem, definition=DEFINITION)
    assert run.status == "SOLVED"
    assert run.result.answer == "{answer} {problem}"
    [check] = model.checks()
    assert check.prompt.endswith(f"Ladder: {problem}\nAnswer: {{answer}} {{problem}}\n")


REFUSED = [
    ({"propose": "{problem.__class__}"}, "definition.propose"),
    ({"propose": "{steps}"}, "definition.propose"),
    ({"propose": ""}, "definition.propose"),
    ({"propose": "{problem}" + "x" * 16_000}, "definition.propose"),
    ({"evaluate": "\N{OM SYMBOL}" * 6000}, "definition.evaluate"),
    ({"validate": "{answer} }"}, "definition.validate"),
    ({"validate": "{answer}" * 9}, "definition.validate"),
    ({"depth": 0}, "definition.depth"),
    ({"depth": 65}, "definition.depth"),
    ({"name": ""}, "definition.name"),
    ({"name": " "}, "definition.name"),
    ({"answer": "a\nb"}, "definition.answer"),
    ({"answer": "x" * 65}, "definition.answer"),
    ({"summary": "x" * 1001}, "definition.summary"),
    ({"example": "x" * 4001}, "definition.example"),
    ({"propose_tokens": 4097}, "definition.propose_tokens"),
    ({"validate_tokens": -1}, "definition.validate_tokens"),
]


async def test_a_definition_that_cannot_be_used_is_refused_with_its_field():
    async with fleet() as target:
        for change, field in REFUSED:
            error = await refusal(target, PROBLEM, definition=DEFINITION | change)
            code, info, fields = details(error)
            assert (code, info.reason, fields) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", [field])
            assert len(error.details()) < 300


async def test_a_task_is_named_or_defined():
    async with fleet() as target:
        error = await refusal(target, PROBLEM, definition=DEFINITION, task="game24")
        code, _, fields = details(error)
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["definition"])
        assert "not both" in error.details()
        assert details(await refusal(target, " ", definition=DEFINITION))[1].reason == "INVALID_PROBLEM"


async def test_no_prompt_is_in_the_logs():
    with capture_logs() as logs:
        async with fleet(ScriptedModel(play)) as target:
            assert (await ladder(target)).status == "SOLVED"
    assert logs
    assert "ladder" not in str(logs)


def test_a_validator_without_a_model_serves_all_the_same(tmp_path):
    """It makes its model when it is first needed, so that tasks with a rule do not wait for it."""
    with service("validator", tmp_path, KOT_MODEL="embedded", KOT_MODEL_PATH="/no/such.gguf") as started:
        started.wait_until_serving()
        assert started.end() == 0


async def test_a_validator_of_its_own_asks_the_model_that_its_settings_name(tmp_path):
    """The script sees the numbers of `validate` as solvable, and says "sure" nine times out of ten."""
    definition = GAME24 | {"depth": 1, "validate": "{answer}\nEvaluate if they can reach 24\n1 24\n"}
    with four_processes(tmp_path) as services:
        run = await solve(services[0].target, "1 1 11 11", definition=definition, strategy="sample_until_valid")
        assert run.status == "SOLVED"
        assert run.result.answer.endswith("= 24")
        assert [started.end() for started in services] == [0, 0, 0, 0]


VOTED = DEFINITION | {"vote": "Pick a word.\n{choices}\nLadder: {problem}\n{steps}\nPick:\n"}


async def test_steps_are_voted_on_where_a_definition_has_a_prompt_for_it():
    def choose(prompt, seed):
        if not prompt.startswith("Pick a word."):
            return play(prompt, seed)
        words = [line.partition(". ")[2] for line in prompt.partition("Ladder:")[0].splitlines()[1:]]
        [best] = [number for number, word in enumerate(words, start=1) if word in ("cord", "card", "ward", "warm")]
        return f"the last letters fit\nBest: {best}"

    model = Recorder(choose)
    async with fleet(model) as target:
        run = await ladder(target, definition=VOTED, strategy="dfs")
        by_value = await ladder(target, definition=VOTED, evaluation="EVALUATION_METHOD_VALUE")
    assert (run.status, run.result.answer) == ("SOLVED", ANSWER)
    assert [request for request in model.requests if request.prompt.startswith("Pick a word.")]
    assert all(event.evaluated.value.HasField("votes") for event in run.log if event.HasField("evaluated"))
    assert by_value.status == "SOLVED"
    assert not any(event.evaluated.value.HasField("votes") for event in by_value.log)
