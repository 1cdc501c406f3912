"""Traces, received as real OTLP over gRPC: shaped like the tree, through all four services, whole."""

import asyncio
import json
import os
import sys
import threading
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace

import grpc
import jaeger
import jsonschema
import pytest
from critical_path import critical_path
from fleet import SOLVABLE, UNSOLVABLE, solve, solve_request
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from processes import four_processes

from services.core.thought import Dropped, Proposal, Thought, Usage, thought_id
from services.core.tree import Expanded, Proposed, Pruned
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.telemetry import exporting, names, tracing
from services.telemetry.branch import Branches

SMALL = {"completion_tokens": 3000}
WIDE = "3 3 8 8"
"""A puzzle with many ways to fail, and to meet, before its answer."""
ENOUGH = {"completion_tokens": 200_000}


PLUGIN = """
from services.testing.faulty_model import Fault, FaultyModel

def create(settings):
    return FaultyModel(lambda request: Fault.RAISES if BROKEN else Fault.NONE, delay=DELAY)
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A backend of someone else that takes its time, or fails where `broken` says; returns settings that choose it."""

    def plant(*, delay=0.0, broken="False"):
        info = tmp_path / "planted-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[kube_of_thoughts.models]\nplanted = planted\n")
        (tmp_path / "planted.py").write_text(PLUGIN.replace("DELAY", str(delay)).replace("BROKEN", broken))
        return {"KOT_MODEL": "planted", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

    return plant


class Span:
    """A span as it was received."""

    def __init__(self, resource, span):
        self.service = resource.get("service.name")
        self.pod, self.revision = resource.get("service.instance.id"), resource.get("service.version")
        self.name = span.name
        self.id, self.parent, self.trace = span.span_id.hex(), span.parent_span_id.hex(), span.trace_id.hex()
        self.attributes = attributes(span.attributes)
        self.links = [link.span_id.hex() for link in span.links]
        self.linked_traces = [link.trace_id.hex() for link in span.links]
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed = span.status.code == 2

    def __repr__(self):
        return f"{self.name} {self.id} below {self.parent} {self.attributes}"


def attributes(found):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in found}


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps what it gets; one that hangs does not answer."""

    def __init__(self):
        self.spans = []
        self.requests = []
        self.hangs = False

    async def Export(self, request, context):  # noqa: N802 - the wire's name
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        for group in request.resource_spans:
            resource = attributes(group.resource.attributes)
            self.spans += [Span(resource, span) for scope in group.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of(self, trace):
        return [span for span in self.spans if span.trace == trace]

    @property
    def solves(self):
        return [span for span in self.spans if span.name == names.SOLVE]


@asynccontextmanager
async def receiver():
    server, received = grpc.aio.server(), Receiver()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(received, server)
    received.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield received
    finally:
        await server.stop(0)


@contextmanager
def services(folder, received, **environment):
    endpoint = f"http://127.0.0.1:{received.port}"
    with four_processes(folder, **{"KOT_TRACES_ENDPOINT": endpoint, "KOT_CACHE": "none", **environment}) as running:
        yield running


async def ended(running):
    """Let the processes end, which sends what they have left."""
    for service in running:
        service.process.terminate()
    assert [await service.ended() for service in running] == [0] * len(running)


def assert_whole(spans):
    """One span begins the trace, every other one lies within one that is there, and all have ended."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans)
    roots = [span for span in spans if span.parent not in by_id]
    assert [span.name for span in roots] == [names.SOLVE], roots
    for span in spans:
        assert span.start <= span.end


def assert_says(span, node):
    """The span says what the tree has of a thought's value and cost."""
    said = span.attributes
    if node.value:
        shares = {label: getattr(node.value, label) for label in ("sure", "likely", "impossible")}
        assert said[names.SCORE] == node.value.score
        assert shares[said[names.LABEL]] == max(shares.values())
    if node.draws:
        assert said[names.DRAWS] == node.draws
        assert said.keys() >= {names.MODEL_CALLS, names.PROMPT_TOKENS, names.COMPLETION_TOKENS, names.DOLLARS}


