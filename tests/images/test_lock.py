"""What images pin is what the project asks for, and nothing that it forbids."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = {
    "orchestrator": ("common", "orchestrator"),
    "generator": ("common", "generator", "embedded"),
    "evaluator": ("common", "evaluator"),
    "validator": ("common", "validator"),
    "web": ("common", "web"),
    "generator-gpu": ("generator-gpu",),
}
"""What the image of each has."""
PINNED = re.compile(r"^([\w.-]+)==([\w.!+-]+)(?: ; .*)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(name):
    """The versions that a file pins; a line of another kind, or a version without a hash, fails."""
    lines = (ROOT / "images" / "requirements" / f"{name}.txt").read_text().splitlines()
    found = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if match := PINNED.match(line):
            assert HASH.match(following), line
            assert match[1] not in found
            found[canonicalize_name(match[1])] = match[2]
        else:
            assert HASH.match(line), line
    return found


def of_image(name):
    """All that an image has; what two of its files pin fails."""
    found = {}
    for file in FILES[name]:
        assert not found.keys() & pins(file).keys()
        found |= pins(file)
    return found


def group(name):
    """The packages that a group of pyproject.toml names, those of groups that it includes among them."""
    for each in PROJECT["dependency-groups"][name]:
        if isinstance(each, dict):
            yield from group(each["include-group"])
        else:
            yield Requirement(each)


def unsatisfied(found, bounds):
    """The bounds that versions are not within."""
    return [
        bound
        for bound in map(Requirement, bounds)
        if (version := found.get(canonicalize_name(bound.name))) and not bound.specifier.contains(version)
    ]


def bounds():
    extras = PROJECT["project"]["optional-dependencies"]
    named = ("neo4j", "openai", "otel", "redis", "vllm")
    return [*PROJECT["project"]["dependencies"], *(each for extra in named for each in extras[extra])]


@pytest.mark.parametrize("name", FILES)
def test_what_is_pinned_is_what_the_project_asks_for(name):
    found = of_image(name)
    asked = [each for part in {name, *FILES[name]} for each in group(part)]
    assert {canonicalize_name(each.name) for each in asked} <= found.keys()
    assert unsatisfied(found, [*bounds(), *map(str, asked)]) == []


def test_a_pin_out_of_bounds_is_found():
    assert unsatisfied({"starlette": "2.0.1"}, bounds()) == [Requirement("starlette>=1,<2")]
    assert unsatisfied({"uvicorn": "0.1"}, bounds()) == [Requirement("uvicorn>=0.40")]


def test_no_name_of_a_group_is_without_bounds():
    """A name that the project bounds nowhere would be whatever is newest."""
    bounded = {canonicalize_name(Requirement(each).name) for each in bounds()}
    for name in PROJECT["dependency-groups"]:
        assert {canonicalize_name(each.name) for each in group(name)} <= bounded, name


def test_an_engine_is_only_in_the_image_that_runs_it():
    for name in FILES:
        assert ("xllamacpp" in of_image(name)) == (name == "generator")
        assert ("vllm" in of_image(name)) == ("torch" in of_image(name)) == (name == "generator-gpu")


def test_images_of_one_version_agree():
    for name in ("orchestrator", "generator", "evaluator", "validator"):
        for other in ("orchestrator", "generator", "evaluator", "validator", "web"):
            same = of_image(name).keys() & of_image(other).keys()
            assert {each: of_image(name)[each] for each in same} == {each: of_image(other)[each] for each in same}
