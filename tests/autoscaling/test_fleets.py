"""What is simulated is scaled as the manifests say."""

from pathlib import Path

import pytest
import yaml
from autoscaling.fleets import ON_GPU

KNATIVE = Path(__file__).parents[2] / "knative"
DOMAIN = "autoscaling.knative.dev/"
UNITS = {"s": 1, "m": 60}


def read(path):
    return yaml.safe_load((KNATIVE / path).read_text())


def manifest(service):
    """The annotations and the containerConcurrency of a service, with the components `gpu` and `redis`."""
    if service == "generator":
        patches = {patch["path"]: patch["value"] for patch in read("components/gpu/generator.yaml")}
        return (
            patches["/spec/template/metadata/annotations"],
            patches["/spec/template/spec/containerConcurrency"],
        )
    template = read(f"base/{service}.yaml")["spec"]["template"]
    annotations = dict(template["metadata"]["annotations"])
    if service == "orchestrator":
        patch = yaml.safe_load(read("components/redis/kustomization.yaml")["patches"][0]["patch"])
        annotations[DOMAIN + "max-scale"] = patch[0]["value"]
    return annotations, template["spec"]["containerConcurrency"]


def seconds(written):
    return int(written[:-1]) * UNITS[written[-1]]


@pytest.mark.parametrize("service", ON_GPU)
def test_fleets_are_those_of_the_manifests(service):
    annotations, container_concurrency = manifest(service)
    found = {name.removeprefix(DOMAIN): value for name, value in annotations.items() if name.startswith(DOMAIN)}
    scaling = ON_GPU[service]
    assert int(found.pop("target")) == scaling.target
    assert int(found.pop("max-scale")) == scaling.max_scale
    assert found.pop("target-burst-capacity", "") == ("-1" if scaling.always_proxied else "")
    assert seconds(found.pop("scale-to-zero-pod-retention-period", "0s")) == scaling.retention_seconds
    assert seconds(found.pop("scale-down-delay", "0s")) == scaling.down_delay_seconds
    assert container_concurrency == scaling.container_concurrency
    assert found == {}
