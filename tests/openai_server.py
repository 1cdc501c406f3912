"""A server of OpenAI's protocol that does what a test says, byte by byte, and tells what it was asked."""

import asyncio
import json
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from services.adapters.llm.openai_compatible import create
from services.settings import ModelSettings


@dataclass
class Asked:
    """One request, and when it came."""

    path: str
    headers: dict
    body: dict
    moment: float


@dataclass
class OpenAIServer:
    """Answers request i with `script[i]`, and those that come after with the last."""

    script: list
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether a client went before its answer was complete."""

    _connections: set = field(default_factory=set)

    async def serve(self, reader, writer):
        self._connections.add(asyncio.current_task())
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.asked.append(Asked(request.split()[1], headers, body, asyncio.get_running_loop().time()))
                act = self.script[min(len(self.asked), len(self.script)) - 1]
                await self._until_left(act(writer), reader)

    async def close(self):
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections)

    async def _until_left(self, acting, reader):
        """Act, while a client that sends nothing more may go."""
        answer, gone = asyncio.ensure_future(acting), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait([answer, gone], return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or isinstance(answer.exception(), OSError):
                self.left.set()
                raise ConnectionError
            await answer
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


@asynccontextmanager
async def serving_openai(*script):
    """Serve on a port of this machine."""
    served = OpenAIServer(list(script))
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, backlog=1000)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        await served.close()


@asynccontextmanager
async def model_at(url, **settings):
    """Open a model on a server."""
    settings = {"openai_model": "some-model", "model_timeout": 5.0, **settings}
    model = create(ModelSettings(openai_base_url=url, **settings))
    yield model
    await model.close()


def refuse(status, body=b"", kind="application/json", **headers):
    """Answer with a status and a body."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind, "Content-Length": len(body)} | {k.replace("_", "-"): v for k, v in headers.items()}

    async def act(writer):
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} Because\r\n{head}\r\n".encode() + body)
        await writer.drain()

    return act


def stream(*data, end=True, hang=False, forever=False):
    """Answer with events; not to `end` breaks the connection off, `hang` keeps it, `forever` repeats the last event."""

    async def act(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for item in data:
            write_event(writer, item)
        while forever:
            write_event(writer, data[-1])
            await writer.drain()
        if hang:
            await asyncio.sleep(60)
        if not end:
            writer.close()
            return
        write_event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return act


def write_event(writer, item):
    line = f"data: {item if isinstance(item, str) else json.dumps(item)}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(line), line))


def chunk(text="", *, index=0, end=None, usage=None, logprobs=None):
    """A chunk of a chat."""
    choice = {"index": index, "delta": {"content": text}, "finish_reason": end, "logprobs": logprobs}
    return {"choices": [choice]} | ({"usage": usage} if usage else {})


def usage(completion, prompt=9):
    """What a server counts for all samples together."""
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


GOOD = stream(chunk("one"), chunk(" two"), chunk(end="stop"), usage(3))
"""The answer of a server that is well, to a request of one sample."""
