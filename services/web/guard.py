"""What stands before every handler: who may ask, and what a browser may do with the answer."""

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Scripts, styles, images and connections of this server alone, none of them inline; text never becomes markup."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses what another site's page asks, and adds the headers above to every answer.

    With `hosts`, it also refuses requests to any other name: a page elsewhere may have its own name lead to this
    machine (DNS rebinding), and would then be of the same origin.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"])
        if refusal:
            answer = JSONResponse({"reason": "FORBIDDEN", "field": "", "message": refusal}, status_code=403)
            await answer(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _refusal(self, headers: Headers, path: str) -> str:
        """Return why a request is refused; empty if it is not."""
        host = headers.get("host", "")
        if self._hosts and _split(f"//{host}").hostname not in self._hosts:
            return "this page is served to this machine alone, under the name localhost"
        # Browsers name the site that asks; where they do not, a request that changes something has the origin.
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        foreign = origin is not None and _split(origin).netloc != host
        if path.startswith("/api/") and (site not in ("same-origin", "none") or foreign):
            return "a page of another site may not use this one"
        return ""


def _split(address: str) -> SplitResult:
    """Return the parts of an address; of one that is none, none."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
