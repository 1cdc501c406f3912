"""Whatever store is away, at the start or midway: only the log is waited for, for a stated time; nothing is lost."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing

import grpc
import pytest
from chaos_fleet import FIELDS, without_usage
from fleet import Run, details, fleet, solve_request, until
from processes import four_processes, free_port
from redis_server import redis_server
from structlog.testing import capture_logs

from services.adapters import sqlite_file
from services.adapters.cache import _guard, create_cache
from services.adapters.llm._cached import CachedModel
from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.settings import CacheSettings, StateSettings
from services.testing.faulty_model import FaultyModel

pytestmark = pytest.mark.chaos

MIDWAY = 6
"""Messages that a client has by then; more than as many are to come."""
BOUND_SECONDS = 60
"""Nothing here takes so long, on any machine, unless it waits for what does not come."""
PATIENCE_SECONDS = 1.0


@pytest.fixture
def redis(monkeypatch):
    with redis_server(appendonly="yes", appendfsync="always", maxmemory_policy="noeviction") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
async def undisturbed():
    async with client() as stub:
        return await Solving(stub, "alone").to_end()


@asynccontextmanager
async def client(model=None, **state):
    state = StateSettings(**state) if state else None
    async with fleet(model or FaultyModel(delay=0.005), state=state) as target, dial(target) as channel:
        yield OrchestratorServiceStub(channel)


class Solving:
    """One solve that is read message by message."""

    def __init__(self, stub, solve_id):
        request = solve_request(request_id=solve_id, **FIELDS)
        self.run = Run()
        self._messages = aiter(stub.Solve(request))

    async def midway(self, messages=MIDWAY):
        async with asyncio.timeout(BOUND_SECONDS):
            while len(self.run.messages) < messages:
                self.run.messages.append(await anext(self._messages))

    async def to_end(self):
        async with asyncio.timeout(BOUND_SECONDS):
            async for message in self._messages:
                self.run.messages.append(message)
        return self.run

    async def refused(self):
        """Return the reason and the text of the error that ends it."""
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.to_end()
        return details(raised.value)[1].reason, raised.value.details()


def away(run):
    """What was away, as the progress says, message by message."""
    return [list(message.progress.away) for message in run.messages if message.HasField("progress")]


def begin_trouble(redis, trouble):
    match trouble:
        case "killed":
            redis.kill()
        case "hangs":
            redis.pause()
        case "full":
            with redis.client() as connection:
                connection.config_set("maxmemory", "1mb")


def end_trouble(redis, trouble):
    match trouble:
        case "killed":
            redis.start()
        case "hangs":
            redis.resume()
        case "full":
            with redis.client() as connection:
                connection.config_set("maxmemory", "0")


TROUBLES = ["killed", "hangs", "full"]


class TestLog:
    @pytest.fixture
    def state(self, tmp_path):
        return {"log": "redis", "state_path": tmp_path / "kot.db", "lease_seconds": 1, "detach_grace": 0}

    @pytest.mark.parametrize("trouble", TROUBLES)
    async def test_one_that_is_back_in_time_is_not_noticed(self, redis, state, undisturbed, trouble):
        async with client(**state, log_patience=BOUND_SECONDS) as stub:
            solving = Solving(stub, "s")
            await solving.midway()
            with capture_logs() as said:
                begin_trouble(redis, trouble)
                ending = asyncio.create_task(solving.to_end())
                await until(lambda: any(line["event"] == "the log is away" for line in said), BOUND_SECONDS)
                assert not ending.done()
                end_trouble(redis, trouble)
                run = await ending
            assert run.status == undisturbed.status
            assert run.log == undisturbed.log

    @pytest.mark.parametrize("trouble", TROUBLES)
    async def test_one_that_stays_away_ends_the_solve_which_goes_on_when_it_is_back(
        self, redis, state, undisturbed, trouble
    ):
        async with client(**state, log_patience=PATIENCE_SECONDS) as stub:
            solving = Solving(stub, "s")
            await solving.midway()
            begin_trouble(redis, trouble)
            reason, text = await solving.refused()
            assert reason == "STORE_UNAVAILABLE"
            assert ("full" if trouble == "full" else "cannot be reached") in text
            end_trouble(redis, trouble)
            run = await Solving(stub, "s").to_end()
            assert run.status == undisturbed.status
            assert run.log == undisturbed.log
            assert run.log[: len(solving.run.log)] == solving.run.log

    @pytest.mark.parametrize("trouble", TROUBLES)
    async def test_one_that_is_away_at_the_start_refuses_solves_until_it_is_there(
        self, redis, state, undisturbed, trouble
    ):
        begin_trouble(redis, trouble)
        async with client(**state, log_patience=PATIENCE_SECONDS) as stub:
            reason, _ = await Solving(stub, "s").refused()
            assert reason == "STORE_UNAVAILABLE"
            end_trouble(redis, trouble)
            assert (await Solving(stub, "s").to_end()).log == undisturbed.log

    async def test_a_wrong_password_is_a_clear_refusal_that_does_not_show_it(self, tmp_path):
        with redis_server(requirepass="the-right-one") as server:
            wrong = server.environment | {"KOT_REDIS_PASSWORD": "the-wrong-one", "KOT_CACHE": "none"}
            with four_processes(tmp_path, KOT_LOG="redis", **wrong) as services:
                async with dial(services[0].target) as channel:
                    reason, text = await Solving(OrchestratorServiceStub(channel), "s").refused()
                lines = [line for line in services[0].log if line["event"] != "serving"]
                assert reason == "STORE_UNUSABLE"
                assert "KOT_REDIS_PASSWORD" in text
                assert [line["event"] for line in lines] == ["refused"]
                assert "-one" not in text + services[0].stderr.read_text()


class TestBus:
    @pytest.fixture
    def state(self, tmp_path):
        return {"bus": "redis", "state_path": tmp_path / "kot.db", "detach_grace": 0}

    @pytest.mark.parametrize("trouble", TROUBLES)
    @pytest.mark.parametrize("when", ["at the start", "midway"])
    async def test_solves_go_on_and_say_so(self, redis, state, undisturbed, trouble, when):
        async with client(**state) as stub:
            with capture_logs() as said:
                if when == "at the start":
                    begin_trouble(redis, trouble)
                solving = Solving(stub, "s")
                await solving.midway()
                if when == "midway":
                    assert ["bus"] not in away(solving.run)
                    begin_trouble(redis, trouble)
                run = await solving.to_end()
            assert run.log == undisturbed.log
            assert away(run)[-1] == ["bus"]
            assert [line["log_level"] for line in said if line["event"] == "the bus is away"] == ["warning"]
            end_trouble(redis, trouble)
            later = await Solving(stub, "later").to_end()
            assert away(later)[-1] == []

    async def test_one_that_refuses_is_one_that_is_away(self, state, undisturbed, monkeypatch):
        with redis_server(requirepass="the-right-one") as server:
            monkeypatch.setenv("KOT_REDIS_URL", server.url)
            monkeypatch.setenv("KOT_REDIS_PASSWORD", "the-wrong-one")
            async with client(**state) as stub:
                with capture_logs() as said:
                    run = await Solving(stub, "s").to_end()
        assert run.log == undisturbed.log
        assert away(run)[-1] == ["bus"]
        [line] = [line for line in said if line["event"] == "the bus is away"]
        assert "KOT_REDIS_PASSWORD" in line["message"]
        assert "-one" not in str(said)


class TestCache:
    @pytest.mark.parametrize("trouble", TROUBLES)
    @pytest.mark.parametrize("when", ["at the start", "midway"])
    async def test_solves_go_on_and_it_is_used_again(self, redis, undisturbed, monkeypatch, trouble, when):
        monkeypatch.setattr(_guard, "PAUSE_SECONDS", 0.3)
        with capture_logs() as said:
            if when == "at the start":
                begin_trouble(redis, trouble)
            cache = await create_cache(CacheSettings(cache="redis", cache_claim_seconds=1))
            async with client(CachedModel(FaultyModel(delay=0.005), cache)) as stub:
                solving = Solving(stub, "s")
                await solving.midway()
                if when == "midway":
                    begin_trouble(redis, trouble)
                run = await solving.to_end()
                assert run.log == undisturbed.log
                doing = "writing" if trouble == "full" else "reading"
                gone = [
                    line["log_level"] for line in said if (line["event"], line.get("doing")) == ("cache_away", doing)
                ]
                assert gone == ["warning"]
                end_trouble(redis, trouble)
                async with asyncio.timeout(BOUND_SECONDS):
                    for number in range(100):
                        again = await Solving(stub, f"again-{number}").to_end()
                        assert without_usage(again.log) == without_usage(run.log)
                        if again.result.usage.cache_hits:
                            break
                        await asyncio.sleep(0.1)
                assert again.result.usage.cache_hits
            await cache.close()


class GatedModel(FaultyModel):
    """Answers only while its gate is open."""

    def __init__(self):
        super().__init__(delay=0.005)
        self.gate = asyncio.Event()
        self.gate.set()

    async def complete(self, request):
        await self.gate.wait()
        async for event in super().complete(request):
            yield event


class TestTree:
    async def flagged(self, solving, model, said):
        """Go on until it is noticed that the store is away, and then to the end."""
        await solving.midway(len(solving.run.messages) + 4)
        model.gate.clear()
        await until(lambda: any(line["event"] == "tree_store_away" for line in said), BOUND_SECONDS)
        model.gate.set()
        run = await solving.to_end()
        assert away(run)[-1] == ["tree"]
        assert [line["log_level"] for line in said if line["event"] == "tree_store_away"] == ["warning"]
        return run

    async def test_a_server_that_is_not_there(self, tmp_path, undisturbed, monkeypatch):
        monkeypatch.setenv("NEO4J_URI", f"bolt://127.0.0.1:{free_port()}")
        monkeypatch.setenv("NEO4J_TIMEOUT", "1")
        model = GatedModel()
        async with client(model, tree="neo4j", state_path=tmp_path / "kot.db", detach_grace=0) as stub:
            with capture_logs() as said:
                run = await self.flagged(Solving(stub, "s"), model, said)
            assert run.log == undisturbed.log
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await tree(stub, "s")
            assert details(raised.value)[1].reason == "STORE_UNAVAILABLE"

    @pytest.mark.parametrize("when", ["at the start", "midway"])
    async def test_one_that_is_back_has_all_of_the_solve(self, redis, tmp_path, undisturbed, monkeypatch, when):
        monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.1)
        path, model = tmp_path / "kot.db", GatedModel()
        async with client(model, log="redis", state_path=path, detach_grace=0) as stub:
            with closing(sqlite3.connect(path, isolation_level=None)) as other, capture_logs() as said:
                if when == "at the start":
                    other.execute("BEGIN IMMEDIATE")
                solving = Solving(stub, "s")
                await solving.midway()
                if when == "midway":
                    await until(lambda: other.execute("SELECT count(*) FROM thoughts").fetchone()[0], BOUND_SECONDS)
                    other.execute("BEGIN IMMEDIATE")
                run = await self.flagged(solving, model, said)
                assert run.log == undisturbed.log
                other.execute("ROLLBACK")
            thoughts = await tree(stub, "s")
            assert [thought.thought_id for thought in thoughts] == [node.thought.id for node in run.tree]
            assert away(await Solving(stub, "later").to_end())[-1] == []


async def tree(stub, solve_id):
    async with asyncio.timeout(BOUND_SECONDS):
        batches = stub.GetTree(wire.GetTreeRequest(solve_id=solve_id))
        return [thought async for batch in batches for thought in batch.thoughts]


async def test_identical_solves_of_two_orchestrators_at_once_make_the_calls_of_one(redis):
    alone = FaultyModel()
    async with client(alone) as stub:
        run = await Solving(stub, "alone").to_end()
    models = [FaultyModel(delay=0.02), FaultyModel(delay=0.02)]
    caches = [await create_cache(CacheSettings(cache="redis")) for _ in models]
    cached = [CachedModel(model, cache) for model, cache in zip(models, caches, strict=True)]
    async with client(cached[0]) as one, client(cached[1]) as other:
        solving = [Solving(stub, f"s{number}") for number in range(25) for stub in (one, other)]
        runs = await asyncio.gather(*(each.to_end() for each in solving))
    assert sum(model.started for model in models) == alone.started
    for each in runs:
        assert without_usage(each.log) == without_usage(run.log)
    for cache in caches:
        await cache.close()
