"""A call to a stage that breaks is made again, and what it had said already is not counted twice."""

from fleet import socket

from services.adapters.stages import RemoteProposer
from services.core.errors import WorkerUnavailable
from services.core.ports import ProposeRequest, ProposeUpdate, Sampling, TaskSelection
from services.core.thought import Dropped, State
from services.generator.servicer import GeneratorServicer
from services.rpc.gen.kubeofthoughts.v1.generator_service_pb2_grpc import add_GeneratorServiceServicer_to_server
from services.rpc.server import Mount, serving

ILLEGAL, MALFORMED = Dropped(illegal=1), Dropped(malformed=1)


class BreaksTwice:
    """A proposer whose first request is done at once; its second one is, in the third call."""

    def __init__(self):
        self.asked = []

    async def propose(self, batch):
        self.asked.append([request.id for request in batch])
        if len(self.asked) == 1:
            yield [ProposeUpdate(id="a", dropped=ILLEGAL, done=True)]
        yield [ProposeUpdate(id="b", dropped=ILLEGAL)]
        if len(self.asked) < 3:
            raise WorkerUnavailable("a planted break")
        yield [ProposeUpdate(id="b", dropped=MALFORMED)]
        yield [ProposeUpdate(id="b", done=True)]


def request(name):
    state, task = State("1 1 11 11", ()), TaskSelection(name="game24")
    return ProposeRequest(id=name, task=task, state=state, samples=1, max_thoughts=1, sampling=Sampling())


async def test_what_a_broken_call_has_dropped_is_not_counted():
    proposer = BreaksTwice()
    mount = Mount(
        "kubeofthoughts.v1.GeneratorService", add_GeneratorServiceServicer_to_server, GeneratorServicer(proposer, "g-1")
    )
    batch = [request(name) for name in "ab"]
    dropped = {"a": Dropped(), "b": Dropped()}
    async with socket() as address, serving([mount], address, drain_seconds=1):
        stage = RemoteProposer(address, timeout=20, attempts=3, calls=1)
        async for updates in stage.propose(batch):
            for update in updates:
                dropped[update.id] += update.dropped
        await stage.close()
    assert dropped == {"a": ILLEGAL, "b": ILLEGAL + MALFORMED}
    assert proposer.asked == [["a", "b"], ["b"], ["b"]]


class CancelsItself(RemoteProposer):
    """Its first call is cancelled by gRPC itself, as happens when requests cannot be sent any more."""

    def _method(self, channel):
        method, calls = super()._method(channel), []

        def call(*arguments, **options):
            calls.append(method(*arguments, **options))
            if len(calls) == 1:
                calls[0].cancel()
            return calls[-1]

        return call


async def test_a_call_that_grpc_cancels_by_itself_is_made_again():
    proposer = BreaksTwice()
    proposer.asked = [["a"], ["a"]]
    mount = Mount(
        "kubeofthoughts.v1.GeneratorService",
        add_GeneratorServiceServicer_to_server,
        GeneratorServicer(proposer, pod="it"),
    )
    async with socket() as address, serving([mount], address, drain_seconds=1):
        stage = CancelsItself(address, timeout=20, attempts=2, calls=1)
        done = [update.id async for updates in stage.propose([request("b")]) for update in updates if update.done]
        await stage.close()
    assert done == ["b"]
