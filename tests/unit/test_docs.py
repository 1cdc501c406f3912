"""What the documentation says is what the code does."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from services.settings import (
    CacheSettings,
    ModelSettings,
    Neo4jSettings,
    OrchestratorSettings,
    RedisSettings,
    ServerSettings,
    StageSettings,
    StateSettings,
    TelemetrySettings,
    WebSettings,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|[^|]*) \|", re.MULTILINE)
TOPICS = [
    ServerSettings,
    ModelSettings,
    RedisSettings,
    Neo4jSettings,
    StageSettings,
    OrchestratorSettings,
    StateSettings,
    TelemetrySettings,
    CacheSettings,
    WebSettings,
]


def variables(topic: type[BaseSettings]) -> dict[str, object]:
    """The environment variables of a topic and their defaults; None where the default is computed."""
    found = {}
    for name, field in topic.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices)
        found[str(alias) if alias else f"KOT_{name.upper()}"] = None if field.default_factory else field.default
    return found


@pytest.mark.parametrize("topic", TOPICS)
def test_every_setting_is_documented_with_its_default(topic: type[BaseSettings]) -> None:
    documented = dict(ROW.findall((DOCS / "settings.md").read_text()))
    for variable, default in variables(topic).items():
        assert variable in documented
        if default is not None:
            assert documented[variable] == str(default)


def test_every_documented_variable_exists() -> None:
    known = {variable for topic in TOPICS for variable in variables(topic)}
    assert {variable for variable, _ in ROW.findall((DOCS / "settings.md").read_text())} <= known
