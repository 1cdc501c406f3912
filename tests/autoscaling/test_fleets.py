"""What is simulated is scaled as the manifests say."""

from pathlib import Path

import pytest
import yaml
from autoscaling.fleets import ON_GPU

KNATIVE = Path(__file__).parents[2] / "knative"
DOMAIN = "autoscaling.knative.dev/"
ANNOTATIONS = "/spec/template/metadata/annotations/"
UNITS = {"s": 1, "m": 60}


def read(path):
    return yaml.safe_load((KNATIVE / path).read_text())


def patches():
    """What the components `gpu` and `redis` change of each service."""
    return {
        "generator": read("components/gpu/generator.yaml"),
        "orchestrator": yaml.safe_load(read("components/redis/kustomization.yaml")["patches"][0]["patch"]),
    }


def manifest(service):
    """The annotations for the autoscaler and the containerConcurrency of a service."""
    template = read(f"base/{service}.yaml")["spec"]["template"]
    annotations, container_concurrency = template["metadata"]["annotations"], template["spec"]["containerConcurrency"]
    for patch in patches().get(service, []):
        if patch["path"].startswith(ANNOTATIONS):
            annotations[patch["path"].removeprefix(ANNOTATIONS).replace("~1", "/")] = patch["value"]
        if patch["path"] == "/spec/template/spec/containerConcurrency":
            container_concurrency = patch["value"]
    found = {name.removeprefix(DOMAIN): value for name, value in annotations.items() if name.startswith(DOMAIN)}
    return found, container_concurrency


def seconds(written):
    return int(written[:-1]) * UNITS[written[-1]]


@pytest.mark.parametrize("service", ON_GPU)
def test_fleets_are_those_of_the_manifests(service):
    found, container_concurrency = manifest(service)
    scaling = ON_GPU[service]
    assert int(found.pop("target")) == scaling.target
    assert int(found.pop("max-scale")) == scaling.max_scale
    assert found.pop("target-burst-capacity", "") == ("-1" if scaling.always_proxied else "")
    assert seconds(found.pop("scale-to-zero-pod-retention-period", "0s")) == scaling.retention_seconds
    assert seconds(found.pop("scale-down-delay", "0s")) == scaling.down_delay_seconds
    assert container_concurrency == scaling.container_concurrency
    assert found == {}
