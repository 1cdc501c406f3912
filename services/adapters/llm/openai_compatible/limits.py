"""Keeps requests and tokens below what a provider allows in a minute."""

import asyncio

from aiolimiter import AsyncLimiter

from services.core.errors import Overloaded
from services.core.ports import CompletionRequest

_MINUTE = 60.0
_CHARACTERS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, where no server says."""
    return max(1, len(text) // _CHARACTERS_PER_TOKEN)


class RateLimits:
    """Two leaky buckets of this process; 0 is no limit. At most a minute's worth is let through at once.

    What a request costs is known only after it, so its prompt is estimated and its samples count with the most
    tokens that they may have, as providers count them.
    """

    def __init__(self, requests_per_minute: int, tokens_per_minute: int) -> None:
        self._requests = AsyncLimiter(requests_per_minute, _MINUTE) if requests_per_minute else None
        self._tokens = AsyncLimiter(tokens_per_minute, _MINUTE) if tokens_per_minute else None

    async def admit(self, request: CompletionRequest, deadline: float) -> None:
        """Wait for the request's turn; `Overloaded` if it does not come before `deadline`."""
        try:
            async with asyncio.timeout_at(deadline):
                if self._requests:
                    await self._requests.acquire()
                if self._tokens:
                    tokens = estimated_tokens(request.prompt) + request.samples * request.sampling.max_tokens
                    await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        except TimeoutError:
            raise Overloaded(
                "no room within KOT_OPENAI_REQUESTS_PER_MINUTE and KOT_OPENAI_TOKENS_PER_MINUTE before the deadline"
            ) from None
