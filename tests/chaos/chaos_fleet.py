"""Two orchestrators, three workers and a Redis for all that is kept, as processes; one that dies is back at once."""

import asyncio
import json
import os
import signal
import sys
from bisect import bisect
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import hooks
from fleet import Run, solve_request, until, without_pod
from processes import free_port
from redis_server import redis_server

from services.adapters.log.redis import RedisLog
from services.adapters.redis_client import connect
from services.cli.client import Client
from services.core.history import Ended, Round
from services.core.tree import Proposed
from services.rpc.channel import dial
from services.rpc.convert import event_to_proto
from services.settings import RedisSettings

ORCHESTRATORS = ("orchestrator-1", "orchestrator-2")
WORKERS = ("generator", "evaluator", "validator")
REDIS = "redis"
LEASE_SECONDS = 3.0
SETTINGS = {
    "KOT_HOST": "127.0.0.1",
    "KOT_MODEL": "scripted",
    "KOT_LOG": "redis",
    "KOT_BUS": "redis",
    "KOT_CACHE": "redis",
    "KOT_CACHE_CLAIM_SECONDS": "3",
    "KOT_LEASE_SECONDS": str(LEASE_SECONDS),
    "KOT_DETACH_GRACE": "30",
    # One call may meet several of the kills.
    "KOT_STAGE_ATTEMPTS": "10",
}
BUDGET = {"model_calls": 1000, "completion_tokens": 10**7, "prompt_tokens": 10**8, "nodes": 10**5}
"""Far more than these solves need: what is paid twice, or is free because it is in the cache, changes nothing."""
FIELDS = {"problem": "3 3 8 8", "seed": 5, "budget": BUDGET}
"""A solve of some length."""
BACK_SECONDS = 60
"""A process that died is served again by then, on any machine."""


@dataclass
class ChaosFleet:
    """Processes by name: their ids, ports, and how they end."""

    folder: Path
    redis: object
    ports: dict[str, int]
    pids: dict[str, int] = field(default_factory=dict)
    starts: Counter = field(default_factory=Counter)
    """How often each was started."""
    ends: list[tuple[str, int]] = field(default_factory=list)
    """Who ended, and with what code."""
    messages: int = 0
    """That clients have received."""

    def deaths(self, name):
        """Return how often one ended."""
        return sum(who == name for who, _ in self.ends)

    def pid(self, name):
        """Return the process id of who runs now under this name."""
        return self.redis.process.pid if name == REDIS else self.pids[name]

    def target(self, *names):
        """Return a target that is the first of these that can be reached."""
        return "ipv4:" + ",".join(f"127.0.0.1:{self.ports[name]}" for name in names)

    def order(self, point, victim, number=signal.SIGKILL):
        """Have a process sent a signal when one comes to this point; `hooks.ITSELF` is the one that comes there."""
        victim = victim if victim == hooks.ITSELF else self.pid(victim)
        written = self.folder / "order"
        written.write_text(f"{victim} {number}")
        written.rename(self.folder / point)

    async def taken(self, point):
        """Wait until the order for this point is carried out."""
        await until(lambda: not (self.folder / point).exists(), BACK_SECONDS)

    async def serves(self, name):
        """Wait until the one that runs under this name serves."""
        await until(lambda: '"serving"' in self.said(name, self.pids[name]), BACK_SECONDS)

    def said(self, name, pid):
        """Return what a process has logged."""
        with suppress(FileNotFoundError):
            return (self.folder / f"{name}.{pid}").read_text()
        return ""

    def log_of(self, name, pid):
        """Return the lines that a process has logged; anything but JSON fails."""
        return [json.loads(line) for line in self.said(name, pid).splitlines()]

    def every_line(self):
        """Yield the lines of all processes that there were."""
        for name in self.ports:
            for said in self.folder.glob(f"{name}.[0-9]*"):
                yield from self.log_of(name, said.suffix.removeprefix("."))

    async def solve(self, orchestrators, solve_id, **fields):
        """Solve as `kot` does: what is cut off is asked for again, and told from its beginning then.

        Of the orchestrators, the first that can be reached is asked. What was told once, with all that it had cost, is
        told again: it was durable.
        """
        run, told_before = Run(), []
        async with dial(self.target(*orchestrators)) as channel:
            request = solve_request(request_id=solve_id, **fields)
            async for message in Client(channel, "the orchestrators").follow(request):
                if message.HasField("accepted"):
                    told_before.append(run.log)
                    run.messages.clear()
                run.messages.append(message)
                self.messages += 1
        for told in told_before:
            assert run.log[: len(told)] == told
        return run

    async def history(self, solve_id):
        """Return a solve's records."""
        log = RedisLog(connect(RedisSettings(redis_url=self.redis.url)), LEASE_SECONDS, 60)
        records = []
        while page := await log.read(solve_id, len(records)):
            records += page
        await log.close()
        return records


