"""What network policies have to let through, and nothing else: one function a rule, which yields what is wrong."""

import re
from collections.abc import Iterator, Mapping

from manifests import Manifests, Pod, rule

GATEWAY = {"kubernetes.io/metadata.name": "kourier-system"}
NAMES = {"kubernetes.io/metadata.name": "kube-system"}
QUEUE_PROXY = {"http1": 8012, "h2c": 8013}
"""Where calls come in, by the name of the port that they are for."""


@rule
def lets_through_what_is_called(built: Manifests) -> Iterator[str]:
    if not built.names("NetworkPolicy"):
        return
    for pod in built.pods:
        if not _allows(built, pod, "egress", "namespaceSelector", NAMES, 53):
            yield f"{pod.name} may not ask for addresses"
        for route in _routes(built, pod):
            if not _allows(built, pod, "egress", "namespaceSelector", GATEWAY, 80):
                yield f"{pod.name} may not go to the gateway, for {route}"
        for other, port in _called(built, pod):
            if not _allows(built, pod, "egress", "podSelector", other.labels, port):
                yield f"{pod.name} may not go to {other.name}, port {port}"
            if not _allows(built, other, "ingress", "podSelector", pod.labels, port):
                yield f"{other.name} may not be reached by {pod.name} at port {port}"


@rule
def lets_the_gateway_in(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        port = QUEUE_PROXY[pod.containers[0]["ports"][0]["name"]]
        if built.names("NetworkPolicy") and not _allows(built, pod, "ingress", "namespaceSelector", GATEWAY, port):
            yield f"{name} may not be reached by the gateway"


@rule
def lets_nothing_else_through(built: Manifests) -> Iterator[str]:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in built.of("NetworkPolicy")}
    if not policies:
        return
    nothing = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if nothing not in policies.values():
        yield "what no policy is about is allowed"
    for name, policy in policies.items():
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for opened in policy.get(way, []):
                if not opened.get(peers) or {} in opened[peers]:
                    yield f"NetworkPolicy {name}: {way} of anybody"


def _routes(built: Manifests, pod: Pod) -> Iterator[str]:
    """The Services of Knative that a pod calls."""
    said = [*built.environment(pod).values(), *pod.containers[0].get("args", [])]
    for name in built.services:
        if f"{name}.kube-of-thoughts.svc.cluster.local:80" in said:
            yield name


def _called(built: Manifests, pod: Pod) -> Iterator[tuple[Pod, int]]:
    """The pods behind Kubernetes' own Services that a pod calls, and at which port of theirs."""
    for value in built.environment(pod).values():
        for service in built.of("Service", "v1"):
            for port in service["spec"]["ports"]:
                if re.match(rf"\w+://{service['metadata']['name']}:{port['port']}(/|$)", value):
                    yield from _behind(built, service["spec"]["selector"], port["targetPort"])


def _behind(built: Manifests, selector: Mapping, port_name: str) -> Iterator[tuple[Pod, int]]:
    for pod in built.pods:
        if selector.items() <= pod.labels.items():
            ports = {port["name"]: port["containerPort"] for port in pod.containers[0]["ports"]}
            yield pod, ports[port_name]


def _allows(built: Manifests, pod: Pod, way: str, by: str, labels: Mapping, port: int) -> bool:
    """Whether a policy about a pod opens this way, `ingress` or `egress`, for what has these labels."""
    for policy in built.of("NetworkPolicy"):
        if not _selects(policy["spec"]["podSelector"], pod.labels):
            continue
        for opened in policy["spec"].get(way, []):
            peers = [peer[by] for peer in opened.get("from", opened.get("to", [])) if by in peer]
            ports = [each["port"] for each in opened.get("ports", [])]
            if any(_selects(peer, labels) for peer in peers) and (not ports or port in ports):
                return True
    return False


def _selects(selector: Mapping, labels: Mapping) -> bool:
    expressions = selector.get("matchExpressions", [])
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
