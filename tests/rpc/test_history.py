"""Records of a log survive their bytes, and bytes that are none are refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.budget import Limits
from services.core.errors import Reason, StoreUnusable
from services.core.history import Awaited, Begun, Ended, Parked, Resumed, Round, Told
from services.core.task import Method
from services.core.thought import Dropped, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Expanded, Failed, Merged, Proposed, Pruned, Validated
from services.orchestrator.solve import SolveStatus
from services.rpc.gen.kubeofthoughts.v1 import history_pb2
from services.rpc.history import FAILED, decode, encode

counts = st.integers(0, 2**31 - 1)
seconds = st.floats(0, 1e9)
texts = st.text(max_size=20)
usages = st.builds(Usage, counts, counts, counts, counts, st.floats(0, 1e6))
thoughts = st.builds(Thought, texts, texts, counts, texts, texts, st.none() | texts)
events = st.one_of(
    st.builds(Proposed, thoughts, texts),
    st.builds(Merged, texts, texts, texts),
    st.builds(Evaluated, texts, st.builds(Value, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), texts),
    st.builds(Validated, texts, st.sampled_from(Verdict), texts, texts),
    st.builds(Pruned, texts, texts),
    st.builds(Expanded, texts, counts, st.builds(Dropped, counts, counts, counts), usages),
    st.builds(Failed, texts, st.sampled_from(Reason), texts),
)
told = st.builds(
    Told, thought_id=texts, draw=counts, children=st.lists(texts).map(tuple), events=st.lists(events).map(tuple),
    usage=usages, done=st.booleans(), failed=st.booleans(), method=st.none() | st.sampled_from(Method),
)  # fmt: skip
limits = st.builds(
    Limits, nodes=counts, depth=counts, model_calls=counts, prompt_tokens=counts, completion_tokens=counts,
    dollars=st.floats(0.001, 1e6) | st.just(math.inf), wall_seconds=seconds,
)  # fmt: skip
records = st.one_of(
    st.builds(
        Begun, request=st.binary(), request_hash=texts, problem=texts, task=texts, strategy=texts, versions=texts,
        begun_at=seconds, trace=texts, release=texts, pod=texts,
    ),
    st.builds(
        Round, told=st.lists(told, max_size=3).map(tuple), best=texts, elapsed=seconds, away=st.lists(texts).map(tuple)
    ),
    st.builds(Awaited, stage=texts),
    st.builds(Parked, why=texts, usage=usages, elapsed=seconds, reason=st.none() | st.sampled_from(Reason)),
    st.builds(Resumed, pod=texts, limits=limits, trace=texts),
    st.builds(
        Ended, status=st.sampled_from([*(status.value for status in SolveStatus), FAILED]), answer=texts,
        steps=st.lists(texts).map(tuple), best=texts, usage=usages, elapsed=seconds,
        reason=st.none() | st.sampled_from(Reason), message=texts,
    ),
)  # fmt: skip


@given(records)
def test_a_record_survives_its_bytes(record) -> None:
    assert decode(encode(record)) == record


@given(told)
def test_a_record_says_which_pods_did_what(told) -> None:
    """Events are equal wherever they came about, so this has to be looked at."""
    kept = decode(encode(Round(told=(told,), best="", elapsed=0.0)))
    assert [getattr(event, "pod", None) for event in kept.told[0].events] == [
        getattr(event, "pod", None) for event in told.events
    ]


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xff\xff",
        history_pb2.HistoryRecord(round={"told": [{"events": [{"thought_id": "a"}]}]}).SerializeToString(),
        history_pb2.HistoryRecord(ended={"status": 99}).SerializeToString(),
    ],
    ids=["nothing", "noise", "an event of a later version", "a status of a later version"],
)
def test_what_this_version_cannot_read_is_refused(stored: bytes) -> None:
    with pytest.raises(StoreUnusable, match="cannot read"):
        decode(stored)


@given(records)
def test_a_record_that_was_cut_short_is_never_another_kind_of_error(record) -> None:
    stored = encode(record)
    for length in {0, 1, len(stored) // 2, max(len(stored) - 1, 0)}:
        try:
            decode(stored[:length])
        except StoreUnusable:
            continue
