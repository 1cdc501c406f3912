"""Metrics: what they count of recorded histories, and of real solves, as Prometheus and OTLP receivers have it."""

import asyncio
import base64
import subprocess
import sys
import urllib.request
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest
from fleet import SOLVABLE, UNSOLVABLE, fleet, solve, solve_request
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from page import ENDLESS, Slow, browser
from processes import free_port, service
from prometheus_client.parser import text_string_to_metric_families
from word_ladder import EXAMPLE, PROBLEM, play

from services.adapters.cache._guard import Guarded
from services.adapters.llm.scripted import ScriptedModel
from services.adapters.stages import RemoteEvaluator
from services.cli.definition import read_definition
from services.core.errors import AddressUnusable, Reason, StoreUnavailable, WorkerUnavailable
from services.core.history import Ended, Parked, Round
from services.core.ports import EvaluateRequest, Sampling, TaskSelection
from services.core.thought import Thought, Usage
from services.core.tree import Expanded, Status, Tree
from services.orchestrator.measuring import Meter
from services.orchestrator.recording import patiently
from services.rpc.channel import dial
from services.rpc.convert import definition_to_proto
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.history import decode
from services.settings import TelemetrySettings
from services.telemetry import instruments, metrics
from services.testing.histories import history
from services.web.events import write_events

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
SMALL = {"completion_tokens": 1500}
PRICES = '{"": {"prompt": 2.5, "completion": 10}}'


class Counted:
    """What was counted so far, as a reader of the library sees it."""

    def __init__(self):
        self._reader = InMemoryMetricReader()
        self.metrics = metrics.Metrics([self._reader])

    def all(self):
        """Every point: the metric, its labels, and its value; of a histogram, the sum."""
        data = self._reader.get_metrics_data()
        if data is None:
            return
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            for point in metric.data.data_points:
                yield metric.name, dict(point.attributes), point.sum if hasattr(point, "sum") else point.value

    def of(self, metric, by=None):
        """The values of one metric: by one label, added up over the others; or by all labels."""
        found = Counter()
        for name, labels, value in self.all():
            if name == metric.name and value != 0:
                found[labels[by] if by else tuple(labels.values())] += value
        return dict(found)


@pytest.fixture
async def counted():
    counting = Counted()
    metrics.install(counting.metrics)
    yield counting
    await metrics.close()


def outcomes(tree):
    """What a tree says of its thoughts, as the metric counts them."""
    nodes = [node for node in tree if node.thought.parent_id]
    kinds = Counter(type(event).__name__ for event in tree.events)
    # The log may say more than once that a thought failed.
    return {
        outcome: number
        for outcome, number in {
            "proposed": len(nodes),
            "merged": tree.merged,
            "expanded": sum(node.draws for node in tree),
            "evaluated": sum(node.value is not None for node in nodes),
            "answer": sum(node.status is Status.ANSWER for node in nodes),
            "rejected": kinds["Validated"] - sum(node.status is Status.ANSWER for node in nodes),
            "pruned": kinds["Pruned"],
            "failed": kinds["Failed"],
        }.items()
        if number
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in HISTORIES.glob("*.txt")))
async def test_a_recorded_history_is_counted_as_its_tree_has_it(name, counted):
    records = [decode(base64.b64decode(line)) for line in (HISTORIES / f"{name}.txt").read_text().split()]
    strategy = name.rpartition("-")[0]
    events = [event for record in records if isinstance(record, Round) for told in record.told for event in told.events]
    tree = Tree.replay(Thought.root(records[0].problem), events)
    meter = Meter("game24", strategy)
    assert counted.of(instruments.SOLVES_RUNNING) == {("game24", strategy): 1}
    for record in records:
        meter.take([record])
    meter.close()
    end = records[-1]
    assert isinstance(end, Ended)
    assert counted.of(instruments.THOUGHTS, by="outcome") == outcomes(tree)
    dropped = [event.dropped for event in events if isinstance(event, Expanded)]
    assert counted.of(instruments.DROPPED, by="reason") == {
        reason: lines
        for reason in ("malformed", "illegal", "duplicate")
        if (lines := sum(getattr(each, reason) for each in dropped))
    }
    assert counted.of(instruments.SOLVES) == {("game24", strategy, end.status): 1}
    assert counted.of(instruments.SOLVE_DURATION) == {("game24", strategy, end.status): end.elapsed}
    assert counted.of(instruments.SOLVES_RUNNING) == {}


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_a_history_has_is_counted_and_no_label_tells_texts_or_ids(seed, counted):
    records = list(history(seed))
    events = [event for record in records if isinstance(record, Round) for told in record.told for event in told.events]
    meter = Meter("game24", "bfs")
    meter.take(records)
    meter.close()
    kinds = Counter(type(event).__name__.lower() for event in events)
    kinds.update(outcomes(Tree.replay(Thought.root(records[0].problem), events)).keys() & {"answer", "rejected"})
    found = counted.of(instruments.THOUGHTS, by="outcome")
    assert sum(found.values()) == len(events)
    assert found.keys() == kinds.keys() - {"validated"}
    declared = {metric.name: set(metric.labels) for metric in instruments.METRICS}
    for name, labels, _ in counted.all():
        assert set(labels) == declared[name]
        assert all(len(value) < 20 and value.replace("_", "").isalnum() for value in labels.values()), labels