async def test_every_thought_has_one_span_below_that_of_its_parent_and_all_services_are_in_one_trace(tmp_path):
    async with receiver() as received:
        with services(tmp_path, received) as running:
            run = await solve(running[0].target, WIDE, budget=ENOUGH)
            await ended(running)
        [root] = received.solves
        spans = received.of(root.trace)
        assert len(received.spans) == len(spans)
        assert_whole(spans)
        assert {span.service for span in spans} == {"orchestrator", "generator", "evaluator", "validator"}
        assert all(span.pod and span.revision for span in spans)
        assert root.attributes[names.STATUS] == run.status
        assert root.attributes[names.SOLVE_ID] == run.accepted.solve_id
        by_id = {span.id: span for span in spans}
        thoughts = [span for span in spans if span.name in (names.SOLVE, names.THOUGHT)]
        known = {span.attributes[names.THOUGHT_ID]: span for span in thoughts}
        assert len(known) == len(thoughts)
        for node in run.tree:
            span = known[node.thought.id]
            assert span.attributes[names.DEPTH] == node.thought.depth
            if node.thought.parent_id:
                assert by_id[span.parent].attributes[names.THOUGHT_ID] == node.thought.parent_id
                assert span.attributes[names.STATUS] == node.status.value
                assert_says(span, node)
            for parent_id in node.parents[1:]:
                [text] = [
                    event.merged.text for event in run.log
                    if event.WhichOneof("event") == "merged"
                    and (event.thought_id, event.merged.parent_id) == (node.thought.id, parent_id)
                ]  # fmt: skip
                assert span.id in known[thought_id(parent_id, text)].links
        inside = {names.PROPOSE: "generator", names.EVALUATE: "evaluator", names.VALIDATE: "validator"}
        for span in spans:
            if span.name in inside:
                assert by_id[span.parent].name in (names.SOLVE, names.THOUGHT)
                assert span.service == inside[span.name]
            elif span.name.startswith(names.COMPLETE):
                assert by_id[span.parent].name in inside
        completions = [span for span in spans if span.name.startswith(names.COMPLETE)]
        assert sum(span.attributes.get(names.COMPLETION_TOKENS, 0) for span in completions) >= (
            run.result.usage.completion_tokens
        )
        assert root.attributes[names.COMPLETION_TOKENS] == run.result.usage.completion_tokens


async def test_times_on_the_critical_path_add_up_to_the_time_of_the_solve(tmp_path, planted):
    async with receiver() as received:
        with services(tmp_path, received, **planted(delay=0.02)) as running:
            await solve(running[0].target, WIDE, budget=ENOUGH)
            await ended(running)
        [root] = received.solves
        path = critical_path(received.spans, root)
        assert sum(own for _, own in path) == pytest.approx(root.end - root.start, rel=0.01)
        on_path = {span.id for span, _ in path}
        to_answer = [span for span in received.spans if span.attributes.get(names.ON_ANSWER_PATH)]
        to_answer.sort(key=lambda span: span.attributes[names.DEPTH])
        assert len(to_answer) > 3
        # What led to the answer was waited for to the end; the answer was told together with its siblings.
        assert {span.id for span in to_answer[:-1]} <= on_path
        kinds = {span.name.partition(" ")[0] for span, _ in path}
        assert kinds >= {names.SOLVE, names.THOUGHT, names.PROPOSE, names.EVALUATE, names.COMPLETE}


