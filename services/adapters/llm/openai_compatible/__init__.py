"""A model behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama, hosted ones.

What to set for which server is in docs/models.md.
"""

from services.adapters.llm.openai_compatible.endpoint import endpoint
from services.adapters.redis_client import connect
from services.core.errors import ModelUnusable
from services.core.ports import LanguageModel
from services.settings import ModelSettings, RedisSettings, read_settings


def create(settings: ModelSettings) -> LanguageModel:
    """Return the model that `KOT_OPENAI_BASE_URL` and `KOT_OPENAI_MODEL` name; nothing is sent to it yet."""
    try:
        from services.adapters.llm.openai_compatible.limits import OwnCounts, RateLimits, SharedCounts
        from services.adapters.llm.openai_compatible.model import OpenAIModel
    except ImportError as error:
        raise ModelUnusable(
            "KOT_MODEL=openai_compatible needs more packages: pip install 'kube-of-thoughts[openai]'"
        ) from error
    where = endpoint(settings)
    shared = read_settings(RedisSettings)
    counts = SharedCounts(connect(shared), f"kot:limits:{where.url} {where.model}") if shared.redis_url else OwnCounts()
    return OpenAIModel(
        where,
        samples_per_request=settings.openai_samples_per_request,
        timeout=settings.model_timeout,
        limits=RateLimits(settings.openai_requests_per_minute, settings.openai_tokens_per_minute, counts),
    )
