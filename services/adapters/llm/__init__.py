"""Language models, one backend a module: its `create(settings)` returns a `LanguageModel`."""

from services.core.errors import ModelUnusable
from services.core.ports import LanguageModel
from services.plugins import MODELS
from services.settings import ModelSettings


def create_model(settings: ModelSettings) -> LanguageModel:
    """Return the model that the settings name; `ModelUnusable` if there is no such backend or it cannot be used."""
    try:
        backend = MODELS.load(settings.model)
    except KeyError as error:
        known = ", ".join(MODELS.names())
        raise ModelUnusable(f"KOT_MODEL names no backend {settings.model!r}; there are: {known}") from error
    model: LanguageModel = backend.create(settings)
    return model