async def test_a_solve_that_is_parked_or_left_has_no_time_to_its_answer(counted):
    for records in ([Parked(why="nobody", usage=Usage(), elapsed=3.0)], []):
        meter = Meter("game24", "bfs")
        meter.take(records)
        meter.close()
    assert counted.of(instruments.SOLVES, by="status") == {"PARKED": 1, "LEFT": 1}
    assert counted.of(instruments.SOLVE_DURATION) == {}


async def test_what_alerts_watch_is_there_before_it_happens(counted):
    Meter("game24", "bfs")
    found = {labels["status"]: value for name, labels, value in counted.all() if name == instruments.SOLVES.name}
    assert found == {"FAILED": 0, "LEFT": 0}


async def test_a_store_is_away_for_as_long_as_a_solve_says_so(counted):
    def away(*stores):
        return Round(told=(), best="", elapsed=1.0, away=stores)

    first, second = Meter("game24", "bfs"), Meter("game24", "bfs")
    first.take([away("bus"), away("bus", "tree")])
    second.take([away("tree")])
    assert counted.of(instruments.STORES_AWAY) == {("bus",): 1, ("tree",): 2}
    first.take([away("tree")])
    second.close()
    assert counted.of(instruments.STORES_AWAY) == {("tree",): 1}
    first.close()
    assert counted.of(instruments.STORES_AWAY) == {}


async def test_a_cache_is_away_until_it_answers_again(monkeypatch, counted):
    class Flaky:
        claim_seconds = 1.0
        works = False

        async def look(self, key, claim):
            if not self.works:
                raise StoreUnavailable("away")
            return b"known"

    monkeypatch.setattr("services.adapters.cache._guard.PAUSE_SECONDS", 0.0)
    flaky = Flaky()
    cache = Guarded(flaky)
    for _ in range(3):
        await cache.look("key", "claim")
    assert counted.of(instruments.STORES_AWAY) == {("cache",): 1}
    flaky.works = True
    assert await cache.look("key", "claim") == b"known"
    assert counted.of(instruments.STORES_AWAY) == {}


async def test_tasks_of_clients_and_models_of_theirs_share_a_label(counted):
    async with fleet(ScriptedModel(play)) as target, dial(target) as channel:
        request = solve_request(PROBLEM, strategy="bfs")
        request.definition.CopyFrom(definition_to_proto(read_definition(EXAMPLE)))
        for model in ("some-secret-name", ""):
            request.propose.model = model
            async for _ in OrchestratorServiceStub(channel).Solve(request):
                pass
    assert counted.of(instruments.SOLVES) == {("custom", "bfs", "SOLVED"): 2}
    assert counted.of(instruments.BATCH_SIZE, by="task").keys() == {"custom"}
    assert counted.of(instruments.MODEL_CALLS, by="model").keys() == {"default", "other"}
    assert counted.of(instruments.MODEL_CALLS, by="stage").keys() == {"generator", "evaluator", "validator"}
    assert "some-secret-name" not in str(list(counted.all()))


