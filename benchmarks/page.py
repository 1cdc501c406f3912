"""How smoothly the page draws a large tree: python benchmarks/page.py [--thoughts 2000] [--seconds 10].

An orchestrator that has no search behind it streams THOUGHTS thoughts at once and then 50 a second; the page and its
server are the real ones, in Chromium without a screen or a GPU. Meanwhile a mouse drags the tree about and zooms in and
out. A frame's time is what lies between two of the browser's animation frames; 16.7 ms is the least.

Needs the extra `browser`, and Chromium.
"""

import argparse
import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from statistics import quantiles
from typing import Any

from playwright.async_api import Page, async_playwright

from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import (
    OrchestratorServiceServicer,
    add_OrchestratorServiceServicer_to_server,
)
from services.rpc.server import Mount, serving
from services.web.serving import serving_page

THOUGHTS_A_SECOND = 50
DEEPEST = 6
MERGED = 0.03
WARM_UP_SECONDS = 2
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NOTCHES, MOVES = 12, 30

MEASURE = """(milliseconds) => new Promise((resolve) => {
  const times = [];
  let last = performance.now();
  const end = last + milliseconds;
  const frame = (now) => {
    times.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(frame);
    else resolve(times.slice(1));
  };
  requestAnimationFrame(frame);
})"""


def growth() -> Iterator[list[wire.ThoughtEvent]]:
    """Yield a random tree, a thought at a time: it is proposed, judged, and sometimes pruned or met again."""
    chance = random.Random(24)
    depths = {"root": 0}
    open_ids = ["root"]
    for number in range(10**9):
        parent = chance.choice(open_ids[-200:])
        name = f"t{number}"
        depths[name] = depths[parent] + 1
        if depths[name] < DEEPEST:
            open_ids.append(name)
        text = f"{number} + {number % 13} = {number + number % 13} (left: {number % 7} {number % 11})"
        score = chance.random()
        value = {"sure": score, "impossible": 1 - score}
        told = [
            wire.ThoughtEvent(
                thought_id=name,
                proposed={"parent_id": parent, "depth": depths[name], "text": text, "pod": "generator-6c9f4"},
            ),
            wire.ThoughtEvent(thought_id=name, evaluated={"value": value, "score": score, "pod": "evaluator-x2k7q"}),
        ]
        if score < 0.5:
            told.append(wire.ThoughtEvent(thought_id=name, pruned={"reason": "score below 0.5"}))
        if chance.random() < MERGED:
            told.append(wire.ThoughtEvent(thought_id=name, merged={"parent_id": chance.choice(open_ids), "text": text}))
        yield told


class Streamer(OrchestratorServiceServicer):
    """Streams a tree that grows."""

    def __init__(self, thoughts: int) -> None:
        self._thoughts = thoughts

    async def ListTasks(  # noqa: N802
        self,
        request: wire.ListTasksRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListTasksResponse:
        """List the one that there is."""
        return wire.ListTasksResponse(tasks=[wire.TaskDescription(name="none")])

    async def ListStrategies(  # noqa: N802
        self,
        request: wire.ListStrategiesRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.ListStrategiesResponse:
        """List the one that there is."""
        return wire.ListStrategiesResponse(strategies=[wire.StrategyDescription(name="auto")])

    async def GetSolve(  # noqa: N802
        self,
        request: wire.GetSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.GetSolveResponse:
        """Describe a solve that runs."""
        solve = wire.SolveDescription(solve_id=request.solve_id, problem="a large tree", state=wire.SOLVE_STATE_RUNNING)
        solve.begun.GetCurrentTime()
        return wire.GetSolveResponse(solve=solve)

    async def GetThought(  # noqa: N802
        self,
        request: wire.GetThoughtRequest,  # noqa: ARG002
        context: Any,  # noqa: ANN401, ARG002
    ) -> wire.GetThoughtResponse:
        """Tell of one that is chosen."""
        return wire.GetThoughtResponse(proposed={"prompt": "Input: 1 1 11 11\nNext:\n", "pod": "generator-6c9f4"})

    async def WatchSolve(  # noqa: N802
        self,
        request: wire.WatchSolveRequest,
        context: Any,  # noqa: ANN401, ARG002
    ) -> AsyncIterator[wire.SolveResponse]:
        """Stream it."""
        yield wire.SolveResponse(accepted={"solve_id": request.solve_id, "problem": "a large tree", "root_id": "root"})
        tree = growth()
        begun = [event for _ in range(self._thoughts) for event in next(tree)]
        for start in range(0, len(begun), 500):
            yield wire.SolveResponse(thoughts=wire.ThoughtEvents(events=begun[start : start + 500]))
        while True:
            await asyncio.sleep(1 / THOUGHTS_A_SECOND)
            yield wire.SolveResponse(thoughts=wire.ThoughtEvents(events=next(tree)))


async def steer(tab: Page) -> None:
    """Drag the tree about, zoom in, drag it back, zoom out, until cancelled."""
    box = await tab.locator("canvas.tree").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await tab.mouse.click(x, y)
    sign = 1
    while True:
        await tab.mouse.move(x, y)
        await tab.mouse.down()
        for step in range(MOVES):
            await tab.mouse.move(x + sign * 6 * step, y + sign * 4 * step)
        await tab.mouse.up()
        for _ in range(NOTCHES):
            await tab.mouse.wheel(0, -sign * 120)
            await asyncio.sleep(0.02)
        sign = -sign


async def measure(thoughts: int, seconds: float) -> tuple[list[float], int]:
    """Return the times of frames, in milliseconds, and how many thoughts there were in the end."""
    streamer = Mount(
        "kubeofthoughts.v1.OrchestratorService", add_OrchestratorServiceServicer_to_server, Streamer(thoughts)
    )
    async with (
        serving([streamer], "127.0.0.1:0", drain_seconds=0.1) as port,
        serving_page(f"127.0.0.1:{port}", "127.0.0.1", 0) as address,
        async_playwright() as driver,
    ):
        browser = await driver.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=FLAGS
        )
        tab = await browser.new_page(viewport={"width": 1440, "height": 900})
        await tab.goto(f"{address}/#/solve/large")
        shown = ".figures div:first-child dd"
        async with asyncio.timeout(60):
            while int((await tab.inner_text(shown)).replace(",", "")) < thoughts:  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(0.1)
        await asyncio.sleep(WARM_UP_SECONDS)
        steering = asyncio.create_task(steer(tab))
        try:
            times = await tab.evaluate(MEASURE, seconds * 1000)
            count = int((await tab.inner_text(shown)).replace(",", ""))
        finally:
            steering.cancel()
            await asyncio.wait([steering])
        await browser.close()
        return times, count


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thoughts", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for run in range(1, options.runs + 1):
        begun = time.monotonic()
        times, count = asyncio.run(measure(options.thoughts, options.seconds))
        marks = quantiles(times, n=100, method="inclusive")
        print(
            f"run {run}: {options.thoughts:,} to {count:,} thoughts, {len(times)} frames: "
            f"median {marks[49]:.1f} ms, 95th percentile {marks[94]:.1f} ms, 99th {marks[98]:.1f} ms, "
            f"longest {max(times):.1f} ms ({time.monotonic() - begun:.0f} s in all)"
        )


if __name__ == "__main__":
    main()
