"""Language models, one backend a module: its `create(settings)` returns a `LanguageModel`."""

from pydantic import ValidationError

from services.adapters.llm._cached import CachedModel
from services.adapters.llm._measured import MeasuredModel
from services.adapters.llm._named import NamedModels
from services.adapters.llm._traced import TracedModel
from services.adapters.packing import PackedModel
from services.core.errors import ModelUnusable
from services.core.ports import LanguageModel
from services.core.stores import Cache
from services.plugins import MODELS
from services.settings import ModelSettings
from services.telemetry import metrics, tracing


def create_model(settings: ModelSettings, cache: Cache | None = None) -> LanguageModel:
    """Return the model that the settings name, and those that it can be asked for by name; `cache` has their answers.

    Raises `ModelUnusable` if there is no such backend, or it cannot be used.
    """
    others = {name: _create(_changed(settings, name), cache) for name in settings.models}
    return NamedModels(_create(settings, cache), others)


def _create(settings: ModelSettings, cache: Cache | None) -> LanguageModel:
    try:
        backend = MODELS.load(settings.model)
    except KeyError as error:
        known = ", ".join(MODELS.names())
        raise ModelUnusable(f"KOT_MODEL names no backend {settings.model!r}; there are: {known}") from error
    model: LanguageModel = backend.create(settings)
    if settings.pack_requests > 1:
        model = PackedModel(model, most=settings.pack_requests, linger=settings.pack_linger)
    if cache and model.revision:
        model = CachedModel(model, cache)
    if tracing.current():
        model = TracedModel(model, provider=settings.model)
    return MeasuredModel(model) if metrics.counted() else model


def _changed(settings: ModelSettings, name: str) -> ModelSettings:
    """Return the settings of one of the further models: those of the default one, but for what it names."""
    changes = settings.models[name]
    if unknown := changes.keys() - ModelSettings.model_fields.keys():
        raise ModelUnusable(f"KOT_MODELS, {name!r}: no such setting {min(unknown)!r}")
    try:
        return ModelSettings(**{**dict(settings), "models": {}, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelUnusable(f"KOT_MODELS, {name!r}: {first['loc'][0]}: {first['msg']}") from error