async def test_what_is_tried_again_is_counted(counted):
    async def away():
        raise StoreUnavailable("away")

    nobody = RemoteEvaluator(f"127.0.0.1:{free_port()}", timeout=10, attempts=3, calls=1)
    with pytest.raises(WorkerUnavailable):
        async for _ in nobody.evaluate(
            [EvaluateRequest(id="1", task=TaskSelection(name="game24"), states=(), sampling=Sampling())]
        ):
            pass
    await nobody.close()
    with pytest.raises(StoreUnavailable):
        await patiently(0.3, away)
    retries = counted.of(instruments.RETRIES, by="of")
    assert retries.pop("evaluator") == 2
    assert retries.pop("log") >= 1
    assert retries == {}
    assert counted.of(instruments.STAGE_DURATION).keys() == {("evaluator", str(Reason.WORKER_UNAVAILABLE))}
    assert counted.of(instruments.STAGE_RUNNING) == {}


# --- real processes -------------------------------------------------------------------------------------------------


@contextmanager
def measured_processes(folder, **environment):
    """The four services, each with metrics on a port of its own: gives the orchestrator, and all ports by service."""
    ports = {}
    with ExitStack() as stack:

        def start(name, **more):
            ports[name] = free_port()
            own = {"KOT_METRICS_PORT": str(ports[name]), "KOT_PRICES": PRICES}
            return stack.enter_context(service(name, folder, **own | environment | more))

        workers = [start(name) for name in ("generator", "evaluator", "validator")]
        targets = {f"KOT_{worker.name.upper()}_TARGET": worker.target for worker in workers}
        orchestrator = start("orchestrator", **targets)
        for started in (orchestrator, *workers):
            started.wait_until_serving()
        yield [orchestrator, *workers], ports


