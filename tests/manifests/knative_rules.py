"""What a cluster with Knative would refuse: one function a rule, which yields what is wrong with a build.

First what a strict API server says; then what no schema knows and Knative's webhook says (knative/serving v1.23:
`pkg/apis/serving`, `pkg/apis/autoscaling`), in words of our own.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

import schemas
from known import FEATURES
from manifests import AUTOSCALING, SERVING, Manifests, rule, seconds

RESERVED_PORTS = {8008, 8012, 8013, 8022, 8112, 9090, 9091}
RESERVED_NAMES = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
MOST_PLACES = 1000
"""`container-concurrency-max-limit` of Knative."""
RESERVED_PATHS = {"/", "/dev", "/dev/log"}


# What a strict API server says.


@rule
def fits_schema(built: Manifests) -> Iterator[str]:
    for document in built.documents:
        for mistake in schemas.mistakes(document):
            yield f"{document['kind']} {document['metadata']['name']}: {mistake}"


@rule
def is_there_once(built: Manifests) -> Iterator[str]:
    seen = Counter((made["apiVersion"], made["kind"], made["metadata"]["name"]) for made in built.documents)
    yield from (f"{which} is there {times} times" for which, times in seen.items() if times > 1)


# What Knative's webhook says.


@rule
def has_one_port(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        ports = [port for container in pod.containers for port in container.get("ports", [])]
        if len(ports) != 1:
            yield f"{name} has {len(ports)} ports"
        for port in ports:
            if port.get("name") != ("http1" if name == "page" else "h2c"):
                yield f"{name}: its port is called {port.get('name')}"
            if port["containerPort"] in RESERVED_PORTS:
                yield f"{name}: port {port['containerPort']} is Knative's"


@rule
def leaves_knatives_names_alone(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        for taken in RESERVED_NAMES & built.environment(pod).keys():
            yield f"{name} sets {taken}"
        for container in pod.containers:
            if container["name"] == "queue-proxy":
                yield f"{name}: a container is called queue-proxy"
            for mount in container.get("volumeMounts", []):
                if str(PurePosixPath(mount["mountPath"])) in RESERVED_PATHS:
                    yield f"{name} mounts {mount['mountPath']}"


@rule
def listens_where_nobody_else_does(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        for setting in ("KOT_METRICS_PORT", "KOT_VLLM_METRICS_PORT"):
            port = int(built.environment(pod).get(setting, 0))
            if port in RESERVED_PORTS | {8080}:
                yield f"{name}: {setting} is {port}"


def _number(least: float, most: float = math.inf, *others: float) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", value)) and (least <= float(value) <= most or float(value) in others)

    return fits


def _whole(least: int) -> Callable[[str], bool]:
    return lambda value: value.isdecimal() and int(value) >= least


def _duration(least: int, most: int) -> Callable[[str], bool]:
    return lambda value: bool(value) and (found := seconds(value)) is not None and least <= found <= most


AUTOSCALING_VALUES: Mapping[str, Callable[[str], bool]] = {
    "class": {"kpa.autoscaling.knative.dev"}.__contains__,
    "metric": {"concurrency", "rps"}.__contains__,
    "metric-aggregation-algorithm": {"linear", "weighted-exponential", "weightedExponential"}.__contains__,
    "min-scale": _whole(0),
    "max-scale": _whole(0),
    "initial-scale": _whole(1),
    "activation-scale": _whole(2),
    "target": _number(0.01),
    "target-utilization-percentage": _number(1, 100),
    "target-burst-capacity": _number(0, math.inf, -1),
    "panic-window-percentage": _number(1, 100),
    "panic-threshold-percentage": _number(110, 1000),
    "window": _duration(6, 3600),
    "scale-down-delay": _duration(0, 3600),
    "scale-to-zero-pod-retention-period": _duration(0, 3600),
}
SERVING_VALUES: Mapping[str, Callable[[str], bool]] = {"progress-deadline": _duration(1, 86_400)}


@rule
def has_annotations_that_knative_knows(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        for key, value in pod.annotations.items():
            group, _, short = key.partition("/")
            known = {AUTOSCALING: AUTOSCALING_VALUES, SERVING: SERVING_VALUES}.get(f"{group}/")
            if known is None:
                continue
            if short not in known:
                yield f"{name}: Knative knows no {key}"
            elif not isinstance(value, str) or not known[short](value):
                yield f"{name}: {key} may not be {value!r}"
        for key in built.services[name]["metadata"].get("annotations", {}):
            if key.startswith(AUTOSCALING):
                yield f"{name}: {key} belongs to the template, not to the Service"


@rule
def scales_within_bounds(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        least, most = pod.scale("min-scale") or "0", pod.scale("max-scale")
        if most in (None, "0"):
            yield f"{name} has no max-scale"
        elif int(least) > int(most):
            yield f"{name}: min-scale {least} is more than max-scale {most}"
        target, places = pod.scale("target"), pod.spec.get("containerConcurrency", 0)
        if places > MOST_PLACES:
            yield f"{name}: {places} places, of {MOST_PLACES} that Knative allows"
        if target is None:
            yield f"{name} has no target"
        elif 0 < places < float(target):
            yield f"{name}: a target of {target} is never reached with {places} places"


def wanted_features(built: Manifests) -> Iterator[tuple[str, str]]:
    """What needs a feature of Knative, and the feature."""
    for name, service in built.services.items():
        for path, flag in schemas.gated(service):
            yield f"{name}{path}", flag
        for volume in built.revisions[name].spec.get("volumes", []):
            if not volume.get("persistentVolumeClaim", {"readOnly": True}).get("readOnly"):
                yield f"{name}: writing to {volume['name']}", "kubernetes.podspec-persistent-volume-write"
        if any("tag" in part for part in service["spec"].get("traffic", [])):
            yield f"{name}: a tag in a header", "tag-header-based-routing"


@rule
def uses_what_is_switched_on(built: Manifests) -> Iterator[str]:
    for what, flag in wanted_features(built):
        if FEATURES.get(flag) != "enabled":
            yield f"{what} needs {flag}"


@rule
def has_probes_that_knative_allows(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        container, kind = pod.containers[0], "httpGet" if name == "page" else "grpc"
        for which in ("readinessProbe", "livenessProbe", "startupProbe"):
            probe = container.get(which)
            if probe is None:
                if which != "startupProbe":
                    yield f"{name} has no {which}"
            elif {"grpc", "httpGet", "tcpSocket", "exec"} & probe.keys() != {kind}:
                yield f"{name}: its {which} is not of the kind {kind}"
            elif probe[kind].get("port") != container["ports"][0]["containerPort"]:
                yield f"{name}: its {which} asks another port"
        readiness = container.get("readinessProbe", {})
        if not readiness.get("periodSeconds") and {"failureThreshold", "timeoutSeconds"} & readiness.keys():
            yield f"{name}: without a period its readinessProbe has neither failureThreshold nor timeoutSeconds"


@rule
def splits_traffic_wholly(built: Manifests) -> Iterator[str]:
    for name, service in built.services.items():
        named = service["spec"]["template"].get("metadata", {}).get("name")
        if named is not None and not named.startswith(f"{name}-"):
            yield f"{name}: its revision's name, {named}, does not begin with its own"
        traffic = service["spec"].get("traffic", [])
        percents = [part.get("percent", 0) for part in traffic]
        if traffic and sum(percents) != 100:
            yield f"{name}: its traffic adds up to {sum(percents)} %"
        tags = [part["tag"] for part in traffic if "tag" in part]
        if len(tags) != len(set(tags)):
            yield f"{name}: a tag is there twice"
        for part in traffic:
            if part.get("latestRevision") == ("revisionName" in part):
                yield f"{name}: its traffic names a revision and takes the latest one"
            if not part.get("revisionName", name).startswith(name):
                yield f"{name}: its traffic goes to {part['revisionName']}"
