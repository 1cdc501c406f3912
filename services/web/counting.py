"""What the page's server adds to the metrics: requests and how they were answered, and streams."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.telemetry import instruments, metrics

_STREAM = b"text/event-stream"


class Counting:
    """Counts each request when its answer begins, and a stream of events while it is open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        answered, streams = False, 0

        async def noting(message: Message) -> None:
            nonlocal answered, streams
            if message["type"] == "http.response.start":
                answered = True
                metrics.add(instruments.WEB_REQUESTS, 1, route=_route(scope), code=str(message["status"]))
                if dict(message["headers"]).get(b"content-type", b"").startswith(_STREAM):
                    streams = 1
                    metrics.add(instruments.WEB_STREAMS, streams)
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not answered:
                # A defect, which is answered further out.
                metrics.add(instruments.WEB_REQUESTS, 1, route=_route(scope), code="500")
            raise
        finally:
            if streams:
                metrics.add(instruments.WEB_STREAMS, -streams)


def _route(scope: Scope) -> str:
    """Return the name of what has handled a request: a path would be a label with any number of values."""
    handler = scope.get("endpoint")
    if handler is None:
        return "none"
    return getattr(handler, "__name__", "static").strip("_")
