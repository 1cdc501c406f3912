"""What is in `knative/` is what a cluster would take, in every combination; and mistakes in it are found."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import knative_rules
import kustomize
import network_rules
import project_rules
import pytest
from fleet import fleet
from known import ON_BY_THEMSELVES, SWITCHED_ON
from manifests import RULES, Manifests
from planted import MISTAKES

pytestmark = pytest.mark.skipif(
    kustomize.kubectl() is None, reason="there is no kubectl; https://kubernetes.io/docs/tasks/tools/ has it"
)
GRPCURL = Path(sys.executable).with_name("grpcurl")
README = (kustomize.KNATIVE / "README.md").read_text()


def complaints(documents, rules=RULES):
    built = Manifests(documents)
    return [f"{name}: {complaint}" for name in rules for complaint in RULES[name](built)]


@pytest.mark.parametrize("name", kustomize.OVERLAYS)
def test_an_overlay_is_right(name):
    assert complaints(kustomize.overlay(name)) == []


@pytest.mark.parametrize("components", kustomize.combinations().values(), ids=kustomize.combinations())
def test_a_combination_of_components_is_right(components):
    assert complaints(kustomize.base_with(components)) == []


def test_the_order_of_components_does_not_matter():
    *some, release, canary = kustomize.combinations()["all"]
    assert (release, canary) == kustomize.LAST
    built, turned = (kustomize.base_with([*order, *kustomize.LAST]) for order in (some, reversed(some)))
    for document in (*built, *turned):
        for pod in Manifests([document]).pods:
            pod.containers[0].get("env", []).sort(key=lambda variable: variable["name"])
    assert sorted(built, key=str) == sorted(turned, key=str)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(mistake):
    assert complaints(mistake.made_in(kustomize.overlay(mistake.overlay)), [mistake.found_by])


def test_every_rule_finds_a_mistake():
    assert {check.__module__ for check in RULES.values()} == {
        module.__name__ for module in (knative_rules, network_rules, project_rules)
    }
    assert {mistake.found_by for mistake in MISTAKES} == RULES.keys()


def test_readme_lists_the_mistakes_with_what_finds_them():
    listed = re.findall(r"^\| ([^|`]+) \| `(\w+)` \|$", README, re.MULTILINE)
    assert listed == [(mistake.name, mistake.found_by) for mistake in MISTAKES]


def test_readme_has_a_paragraph_for_each_option():
    options = re.findall(r"^- \*\*`([a-z0-9-]+)`\*\*", README, re.MULTILINE)
    assert sorted(options) == kustomize.COMPONENTS
    for name in kustomize.OVERLAYS:
        assert f"overlays/{name}" in README


def test_the_task_that_is_kept_is_the_example_of_the_documentation():
    kept = kustomize.KNATIVE / "base" / "tasks" / "word-ladder.yaml"
    assert kept.read_text() == (kustomize.ROOT / "docs" / "examples" / kept.name).read_text()


def test_features_are_switched_on_only_where_something_needs_them():
    needed = {
        flag
        for name in kustomize.OVERLAYS
        for _, flag in knative_rules.wanted_features(Manifests(kustomize.overlay(name)))
    }
    assert needed - ON_BY_THEMSELVES.keys() == SWITCHED_ON.keys()
    assert all(f"`{flag}`" in README for flag in SWITCHED_ON)


def test_the_overlay_local_needs_no_feature_to_be_switched_on():
    needed = {flag for _, flag in knative_rules.wanted_features(Manifests(kustomize.overlay("local")))}
    assert needed <= ON_BY_THEMSELVES.keys()


def test_the_images_are_those_of_this_version():
    version = tomllib.loads((kustomize.ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in ("local", "production"):
        images = {container["image"] for pod in Manifests(kustomize.overlay(name)).pods for container in pod.containers}
        assert {image.rpartition(":")[2] for image in images if "kube-of-thoughts/" in image} == {version}


def commands():
    """What README has one type into kubectl: on lines of their own, in `$(...)`, and in the text."""
    text = README.replace("\\\n", " ")
    found = re.findall(r"^ *(kubectl [^`]*?)$|\$\((kubectl .*)\)$|`(kubectl [^`]*)`", text, re.MULTILINE)
    return [" ".join("".join(each).split()) for each in found]


@pytest.mark.parametrize("command", commands())
def test_a_command_of_readme_has_options_that_kubectl_knows(command):
    words = shlex.split(command)[1:]
    first = next((number for number, word in enumerate(words) if word.startswith("-") or "/" in word), len(words))
    told = _told("options") + "".join(_told(*words[:length], "--help") for length in range(1, first + 1))
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(^|\s){option}\b", told), option
    for path in (word for word in words if word.startswith("knative/")):
        assert (kustomize.ROOT / path).exists(), path


def _told(*words):
    done = subprocess.run([kustomize.kubectl(), *words], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout


@pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not installed")
@pytest.mark.parametrize("command", re.findall(r"grpcurl .*?/Solve", README, re.DOTALL), ids=("verify", "canary"))
async def test_grpcurl_solves_as_readme_has_it(command):
    async with fleet() as target:
        here = command.replace('"$GATEWAY:80"', f"-unix {target.removeprefix('unix:')}")
        run = await asyncio.create_subprocess_exec(
            *("bash", "-c", here),
            env={"PATH": f"{GRPCURL.parent}:{os.environ['PATH']}", "HOST": "http://orchestrator.example.com"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            printed, complaints = await run.communicate()
    assert run.returncode == 0, complaints.decode()
    assert '"SOLVE_STATUS_SOLVED"' in printed.decode()


def test_weights_are_fetched_before_the_rest_as_readme_has_it():
    selected = re.search(r"--selector '(\S+) in \((.*)\)'", README)
    values = selected[2].split(", ")
    chosen = [
        made
        for made in kustomize.overlay("production")
        if made["metadata"].get("labels", {}).get(selected[1]) in values
    ]
    assert sorted(made["kind"] for made in chosen) == ["ConfigMap", "Job", "Namespace", "PersistentVolumeClaim"]
    wanted = {made["metadata"]["name"] for made in chosen}
    [job] = (pod for pod in Manifests(chosen).pods if pod.kind == "Job")
    assert {name for _, name in project_rules.references(job) if not name.startswith("model-hub/")} <= wanted


async def test_the_script_of_the_component_verify_wants_an_answer():
    script = kustomize.KNATIVE / "components" / "verify" / "solve.py"
    async with fleet() as target:
        for problem, code in (("1 1 11 11", 0), ("1 1 1", 1)):
            run = await asyncio.create_subprocess_exec(
                sys.executable, script, target, problem, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            async with asyncio.timeout(60):
                printed, complaints = await run.communicate()
            assert (run.returncode == 0) == (code == 0), complaints.decode()
            assert ("= 24" in printed.decode()) == (code == 0)