async def test_jaeger_has_all_of_it(tmp_path, planted):
    broken = planted(broken="request.labels and hash(request.prompt) % 3 == 0")
    async with receiver() as received:
        with services(tmp_path, received, KOT_CACHE="memory", PYTHONHASHSEED="0", **broken) as running:
            for _ in range(2):
                await solve(running[0].target, UNSOLVABLE, budget=SMALL)
            await ended(running)
    answer = jaeger.to_jaeger(received.requests)
    validator = jsonschema.Draft202012Validator(jaeger.SCHEMA)
    validator.validate(answer)
    spans = {(span["traceID"], span["spanID"]): span for trace in answer["data"] for span in trace["spans"]}
    assert len(spans) == len(received.spans)
    assert len(answer["data"]) == len(received.solves) == 2
    kinds = Counter()
    for trace in answer["data"]:
        for span in trace["spans"]:
            assert span["traceID"] == trace["traceID"]
            assert span["processID"] in trace["processes"]
            for reference in span["references"]:
                assert (reference["traceID"], reference["spanID"]) in spans
                kinds[reference["refType"]] += 1
    assert kinds["CHILD_OF"] == len(spans) - 2
    assert kinds["FOLLOWS_FROM"] > 0
    assert any({"key": "error", "type": "bool", "value": True} in span["tags"] for span in spans.values())
    some = next(iter(spans.values()))
    for part, wrong in (("spanID", "7"), ("duration", -1), ("tags", [{"key": "a", "type": "int64", "value": "1"}])):
        spoilt = [{**answer["data"][0], "spans": [{**some, part: wrong}]}]
        assert not validator.is_valid({"data": spoilt})


async def test_a_hit_links_to_the_call_that_paid(tmp_path):
    async with receiver() as received:
        with services(tmp_path, received, KOT_CACHE="memory") as running:
            for _ in range(2):
                run = await solve(running[0].target, WIDE, budget=ENOUGH)
            await ended(running)
        first, second = received.solves
        assert run.result.usage.cache_hits > 0
        paid = {span.id: span for span in received.spans if span.attributes.get(names.CACHED) is False}
        hits = [span for span in received.spans if span.attributes.get(names.CACHED)]
        for hit in hits:
            [link] = hit.links
            assert (paid[link].name, paid[link].service) == (hit.name, hit.service)
            assert hit.linked_traces == [paid[link].trace]
        assert [first.trace] in [hit.linked_traces for hit in hits if hit.trace == second.trace]


async def test_what_was_said_is_in_a_trace_only_if_that_is_wanted(tmp_path):
    for wanted in (False, True):
        async with receiver() as received:
            with services(tmp_path, received, KOT_TRACE_CONTENT=str(wanted)) as running:
                await solve(running[0].target, SOLVABLE)
                await ended(running)
            said = json.dumps([span.attributes for span in received.spans], default=str)
            assert ("Input: 1 1 11 11" in said) is wanted
            assert ("(left: 1 1 22)" in said) is wanted
            for span in received.spans:
                for name, role in ((names.PROMPT, "user"), (names.COMPLETIONS, "assistant")):
                    if name in span.attributes:
                        for message in json.loads(span.attributes[name]):
                            assert message["role"] == role
                            assert [part["type"] for part in message["parts"]] == ["text"]


def test_names_of_the_conventions_are_theirs():
    theirs = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert len(ours) == 11
    assert ours <= theirs
    assert names.COMPLETE in [each.value for each in gen_ai_attributes.GenAiOperationNameValues]


async def test_a_client_that_traces_finds_the_solve_in_its_own_trace(tmp_path):
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with receiver() as received:
        with services(tmp_path, received, KOT_TRACE_SHARE="0") as running:
            async with dial(running[0].target) as channel:
                stub = OrchestratorServiceStub(channel)
                for metadata in ([], [("traceparent", f"00-{trace}-{span}-01")], [("traceparent", "nonsense")]):
                    async for _ in stub.Solve(solve_request(SOLVABLE), metadata=metadata):
                        pass
            await ended(running)
        [root] = received.solves
        assert (root.trace, root.parent) == (trace, span)


