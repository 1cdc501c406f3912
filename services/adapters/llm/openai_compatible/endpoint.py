"""Where requests go, with which key, and what a request says."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from services.core.errors import ModelUnusable
from services.core.ports import CompletionRequest
from services.settings import ModelSettings, OpenAIEndpoint

LIKELIEST_IN_CHAT = 20
"""First tokens whose probabilities are read when labels are asked for: the most that the protocol allows."""
LIKELIEST_IN_COMPLETIONS = 5
"""The same for plain completions."""
SEEDS = 2**31
"""Seeds lie below this: many servers keep them in 32 bits, and -1 draws one at random."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model on a server. Its `repr` has no key."""

    base_url: str
    model: str
    kind: OpenAIEndpoint
    key: SecretStr

    @property
    def url(self) -> str:
        """Return what requests are posted to."""
        return f"{self.base_url}/{'chat/completions' if self.is_chat else 'completions'}"

    @property
    def is_chat(self) -> bool:
        """Return whether prompts are sent as messages of a user."""
        return self.kind is OpenAIEndpoint.CHAT

    def headers(self) -> dict[str, str]:
        """Return what proves that we may ask."""
        key = self.key.get_secret_value()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def without_key(self, text: str) -> str:
        """Return `text` without the key, in case the server repeats it."""
        key = self.key.get_secret_value()
        return text.replace(key, "[key]") if key else text

    def payload(self, request: CompletionRequest) -> dict[str, Any]:
        """Return the body of a request."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "n": request.samples,
            "seed": request.seed % SEEDS,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.is_chat:
            body["messages"] = [{"role": "user", "content": request.prompt}]
        else:
            body["prompt"] = request.prompt
        if request.stop:
            body["stop"] = list(request.stop)
        # No field of OpenAI's own, which refuse it; others know it.
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if request.labels and self.is_chat:
            body |= {"logprobs": True, "top_logprobs": LIKELIEST_IN_CHAT}
        elif request.labels:
            body["logprobs"] = LIKELIEST_IN_COMPLETIONS
        return body


def endpoint(settings: ModelSettings) -> Endpoint:
    """Return what the settings name; `ModelUnusable` says which of them is wrong."""
    if not settings.openai_model:
        raise ModelUnusable("set KOT_OPENAI_MODEL to the model's name on the server (GET /models lists the names)")
    return Endpoint(
        _base_url(settings.openai_base_url), settings.openai_model, settings.openai_endpoint, _key(settings)
    )


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ModelUnusable("KOT_OPENAI_BASE_URL is no URL such as http://localhost:8000/v1")
    # It is written to logs and errors, so it must hold no secret.
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ModelUnusable(
            "KOT_OPENAI_BASE_URL must hold no user, password or query; a key goes to KOT_OPENAI_API_KEY"
        )
    return text.rstrip("/")


def _key(settings: ModelSettings) -> SecretStr:
    source, key = "KOT_OPENAI_API_KEY", settings.openai_api_key.get_secret_value()
    if path := settings.openai_api_key_file:
        source = "KOT_OPENAI_API_KEY_FILE"
        try:
            key = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelUnusable(f"no key can be read from KOT_OPENAI_API_KEY_FILE, {path}") from error
        if not key:
            raise ModelUnusable(f"KOT_OPENAI_API_KEY_FILE, {path}, is empty")
    if not (key.isascii() and key.isprintable()):
        raise ModelUnusable(f"the key in {source} has characters that cannot be sent in a header")
    return SecretStr(key)
