"""Checks documents as an API server would that refuses unknown fields."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.34"
CRDS = Path(__file__).parent / "crds"
KNATIVES_OWN = ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")
FLAG = re.compile(r"behind a feature flag - (\S+)")


@cache
def definitions() -> dict[tuple[str, str], dict]:
    """The schemas of Knative's kinds, as its CRDs have them, by apiVersion and kind."""
    found = {}
    for file in CRDS.glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def mistakes(document: Mapping) -> Iterator[str]:
    """What a strict API server would refuse; nothing more than the first of each schema."""
    which = document["apiVersion"], document["kind"]
    if which not in definitions():
        yield from _core(json.dumps(document))
        return
    try:
        jsonschema.Draft202012Validator(_strict_definition(which)).validate(document)
    except jsonschema.ValidationError as error:
        yield f"{error.json_path}: {error.message}"
    yield from _core(json.dumps(_of_metadata(document["metadata"])))
    if which[1] == "Service":
        template = document["spec"]["template"]
        pod = {key: value for key, value in template["spec"].items() if key not in KNATIVES_OWN}
        yield from _core(json.dumps({**_of_metadata({"name": "x", **template.get("metadata", {})}), "spec": pod}))


def gated(document: Mapping) -> Iterator[tuple[str, str]]:
    """The fields that are set and that Knative allows behind a flag alone: the path of each, and the flag."""
    yield from _gated(definitions()[document["apiVersion"], document["kind"]], document, "")


def _gated(schema: Mapping, value: object, path: str) -> Iterator[tuple[str, str]]:
    if flag := FLAG.search(schema.get("description", "")):
        yield path, flag[1]
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _gated(schema.get("properties", {}).get(key, {}), inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _gated(schema.get("items", {}), inner, f"{path}[{number}]")


def _of_metadata(metadata: Mapping) -> dict:
    """A core document with it: the schemas of CRDs say nothing of metadata."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


@cache
def _core(text: str) -> tuple[str, ...]:
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return (f"{error.json_path}: {error.message}",)
    except kubernetes_validate.SchemaNotFoundError as error:
        return (error.message,)
    return ()


@cache
def _strict_definition(which: tuple[str, str]) -> dict:
    schema = _strict(definitions()[which])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _strict(schema: object) -> object:
    """The same as JSON Schema, that refuses what it does not name."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("type") == "object" and not open_to_all:
        strict["additionalProperties"] = False
    return strict
