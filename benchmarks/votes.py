"""Votes against values: creative writing with each, at equal budgets of completion tokens, over the real services.

With a file of problems (four sentences a line), the model is what the environment says (`KOT_MODEL` and its settings),
or what a running server has (`--target`). It writes, judges and rates. With `--simulate`, all is made up but the
search: a scripted writer's thoughts have a quality, a validator without noise accepts the best, and a judge sees each
quality with Gaussian noise, drawn anew for each label and for each choice of each vote.
"""

import argparse
import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import mean

from common import Figures, print_table, write_json

from services.adapters.llm.scripted import ScriptedModel
from services.cli.all_in_one import orchestrator_over, private_address, stages_with
from services.cli.client import Client, connect
from services.core.errors import InvalidInput
from services.core.task import InvalidProblem
from services.rpc.gen.kubeofthoughts.v1 import evaluator_service_pb2, thought_pb2
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.server import serving
from services.tasks.creative_writing import TASK
from services.tasks.creative_writing.task import read_score
from services.telemetry import logs

METHODS = {
    "value": evaluator_service_pb2.EVALUATION_METHOD_VALUE,
    "vote": evaluator_service_pb2.EVALUATION_METHOD_VOTE,
}
NOISES = (0.1, 0.3, 1.0)
"""Standard deviations of what the simulated judge sees; qualities lie between 0 and 1."""
SOLVES = 200
"""Of the simulation, for each noise and method."""
GOOD = 0.9
"""The quality that the simulated validator accepts."""
SURE, LIKELY = 0.8, 0.4
"""The simulated judge's labels begin at these qualities."""
SPREAD = 0.1
"""Standard deviation of a passage's quality around its plan's."""


@dataclass
class Tally:
    """What the solves of one method have brought."""

    results: list[wire.SolveResult] = field(default_factory=list)
    plans: int = 0
    named: list[float] = field(default_factory=list)
    """Of each group or state that was judged, the share of samples that named a choice or a label."""
    scores: list[int] = field(default_factory=list)
    """What the model says of the passages that it was asked about."""
    illegal: int = 0
    """Passages that break the rule about endings."""
    seconds: float = 0.0

    def take(self, messages: Sequence[wire.SolveResponse]) -> None:
        """Count one solve."""
        events = [event for message in messages for event in message.thoughts.events]
        parents = {event.thought_id: event.proposed.parent_id for event in events if event.HasField("proposed")}
        groups: dict[str, float] = {}
        for event in events:
            if event.HasField("expanded"):
                self.illegal += event.expanded.dropped.illegal
                # Another draw is another vote.
                self.named += [groups.pop(event.thought_id)] if event.thought_id in groups else []
            if event.HasField("evaluated"):
                value = event.evaluated.value
                self.plans += 1
                group = parents[event.thought_id] if value.HasField("votes") else event.thought_id
                groups[group] = groups.get(group, 0.0) + value.votes + value.sure + value.likely + value.impossible
            if event.HasField("validated"):
                score = read_score(event.validated.explanation)
                self.scores += [] if score is None else [score]
        self.named += groups.values()
        self.results.append(messages[-1].result)

    def figures(self) -> Figures:
        """Return what the table shows."""
        usages = [result.usage for result in self.results]
        return {
            "problems": len(self.results),
            "answers found": sum(bool(result.answer) for result in self.results),
            "plans judged": self.plans,
            "samples that named a choice or a label, %": 100 * mean(self.named) if self.named else None,
            "passages against the rule": self.illegal,
            "passages rated": len(self.scores),
            "mean coherency of these": mean(self.scores) if self.scores else None,
            "model calls a problem": mean(usage.model_calls for usage in usages),
            "prompt tokens a problem": mean(usage.prompt_tokens for usage in usages),
            "completion tokens a problem": mean(usage.completion_tokens for usage in usages),
            "seconds a problem": self.seconds / len(self.results),
        }


async def solve_all(client: Client, problems: Sequence[str], template: wire.SolveRequest) -> Tally:
    """Solve one problem after the other, each with a seed of its own."""
    tally = Tally()
    begun = time.monotonic()
    for seed, problem in enumerate(problems):
        request = wire.SolveRequest(problem=problem, seed=seed, event_detail=wire.EVENT_DETAIL_ALL)
        request.MergeFrom(template)
        async with aclosing(client.follow(request)) as messages:
            tally.take([message async for message in messages])
    tally.seconds = time.monotonic() - begun
    return tally


