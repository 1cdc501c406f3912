"""Solves that an earlier version parked: taken up where nothing has changed, refused with a reason elsewhere."""

import base64
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from fleet import details, fleet
from test_stored_solves import described, watch

from services.adapters.log import create_log
from services.core.history import Begun, Ended
from services.plugins import STRATEGIES
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.rpc.history import decode
from services.settings import RedisSettings, StateSettings

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
AGAIN = "the strategy has changed: give it another version (`Rules.version`), then run tests/histories/record.py"


def recorded(name):
    return [decode(base64.b64decode(line)) for line in (HISTORIES / f"{name}.txt").read_text().split()]


async def stored(state, begun, *records):
    """Leave a solve in a log as a process that died has left it."""
    log = create_log(state, RedisSettings())
    lease = await log.begin("recorded", begun)
    await log.append(lease, 1, records)
    await log.release(lease)
    await log.close()


def test_there_is_one_of_every_strategy():
    assert {path.stem for path in HISTORIES.glob("*.txt")} == {
        f"{strategy}-{concurrency}" for strategy in STRATEGIES.names() for concurrency in ("level", "async")
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in HISTORIES.glob("*.txt")))
async def test_a_stored_history_is_taken_up_again(name, tmp_path):
    begun, *rounds, ended = recorded(name)
    assert isinstance(begun, Begun)
    assert isinstance(ended, Ended)
    state = StateSettings(state_path=tmp_path / "kot.db")
    await stored(state, begun, *rounds[: len(rounds) // 2 + 1])
    async with fleet(state=state) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        try:
            run = await watch(stub, "recorded")
        except grpc.aio.AioRpcError as error:
            raise AssertionError(AGAIN) from error
        assert (run.status, run.result.answer) == (ended.status, ended.answer)
        if name.endswith("level"):
            events = [event for each in rounds for told in each.told for event in told.events]
            assert [event.thought_id for event in run.log] == [event.thought_id for event in events]
            assert tuple(run.result.steps) == ended.steps


@pytest.mark.parametrize("part", ["task game24 1", "strategy bfs 1", "propose bare"])
async def test_a_history_of_another_version_is_refused_and_stays(part, tmp_path):
    begun, *rounds, _ = recorded("bfs-level")
    assert part in begun.versions
    state = StateSettings(state_path=tmp_path / "kot.db")
    await stored(state, replace(begun, versions=begun.versions.replace(part, f"{part}0")), *rounds[:2])
    async with fleet(state=state) as target, dial(target) as channel:
        stub = OrchestratorServiceStub(channel)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await watch(stub, "recorded")
            assert details(raised.value)[1].reason == "HISTORY_REFUSED"
            assert f"{part}0" in raised.value.details()
        assert (await described(stub, "recorded")).state == wire.SOLVE_STATE_PARKED