class Scraped:
    """What Prometheus reads from one process."""

    def __init__(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            text = answer.read().decode()
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def of(self, name, by=None, **where):
        """Values of a metric by one label, or added up; only of samples with these labels."""
        found = Counter()
        for sample in self.samples:
            if sample.name == name and where.items() <= sample.labels.items():
                found[sample.labels[by] if by else ""] += sample.value
        return {label: value for label, value in found.items() if value} if by else found[""]


async def test_what_prometheus_scrapes_from_four_processes_is_what_the_solves_were_told(tmp_path):
    with measured_processes(tmp_path) as (running, ports):
        runs = [
            await solve(running[0].target, problem, strategy="bfs", **fields)
            for problem, fields in [(SOLVABLE, {}), (SOLVABLE, {}), (UNSOLVABLE, {"budget": SMALL})]
        ]
        scraped = {name: await asyncio.to_thread(Scraped, port) for name, port in ports.items()}
        for process in running:
            process.process.terminate()
        assert [await process.ended() for process in running] == [0] * 4
    orchestrator = scraped["orchestrator"]
    assert orchestrator.of("kot_solves_total", by="status") == Counter(run.status for run in runs)
    assert orchestrator.of("kot_solves_total", task="game24", strategy="bfs") == 3
    assert orchestrator.of("kot_solve_duration_seconds_count", status="SOLVED") == 2
    assert orchestrator.of("kot_solves_running") == 0
    events = Counter(event.WhichOneof("event") for run in runs for event in run.log)
    thoughts = orchestrator.of("kot_thoughts_total", by="outcome")
    assert thoughts.pop("answer") + thoughts.pop("rejected", 0) == events.pop("validated")
    assert thoughts == events
    for metric, field in {
        "kot_model_calls_total": "model_calls",
        "kot_cache_hits_total": "cache_hits",
        "kot_dollars_total": "dollars",
    }.items():
        told = sum(getattr(run.result.usage, field) for run in runs)
        assert told > 0
        assert orchestrator.of(metric, model="default") == pytest.approx(told)
    for direction in ("prompt", "completion"):
        told = sum(getattr(run.result.usage, f"{direction}_tokens") for run in runs)
        assert orchestrator.of("kot_tokens_total", direction=direction) == told
    assert orchestrator.of("kot_batch_size_sum", stage="generator") == events["expanded"]
    for stage in ("generator", "evaluator", "validator"):
        calls = orchestrator.of("kot_stage_duration_seconds_count", stage=stage)
        assert 0 < calls == orchestrator.of("kot_stage_wait_seconds_count", stage=stage)
        assert orchestrator.of("kot_batch_size_count", stage=stage) == calls
        assert orchestrator.of("kot_stage_running", stage=stage) == 0
        assert scraped[stage].of("kot_model_running") == 0
        assert scraped[stage].of("kot_solves_total") == 0
    for stage in ("generator", "evaluator"):
        asked = scraped[stage].of("kot_model_duration_seconds_count", by="cached", model="scripted")
        assert asked["no"] == orchestrator.of("kot_model_calls_total", stage=stage)
        assert asked["yes"] == orchestrator.of("kot_cache_hits_total", stage=stage)


async def test_what_prometheus_scrapes_of_the_page_is_what_was_asked(tmp_path):
    port = free_port()

    async def shown(name, **where):
        return (await asyncio.to_thread(Scraped, port)).of(name, **where)

    async with fleet(Slow()) as target:
        settings = {"KOT_ORCHESTRATOR_TARGET": target, "KOT_METRICS_PORT": str(port)}
        with service("web", tmp_path, **settings) as web:
            await asyncio.to_thread(web.wait_until_serving)
            async with browser(f"http://{web.target}") as session:
                for path, code in (("/", 200), ("/api/solves", 200), ("/api/solves/none", 404), ("/nowhere", 404)):
                    assert (await session.get(path)).status == code
                asked = {"problem": UNSOLVABLE, "budget": ENDLESS}
                async with session.post("/api/solves", json=asked) as answer:
                    await answer.content.readline()
                    assert await shown("kot_web_streams") == 1
                requests = await shown("kot_web_requests_total", by="route")
                assert requests == {"page": 1, "solves": 1, "one": 1, "none": 1, "solve": 1}
                assert await shown("kot_web_requests_total", by="code") == {"200": 3, "404": 2}
                async with asyncio.timeout(10):
                    while await shown("kot_web_streams"):  # noqa: ASYNC110 - the server is another process
                        await asyncio.sleep(0.05)
            web.process.terminate()
            assert await web.ended() == 0


async def test_a_stream_that_fails_is_counted(counted):
    async def failing():
        raise WorkerUnavailable("away")
        yield

    told = [event async for event in write_events(failing(), after=0, closing=asyncio.Event())]
    assert len(told) == 1
    assert counted.of(instruments.WEB_STREAMS_FAILED) == {("WORKER_UNAVAILABLE",): 1}


@asynccontextmanager
async def otlp():
    """An OTLP receiver of metrics; gives its port and all that it gets."""

    class Receiver(metrics_service_pb2_grpc.MetricsServiceServicer):
        async def Export(self, request, context):  # noqa: N802 - the wire's name
            received.extend(request.resource_metrics)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    received = []
    server = grpc.aio.server()
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port, received
    finally:
        await server.stop(0)


async def test_an_otlp_receiver_is_told_the_rest_when_a_process_ends(tmp_path):
    async with otlp() as (port, received):
        sent_to = {"KOT_METRICS_PORT": "0", "KOT_METRICS_ENDPOINT": f"http://127.0.0.1:{port}"}
        with measured_processes(tmp_path, **sent_to) as (running, _):
            run = await solve(running[0].target, SOLVABLE)
            for process in running:
                process.process.terminate()
            assert [await process.ended() for process in running] == [0] * 4
    calls = {}
    for group in received:
        who = {each.key: each.value.string_value for each in group.resource.attributes}
        for metric in group.scope_metrics[0].metrics:
            if metric.name == instruments.MODEL_CALLS.name:
                calls[who["service.name"]] = sum(point.as_int for point in metric.sum.data_points)
    assert calls == {"orchestrator": run.result.usage.model_calls}
    assert {
        each.value.string_value
        for group in received
        for each in group.resource.attributes
        if each.key == "service.name"
    } >= {"orchestrator", "generator", "evaluator"}


async def test_a_port_that_is_taken_is_an_error_that_names_the_setting():
    settings = TelemetrySettings(metrics_port=free_port())
    names = {"service": "generator", "pod": "pod", "revision": "1", "host": "127.0.0.1"}
    metrics.configure(settings, **names)
    try:
        with pytest.raises(AddressUnusable, match="KOT_METRICS_PORT"):
            metrics.configure(settings, **names)
    finally:
        await metrics.close()
    metrics.configure(settings, **names)
    await metrics.close()


def test_where_no_metrics_are_wanted_nothing_of_them_is_imported():
    script = (
        "import sys; from services.cli.main import main; sys.argv = ['kot', 'solve', '1 1 11 11', '--json']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end\n"
        "found = [name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))]\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, timeout=60)