def template(options: argparse.Namespace, method: str) -> wire.SolveRequest:
    """Return what all solves of a method share."""
    request = wire.SolveRequest(
        task=TASK.name,
        strategy=options.strategy,
        prompt_style=thought_pb2.PROMPT_STYLE_FEW_SHOT,
        evaluation=METHODS[method],
        fresh=True,
        budget={"completion_tokens": options.tokens, "wall_seconds": 3600},
    )
    if options.max_tokens:
        request.sampling.max_tokens = options.max_tokens
    return request


async def measure(options: argparse.Namespace) -> Figures:
    """Return the figures of each method with a model."""
    lines = [line for line in options.sentences.read_text().splitlines() if line.strip()]
    problems, refused = [], 0
    for line in lines:
        try:
            problems.append(TASK.normalize(line))
        except InvalidProblem:
            refused += 1
    figures: dict[str, object] = {"problems that do not split into four sentences": f"{refused} of {len(lines)}"}
    async with connect(options.target) as client:
        for method in METHODS:
            tally = await solve_all(client, problems[: options.problems], template(options, method))
            figures[method] = tally.figures()
            print_table(f"Creative writing by {method}", tally.figures())
    return figures


# --- simulation -----------------------------------------------------------------------------------------------------


class Simulation:
    """A writer, a judge whose noise is `noise`, and a validator who makes no mistakes, as a script."""

    def __init__(self, noise: float) -> None:
        self._noise = noise

    def __call__(self, prompt: str, seed: int) -> str:
        """Continue a prompt."""
        chance = random.Random(f"{prompt} {seed}")
        seen = [float(quality) for quality in re.findall(r"quality (-?[0-9.]+)\b", prompt)]
        match prompt.rsplit("\n\n", 1)[-1]:
            case "Plan:\n":
                return f"A plan of quality {chance.random():.3f}"
            case "Passage:\n":
                return _passage(chance.gauss(seen[-1], SPREAD), prompt)
            case "Best:\n":
                # A passage has its quality four times.
                choices = seen[:: 4 if "quality" in prompt and "Several such passages" in prompt else 1]
                noisy = [chance.gauss(quality, self._noise) for quality in choices]
                return f"Best: {noisy.index(max(noisy)) + 1}"
            case "Coherency:\n":
                return f"Coherency: {9 if seen[0] >= GOOD else 4}"
        quality = chance.gauss(seen[-1], self._noise)
        return "sure" if quality > SURE else "likely" if quality > LIKELY else "impossible"


def _passage(quality: float, prompt: str) -> str:
    sentences = re.findall(r"^[1-4]\. (.*)$", prompt, re.MULTILINE)
    return "\n\n".join(f"Of quality {quality:.3f}. {sentence}" for sentence in sentences)


@asynccontextmanager
async def simulated(noise: float) -> AsyncGenerator[Client, None]:
    """Serve everything over a simulation; gives a client."""
    async with AsyncExitStack() as resources:
        address = private_address(resources)
        mounts = [*orchestrator_over(address, resources), *stages_with(ScriptedModel(Simulation(noise)))]
        await resources.enter_async_context(serving(mounts, address, drain_seconds=1))
        yield await resources.enter_async_context(connect(address))


async def simulate(options: argparse.Namespace) -> Figures:
    """Return the figures of each noise and method; lengths are short, so that the budget reserves little."""
    figures: dict[str, object] = {}
    for noise, method in product(NOISES, METHODS):
        request = template(options, method)
        request.sampling.max_tokens = 100
        request.value.sampling.max_tokens = request.validate.sampling.max_tokens = 4
        request.settings.update({"beam_width": 1} if options.strategy == "bfs" else {})
        async with simulated(noise) as client:
            tally = await solve_all(client, [TASK.example] * SOLVES, request)
        figures[f"noise {noise:g}, {method}"] = tally.figures()
        print_table(f"Simulation, noise {noise:g}, by {method}", tally.figures())
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sentences", type=Path, nargs="?", help="a file with four sentences a line")
    parser.add_argument(
        "--simulate", action="store_true", help="with a scripted writer and a noisy judge, without a file"
    )
    parser.add_argument("--target", help="a running server; one in this process if left out")
    parser.add_argument("--problems", type=int, default=10, help="how many of the file's first problems")
    parser.add_argument("--strategy", default="bfs")
    parser.add_argument("--tokens", type=int, default=20_000, help="completion tokens a problem")
    parser.add_argument("--max-tokens", type=int, default=0, help="of a plan or passage (default: the task's)")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    if options.simulate == (options.sentences is not None):
        parser.error("give a file of sentences, or --simulate")
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    try:
        figures = asyncio.run(simulate(options) if options.simulate else measure(options))
    except InvalidInput as error:
        raise SystemExit(str(error)) from error
    write_json(options.json, figures)


if __name__ == "__main__":
    main()
