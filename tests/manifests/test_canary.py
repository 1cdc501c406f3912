"""The steps from one release to the next, as knative/README.md has them, never change a revision that has a name."""

import shutil

import kustomize
import pytest
import yaml
from manifests import Manifests

pytestmark = pytest.mark.skipif(
    kustomize.kubectl() is None, reason="there is no kubectl; https://kubernetes.io/docs/tasks/tools/ has it"
)
NAMED = ("orchestrator", "generator", "evaluator", "validator")


@pytest.fixture
def checkout(tmp_path):
    """A copy of what is applied, to be edited."""
    for folder in ("knative", "observability"):
        shutil.copytree(kustomize.ROOT / folder, tmp_path / folder)
    return tmp_path / "knative"


def edit(file, **changes):
    """Change values of a YAML file; its comments are lost."""
    values = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(values | changes))


def canary(checkout, solves, calls):
    parts = ("release", "stable")
    edit(
        checkout / "components" / "canary" / "canary.yaml",
        solves=dict(zip(parts, solves, strict=True)),
        calls=dict(zip(parts, calls, strict=True)),
    )
    return Manifests(kustomize.build(checkout / "overlays" / "canary"))


def remove_old(checkout):
    """The last step: production is the new release."""
    edit(checkout / "components" / "release" / "release.yaml", release="r2")
    images = yaml.safe_load((checkout / "overlays" / "canary" / "kustomization.yaml").read_text())["images"]
    tags = {each["name"].removeprefix("registry.example.com/"): each["newTag"] for each in images}
    production = checkout / "overlays" / "production" / "kustomization.yaml"
    images = yaml.safe_load(production.read_text())["images"]
    edit(production, images=[each | {"newTag": tags[each["name"]]} for each in images])
    return Manifests(kustomize.build(production.parent))


def traffic(built, name):
    """Who gets how much of a Service's calls: percent by tag."""
    return {part["tag"]: part["percent"] for part in built.services[name]["spec"]["traffic"]}


def test_a_canary_changes_traffic_and_never_a_revision(checkout):
    steps = [
        Manifests(kustomize.build(checkout / "overlays" / "production")),
        canary(checkout, solves=(0, 100), calls=(0, 100)),
        canary(checkout, solves=(10, 90), calls=(0, 100)),
        canary(checkout, solves=(100, 0), calls=(100, 0)),
        remove_old(checkout),
    ]
    made = {}
    for built in steps:
        for name in NAMED:
            template = built.services[name]["spec"]["template"]
            assert made.setdefault(template["metadata"]["name"], template) == template
            # Only what is there, or comes with this step, is sent calls.
            assert {part["revisionName"] for part in built.services[name]["spec"]["traffic"]} <= made.keys()
    assert made.keys() == {f"{name}-{release}" for name in NAMED for release in ("r1", "r2")}
    split = [[traffic(built, name) for built in steps] for name in ("orchestrator", "generator")]
    assert split == [
        [{"r1": 100}, {"r1": 100, "r2": 0}, {"r1": 90, "r2": 10}, {"r1": 0, "r2": 100}, {"r2": 100}],
        [{"r1": 100}, {"r1": 100, "r2": 0}, {"r1": 100, "r2": 0}, {"r1": 0, "r2": 100}, {"r2": 100}],
    ]


def test_each_release_calls_its_own_workers(checkout):
    built = canary(checkout, solves=(10, 90), calls=(0, 100))
    before = Manifests(kustomize.overlay("production"))
    for step, release in ((before, "r1"), (built, "r2")):
        pod = step.revisions["orchestrator"]
        assert step.environment(pod)["KOT_RELEASE"] == release
        assert pod.template["metadata"]["name"] == f"orchestrator-{release}"
