"""What traces cost: the same work with every solve traced, and with none, as in `throughput.py`.

The receiver is a process of its own that takes spans and forgets them. Runs come in pairs, and who begins changes.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import four_processes, print_table, processor_seconds, read_puzzles, unsolvable, write_json
from keeping import seconds
from model_server import ModelServer, add_arguments, model_server
from throughput import measure

from services.cli.client import connect
from services.telemetry import logs

PARALLEL = 4
RECEIVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        return trace_service_pb2.ExportTraceServiceResponse()

server = grpc.server(ThreadPoolExecutor(4))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@contextmanager
def receiver() -> Iterator[str]:
    """Run the receiver; gives its address."""
    process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def run(how: Mapping[str, str], puzzles: Sequence[str], thoughts: int) -> tuple[float, float]:
    """Return the processor microseconds of a thought, and thoughts a second."""
    with four_processes(KOT_MODEL="scripted", KOT_CACHE="none", **how) as services:
        asyncio.run(measure(services[0].target, list(puzzles[:2]), 100, PARALLEL))
        before = processor_seconds(services)
        counted, took = asyncio.run(measure(services[0].target, list(puzzles), thoughts, PARALLEL))
        # What was traced is sent a moment later, and belongs to it.
        time.sleep(2)
        return (processor_seconds(services) - before) / counted * 1e6, counted / took


async def pairs(server: ModelServer, endpoint: str, puzzles: Sequence[str], count: int) -> list[float]:
    """Return how much longer the same puzzles take when they are traced, pair by pair."""
    os.environ.update(server.environment())
    ratios = []
    for number in range(count):
        took = {}
        for traced in (bool(number % 2), not number % 2):
            os.environ["KOT_TRACES_ENDPOINT"] = endpoint if traced else ""
            async with connect(None) as client:
                await seconds(client, puzzles[:1])
                took[traced] = await seconds(client, puzzles)
        ratios.append(took[True] / took[False])
    return ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("puzzles", type=Path, help="a CSV file with a column `puzzle`")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--thoughts", type=int, default=1000, help="thoughts after which one solve is left")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=3, help="puzzles of one side of a pair")
    parser.add_argument("--json", help="write the figures to this file")
    add_arguments(parser)
    options = parser.parse_args()
    logs.configure(service="benchmark", pod="local", revision="local", level="error")
    costs: dict[bool, list[float]] = {True: [], False: []}
    shares = []
    with receiver() as endpoint:
        for repeat in range(options.repeats):
            wide, rates = unsolvable(8, first=8 * repeat), {}
            for traced in (bool(repeat % 2), not repeat % 2):
                how = {"KOT_TRACES_ENDPOINT": endpoint} if traced else {}
                cost, rates[traced] = run(how, wide, options.thoughts)
                costs[traced].append(cost)
            shares.append(rates[True] / rates[False])
        with model_server(options.server, scale=options.scale) as server:
            ratios = asyncio.run(pairs(server, endpoint, read_puzzles(options.puzzles, options.limit), options.pairs))
    more = [traced - plain for traced, plain in zip(costs[True], costs[False], strict=True)]
    figures: dict[str, object] = {
        "median processor microseconds a thought, not traced": round(statistics.median(costs[False])),
        "median processor microseconds a thought, traced": round(statistics.median(costs[True])),
        "median of what traces add": round(statistics.median(more)),
        "median of saturated throughput, traced over not": statistics.median(shares),
        "pairs on the latency server": len(ratios),
        "median of wall time traced over not": statistics.median(ratios),
        "quartiles": " to ".join(f"{each:.3f}" for each in statistics.quantiles(ratios, n=4)[::2]),
    }
    print_table("Traces", figures)
    write_json(options.json, figures | {"ratios": ratios, "shares": shares})


if __name__ == "__main__":
    main()