async def test_after_a_cancel_no_span_stays_open(tmp_path, planted):
    async with receiver() as received:
        with services(tmp_path, received, **planted(delay=0.02)) as running:
            async with dial(running[0].target) as channel:
                stub = OrchestratorServiceStub(channel)
                call = stub.Solve(solve_request(UNSOLVABLE, request_id="left"))
                async for message in call:
                    if message.progress.nodes > 5:
                        break
                await stub.CancelSolve(wire.CancelSolveRequest(solve_id="left"))
                async for _ in call:
                    pass
            await ended(running)
        [root] = received.solves
        assert root.attributes[names.STATUS] == "CANCELLED"
        spans = received.of(root.trace)
        assert_whole(spans)
        assert not any(span.failed for span in spans), "what is left is no error: collectors keep what has one"


async def test_a_solve_that_is_taken_up_is_a_new_trace_that_links_to_the_old_one(tmp_path, planted):
    async with receiver() as received:
        for _ in range(2):
            with services(tmp_path, received, KOT_DETACH_GRACE="0", **planted(delay=0.005)) as running:
                async with dial(running[0].target) as channel:
                    stub = OrchestratorServiceStub(channel)
                    call = stub.Solve(solve_request(WIDE, request_id="twice", budget=ENOUGH))
                    async for message in call:
                        if message.progress.nodes > 8 and len(received.solves) == 0:
                            call.cancel()
                            break
                await ended(running)
        first, second = received.solves
        assert first.attributes[names.STATUS] == "PARKED"
        assert second.linked_traces == [first.trace]
        for root in (first, second):
            assert_whole(received.of(root.trace))
        stand_ins = [span for span in received.of(second.trace) if span.attributes.get(names.STAND_IN)]
        assert stand_ins
        shown = {span.attributes.get(names.THOUGHT_ID) for span in received.of(first.trace)}
        assert {span.attributes[names.THOUGHT_ID] for span in stand_ins} <= shown


async def test_beyond_the_cap_each_depth_has_one_span(tmp_path):
    async with receiver() as received:
        with services(tmp_path, received, KOT_TRACE_SPANS="10") as running:
            run = await solve(running[0].target, WIDE, budget=ENOUGH)
            await ended(running)
        [root] = received.solves
        assert_whole(received.of(root.trace))
        kinds = Counter(span.name for span in received.spans)
        assert kinds[names.THOUGHT] == 9
        assert 1 <= kinds[names.LEVEL] <= 4
        assert len(run.tree) > 20


@asynccontextmanager
async def tracing_to(received, **changes):
    """What traces in this process; when this is over, all of it was received."""
    wanted = {"traces_endpoint": f"http://127.0.0.1:{received.port}", "trace_share": 1.0, "trace_spans": 3}
    settings = SimpleNamespace(**wanted | {"trace_content": True} | changes)
    by = tracing.Tracing(settings, service="kot", pod="local", revision="")
    yield by
    await asyncio.to_thread(by.close)


async def test_what_is_noted_arrives_and_long_texts_are_cut(caplog):
    noted = {"text": "é", "no": False, "number": -7, "large": 2**62, "part": 0.25, "texts": ["a", "b"]}
    trace, above = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with receiver() as received, tracing_to(received) as by:
        with by.start("one", f"00-{trace}-{above}-01", noted) as one:
            one.note({"long": "é" * (tracing.LONGEST_TEXT + 1)})
            one.link(f"00-{above * 2}-{trace[:16]}-00")
            one.link("nonsense")
        with pytest.raises(ValueError, match="so"), by.start("two", one.trace):
            raise ValueError("so")
        for unsampled in (f"00-{trace}-{above}-00", f"00-{trace}-{above}-fe"):
            by.start("none", unsampled).end()
    one, two = sorted(received.spans, key=lambda span: span.start)
    assert [each.string_value for each in one.attributes.pop("texts").values] == noted.pop("texts")
    assert one.attributes == {**noted, "long": "é" * tracing.LONGEST_TEXT}
    assert (one.trace, one.parent, one.failed) == (trace, above, False)
    assert (one.linked_traces, one.links) == ([above * 2], [trace[:16]])
    assert (two.trace, two.parent, two.failed) == (trace, one.id, True)
    assert two.attributes == {names.ERROR: "ValueError"}
    assert caplog.messages == []


