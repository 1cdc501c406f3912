"""A solve keeps to the release of the workers that it began with, at every call and under whichever orchestrator."""

import pytest
from fleet import SOLVABLE, UNSOLVABLE, fleet, scripted, socket, solve, solve_request
from test_stored_solves import left_in_the_middle, orchestrator, read

from services.adapters.llm.remote import RemoteModel
from services.core.errors import InvalidInput
from services.generator import wiring as generator
from services.rpc import release
from services.rpc.server import serving
from services.settings import OrchestratorSettings, StateSettings, read_settings
from services.testing.faulty_model import FaultyModel

V1 = ((release.ROUTING_KEY, "v1"), (release.KEY, "v1"))
V2 = ((release.ROUTING_KEY, "v2"), (release.KEY, "v2"))


class Noting(FaultyModel):
    """Notes the releases that its calls keep to."""

    def __init__(self):
        super().__init__(delay=0.001)
        self.said = set()

    async def complete(self, request):
        self.said.add(release.metadata())
        async for event in super().complete(request):
            yield event


@pytest.fixture
def state(tmp_path):
    return StateSettings(state_path=tmp_path / "kot.db", detach_grace=0, lease_seconds=1)


async def test_who_goes_on_with_a_solve_keeps_to_the_release_that_it_began_with(state):
    first, second = Noting(), Noting()
    async with orchestrator(state, first, release="v1") as stub:
        await left_in_the_middle(stub, first, "left")
    async with orchestrator(state, second, release="v2") as stub:
        run = await read(stub.Solve(solve_request(UNSOLVABLE, request_id="left", budget={"completion_tokens": 3000})))
        assert run.status == "COMPLETION_TOKENS_SPENT"
        assert first.said == second.said == {V1}
        await read(stub.Solve(solve_request(SOLVABLE)))
        assert second.said == {V1, V2}


async def test_a_worker_without_a_model_hands_the_release_on():
    judging = Noting()
    async with socket() as address, serving(generator.mounts(judging), address, drain_seconds=1):
        judge = RemoteModel(address, timeout=20)
        async with fleet(scripted(), judge=judge, release="v1") as target:
            assert (await solve(target)).status == "SOLVED"
        await judge.close()
    assert judging.said == {V1}


async def test_without_a_release_calls_say_nothing_of_one(state):
    model = Noting()
    async with orchestrator(state, model) as stub:
        await read(stub.Solve(solve_request(SOLVABLE)))
    assert model.said == {()}


@pytest.mark.parametrize("name", ["V1", "-v1", "v1.2", "v" * 64])
def test_what_is_no_tag_is_refused(name, monkeypatch):
    monkeypatch.setenv("KOT_RELEASE", name)
    with pytest.raises(InvalidInput, match="KOT_RELEASE"):
        read_settings(OrchestratorSettings)
