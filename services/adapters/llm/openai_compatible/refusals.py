"""What a server's refusal means: one table from HTTP to the errors of the domain."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from services.adapters.llm.openai_compatible.endpoint import Endpoint
from services.core.errors import KotError, ModelFailed, ModelUnusable, Overloaded, PromptTooLong, WorkerUnavailable

_LONGEST_QUOTE = 300
_REPEATED = 16
"""So many characters in a row of the prompt, and a server repeats what it was asked."""
_TOO_LONG = re.compile(
    r"context[ _]?(length|size|window)|maximum model length|max_model_len|prompt (is|was) too long|too many tokens",
    re.IGNORECASE,
)


class Temporary(Exception):
    """What may pass: the error to end with if it does not, and the seconds that the server asks to wait."""

    def __init__(self, error: KotError, retry_after: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def refusal(endpoint: Endpoint, prompt: str, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
    """Return what an answer with an error's status means: a `KotError`, or `Temporary` with one inside."""
    said = _read(body)
    message = f"{endpoint.base_url} answered {status}{_quoted(endpoint, prompt, said)}"
    if status in {401, 403}:
        # What was said is not repeated: it tends to have part of the key in it.
        return ModelUnusable(
            f"{endpoint.base_url} answered {status}: set KOT_OPENAI_API_KEY or KOT_OPENAI_API_KEY_FILE "
            f"to a key that may use {endpoint.model!r}"
        )
    if status == 404:
        return ModelUnusable(f"{message}; check KOT_OPENAI_MODEL, {endpoint.model!r}, and KOT_OPENAI_BASE_URL")
    if status == 402 or said.get("code") == "insufficient_quota":
        return ModelUnusable(f"{message}; the account behind the key has nothing left")
    if status == 429:
        return Temporary(Overloaded(message), _retry_after(headers))
    if status == 408 or status >= 500:
        return Temporary(WorkerUnavailable(message), _retry_after(headers))
    if 300 <= status < 400:
        return ModelUnusable(f"{message}, which leads elsewhere; set KOT_OPENAI_BASE_URL to where it leads")
    if status == 413 or _says_too_long(said):
        return PromptTooLong(message)
    if status == 200:
        return ModelFailed(f"{message}, but streamed nothing; check KOT_OPENAI_BASE_URL")
    return ModelFailed(message)


def failure(endpoint: Endpoint, prompt: str, error: object) -> KotError:
    """Return what an error object means that came inside an answer."""
    said = _fields(error)
    message = f"{endpoint.base_url} failed{_quoted(endpoint, prompt, said)}"
    return PromptTooLong(message) if _says_too_long(said) else ModelFailed(message)


def _read(body: bytes) -> dict[str, Any]:
    """Return the error that a body tells of: OpenAI's object, Ollama's text, FastAPI's detail; a page tells nothing."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return _fields(told.get("error") or told.get("detail") or told)


def _fields(error: object) -> dict[str, Any]:
    return error if isinstance(error, dict) else {"message": error}


def _quoted(endpoint: Endpoint, prompt: str, said: Mapping[str, Any]) -> str:
    """Return what the server said, unless it says the prompt again: errors are logged, prompts are not."""
    text = endpoint.without_key(_on_one_line(str(said.get("message") or "")))[:_LONGEST_QUOTE]
    asked = _on_one_line(prompt)
    repeats = any(text[start : start + _REPEATED] in asked for start in range(len(text) - _REPEATED + 1))
    return f": {text}" if text and not repeats else ""


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _says_too_long(said: Mapping[str, Any]) -> bool:
    return any(_TOO_LONG.search(str(said.get(name, ""))) for name in ("code", "type", "message"))


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that the header asks to wait: it gives them, or a moment; 0 where it gives neither."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