async def test_what_is_cancelled_is_left_and_has_not_failed():
    async with receiver() as received, tracing_to(received) as by:
        with pytest.raises(asyncio.CancelledError), by.start("one", ""):
            raise asyncio.CancelledError
    [one] = received.spans
    assert (one.failed, one.attributes) == (False, {names.LEFT: True})


async def test_however_long_texts_are_no_message_is_too_large_for_a_receiver(caplog):
    prompt, completion = "p" * tracing.LONGEST_TEXT, "é" * tracing.LONGEST_TEXT
    async with receiver() as received, tracing_to(received) as by:
        for _ in range(200):
            with by.start("one", "") as span:
                span.note({names.PROMPT: prompt, names.COMPLETIONS: completion})
    assert len(received.spans) == 200
    assert caplog.messages == []


async def test_a_collector_that_hangs_is_waited_for_once_and_not_for_each_batch(monkeypatch):
    monkeypatch.setattr(exporting, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(exporting, "BATCH_WITH_CONTENT", 10)
    async with receiver() as received:
        received.hangs = True
        async with tracing_to(received) as by:
            for _ in range(100):
                by.start("one", "").end()
        assert len(received.requests) < 100 / exporting.BATCH_WITH_CONTENT
        for thread in threading.enumerate():
            if thread.name == "OtelBatchSpanRecordProcessor":
                await asyncio.to_thread(thread.join)


async def test_the_share_of_traces_that_is_wanted_is_begun():
    async with receiver() as received:
        for share, least, most in ((0.0, 0, 0), (0.5, 300, 700), (1.0, 1000, 1000)):
            async with tracing_to(received, trace_share=share) as by:
                assert least <= sum(bool(by.start("begun", "").trace) for _ in range(1000)) <= most


async def test_the_span_of_a_depth_ends_once_and_does_not_say_what_became_of_one_thought(caplog):
    root = Thought.root("p")
    children = [root.child(Proposal(text, key=text)) for text in "abcd"]
    async with receiver() as received, tracing_to(received) as by:
        branches = Branches(by, by.start(names.SOLVE, ""), root.id)
        for child in children:
            branches.born(root.id, child.text, 1)
            branches.told(
                [Proposed(child), Pruned(child.id, "worse"), Expanded(child.id, 0, Dropped(), Usage(model_calls=1))]
            )
        branches.end("SOLVED", Usage(), [child.id for child in children])
    [level] = [span for span in received.spans if span.name == names.LEVEL]
    assert level.attributes[names.STATUS] == "open"
    assert level.attributes[names.MODEL_CALLS] == 2
    assert not {names.NOTE, names.TEXT, names.ON_ANSWER_PATH} & level.attributes.keys()
    assert caplog.messages == []


async def test_an_error_sits_on_the_span_of_its_branch(tmp_path, planted):
    broken = planted(broken="request.labels and hash(request.prompt) % 3 == 0")
    async with receiver() as received:
        with services(tmp_path, received, PYTHONHASHSEED="0", **broken) as running:
            run = await solve(running[0].target, UNSOLVABLE, budget=SMALL)
            await ended(running)
        failed = {event.thought_id for event in run.log if event.WhichOneof("event") == "failed"}
        thoughts = [span for span in received.spans if span.name == names.THOUGHT]
        assert failed
        assert {span.attributes[names.THOUGHT_ID] for span in thoughts if span.failed} == failed
        for span in thoughts:
            if span.failed:
                assert span.attributes[names.ERROR] == "MODEL_FAILED"
                assert span.attributes[names.STATUS] == "failed"
