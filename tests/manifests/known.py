"""What the rest of the repository says of settings, images, Secrets and pods."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import yaml
from kustomize import KNATIVE, ROOT
from manifests import NAME
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services import settings
from services.core.errors import InvalidInput

TOPICS = [
    topic
    for topic in vars(settings).values()
    if isinstance(topic, type) and issubclass(topic, BaseSettings) and topic.model_fields
]
OF_LIBRARIES = {"HOME", "HF_HUB_OFFLINE", "MODEL", "REVISION", "FOLDER"}
"""What our images read besides settings."""


def _variables(topic: type[BaseSettings]) -> Iterator[tuple[str, object, bool]]:
    """The environment variables of a topic, their defaults, and whether they are secret."""
    for name, field in topic.model_fields.items():
        variable = str(field.validation_alias or f"KOT_{name.upper()}")
        yield variable, field.default, field.annotation is SecretStr


DEFAULTS: Mapping[str, object] = {name: default for topic in TOPICS for name, default, _ in _variables(topic)}
SECRET_SETTINGS = {name for topic in TOPICS for name, _, secret in _variables(topic) if secret}

SECRETS = {
    reference
    for name, keys in re.findall(
        r"^ *\| `([a-z0-9-]+)` \| (`[^|]*`) \|", (KNATIVE / "README.md").read_text(), re.MULTILINE
    )
    for reference in (name, *(f"{name}/{key}" for key in re.findall(r"`([^`]+)`", keys)))
}
"""The Secrets that knative/README.md has the user make, and `NAME/KEY` of each."""

ON_BY_THEMSELVES = {"kubernetes.podspec-volumes-emptydir": "enabled"}
SWITCHED_ON = yaml.safe_load((KNATIVE / "config-features.yaml").read_text())["data"]
"""What our patch of Knative's settings adds."""
FEATURES = ON_BY_THEMSELVES | SWITCHED_ON

_compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
IMAGES_OF_OTHERS = {service["image"] for service in _compose["services"].values() if "image" in service}

LABELS = {
    document["spec"]["template"]["metadata"]["labels"][NAME]
    for file in KNATIVE.rglob("*.yaml")
    for document in yaml.safe_load_all(file.read_text())
    if isinstance(document, Mapping) and "template" in document.get("spec", {})
}
"""What pods of any component are called."""


def image_of(reference: str) -> tuple[Path | None, str]:
    """The Dockerfile of an image, if it is to be one of ours; and its tag or digest."""
    path, _, tag = reference.partition("@") if "@" in reference else reference.rpartition(":")
    ours = re.search(r"kube-of-thoughts/([a-z]+)(?:-([a-z]+))?(?::|$)", path)
    if ours is None:
        return None, tag
    return ROOT / "services" / ours[1] / (f"Dockerfile.{ours[2]}" if ours[2] else "Dockerfile"), tag


def setting_errors(environment: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the settings of a process."""
    for name in environment.keys() - DEFAULTS.keys() - OF_LIBRARIES:
        yield f"there is no setting {name}"
    with mock.patch.dict(os.environ, environment, clear=True):
        for topic in TOPICS:
            try:
                settings.read_settings(topic)
            except InvalidInput as error:
                yield str(error)