@asynccontextmanager
async def chaos_fleet(folder, **environment):
    """Run all of it. In the end no process may have ended but by a signal that a test has sent."""
    names = (*ORCHESTRATORS, *WORKERS)
    ports = {name: free_port() for name in names}
    with redis_server(appendonly="yes", appendfsync="always") as redis:
        targets = {f"KOT_{name.upper()}_TARGET": f"127.0.0.1:{ports[name]}" for name in WORKERS}
        shared = SETTINGS | targets | redis.environment | {hooks.FOLDER: str(folder)} | environment
        services = [
            {
                "name": name,
                "module": f"services.{name.partition('-')[0]}",
                "environment": shared
                | {"PORT": str(ports[name]), "HOSTNAME": name, "KOT_STATE_PATH": str(folder / f"{name}.db")},
                "log": str(folder / name),
            }
            for name in names
        ]
        (folder / "services.json").write_text(json.dumps(services))
        clean = {key: value for key, value in os.environ.items() if not key.startswith("KOT_")}
        nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, Path(__file__).with_name("nursery.py"), folder / "services.json"),
            env=clean,
            stdout=asyncio.subprocess.PIPE,
        )
        started = ChaosFleet(folder, redis, ports)
        watching = [asyncio.create_task(_watch(started, nursery)), asyncio.create_task(_bring_back(redis))]
        try:
            await until(lambda: len(started.pids) == len(names), BACK_SECONDS)
            for name in names:
                await started.serves(name)
            yield started
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
            with suppress(ProcessLookupError):
                nursery.kill()
            await nursery.wait()
    assert not [end for end in started.ends if end[1] != -signal.SIGKILL]
    assert [line for line in started.every_line() if line["level"] == "error"] == []


async def _watch(started, nursery):
    async for line in nursery.stdout:
        news = json.loads(line)
        if "started" in news:
            started.pids[news["name"]] = news["started"]
            started.starts[news["name"]] += 1
        else:
            started.ends.append((news["name"], news["ended"]))


async def _bring_back(redis):
    """Start Redis again whenever it was killed; in this thread, since it dies with the one that started it."""
    while True:
        await until(lambda: redis.process.poll() is not None, float("inf"))
        redis.start()


@dataclass
class Call:
    """A call of the model: when it began and ended, as numbers of lines, and how."""

    begun: int
    ended: int | None = None
    """None if it never did: its process was killed."""
    kept: bool = False
    """Whether its answer came, and was handed to the cache."""


@dataclass
class Calls:
    """The calls of the model, from what the processes have written."""

    kills: list[str] = field(default_factory=list)
    """The points, in order."""
    made: int = 0
    cut: Counter = field(default_factory=Counter)
    """How many calls were in flight when somebody was killed, and came to nothing: by the number of the kill."""
    repeated: Counter = field(default_factory=Counter)
    """How many of those were made again: by the number of the kill."""
    paid_twice: list[str] = field(default_factory=list)
    """Keys of calls that were made again although their answer was kept, or still to come."""

    @classmethod
    def read(cls, folder):
        """Read the lines so far."""
        calls, by_key, killed_at = cls(), {}, []
        for number, line in enumerate((folder / hooks.LINES).read_text().splitlines()):
            word, key, pid = line.split("\t")
            if word == "kill":
                calls.kills.append(key)
                killed_at.append(number)
            elif word == "begun":
                calls.made += 1
                by_key.setdefault(key, {})[pid, number] = Call(number)
            else:
                call = next(c for (of, _), c in by_key[key].items() if of == pid and c.ended is None)
                call.ended, call.kept = number, word == "kept"
        for key, known in by_key.items():
            calls._count(key, list(known.values()), killed_at)
        return calls

    def _count(self, key, known, killed_at):
        for number, call in enumerate(known):
            again = known[number + 1] if number + 1 < len(known) else None
            kill = min(bisect(killed_at, call.begun), len(killed_at) - 1)
            is_cut = call.ended is None or (not call.kept and call.begun < killed_at[kill] < call.ended)
            if again and (call.kept or (call.ended or 0) > again.begun or not killed_at):
                self.paid_twice.append(key)
            elif again or is_cut:
                self.cut[kill] += 1
                self.repeated[kill] += bool(again)


def without_usage(events):
    """Events, but for what they have cost: an answer out of the cache is free."""
    bare = [type(event).FromString(event.SerializeToString()) for event in events]
    for event in bare:
        if event.WhichOneof("event") == "expanded":
            event.expanded.ClearField("usage")
    return bare


def assert_undisturbed(solve_id, expected, run, records):
    """In the log, and for the client, the solve is the one that a fleet without trouble makes of it."""
    assert run.status == expected.status
    assert without_usage(run.log) == without_usage(expected.log), solve_id
    assert (run.result.answer, run.result.steps) == (expected.result.answer, expected.result.steps)
    assert [isinstance(record, Ended) for record in records].index(True) == len(records) - 1
    events = [e for r in records if isinstance(r, Round) for told in r.told for e in told.events]
    assert [without_pod(event_to_proto(event)) for event in events] == run.log
    proposed = [event.thought.id for event in events if isinstance(event, Proposed)]
    assert len(proposed) == len(set(proposed)) == len(run.tree) - 1
