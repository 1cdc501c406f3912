"""What was built, as rules want to look at it; and the rules, by name."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

SERVING = "serving.knative.dev/"
AUTOSCALING = "autoscaling.knative.dev/"
NAME = "app.kubernetes.io/name"
IN_PODS = ("Deployment", "StatefulSet", "Job")


@dataclass(frozen=True)
class Pod:
    """What makes pods: a Knative Service's revision, or a workload of Kubernetes itself."""

    kind: str
    name: str
    template: Mapping

    @property
    def spec(self) -> Mapping:
        return self.template["spec"]

    @property
    def annotations(self) -> Mapping:
        return self.template.get("metadata", {}).get("annotations", {})

    @property
    def labels(self) -> Mapping:
        return self.template.get("metadata", {}).get("labels", {})

    @property
    def containers(self) -> Sequence[Mapping]:
        return self.spec["containers"]

    @property
    def ours(self) -> bool:
        """Whether it runs an image of this project."""
        return any("kube-of-thoughts/" in container["image"] for container in self.containers)

    def scale(self, key: str) -> str | None:
        return self.annotations.get(AUTOSCALING + key)


@dataclass(frozen=True)
class Manifests:
    """The documents of one build."""

    documents: Sequence[Mapping]

    def of(self, kind: str, group: str | None = None) -> Iterator[Mapping]:
        """The documents of a kind; of a group, if it is one of several with such a kind."""
        for document in self.documents:
            if document["kind"] == kind and (group is None or document["apiVersion"].startswith(group)):
                yield document

    def names(self, kind: str, group: str | None = None) -> set[str]:
        return {document["metadata"]["name"] for document in self.of(kind, group)}

    @cached_property
    def services(self) -> dict[str, Mapping]:
        """Knative's Services."""
        return {document["metadata"]["name"]: document for document in self.of("Service", SERVING)}

    @cached_property
    def revisions(self) -> dict[str, Pod]:
        """What Knative's Services run."""
        return {name: Pod("Revision", name, made["spec"]["template"]) for name, made in self.services.items()}

    @cached_property
    def pods(self) -> list[Pod]:
        """All that makes pods."""
        workloads = [document for kind in IN_PODS for document in self.of(kind)]
        return [
            *self.revisions.values(),
            *(Pod(made["kind"], made["metadata"]["name"], made["spec"]["template"]) for made in workloads),
        ]

    @property
    def containers(self) -> Iterator[tuple[Pod, Mapping]]:
        """Each container, and the pod that it is in."""
        return ((pod, container) for pod in self.pods for container in pod.containers)

    @cached_property
    def config_maps(self) -> dict[str, Mapping[str, str]]:
        return {document["metadata"]["name"]: document.get("data", {}) for document in self.of("ConfigMap")}

    def environment(self, pod: Pod) -> dict[str, str]:
        """What the first container of a pod has in its environment, as far as it is not secret."""
        container, found = pod.containers[0], {}
        for source in container.get("envFrom", []):
            found |= self.config_maps.get(source.get("configMapRef", {}).get("name"), {})
        return found | {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}


def seconds(value: str) -> int | None:
    """A duration of Go, in whole seconds; None if it is none."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
    return (
        sum(int(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True)) if parts else None
    )


Rule = Callable[[Manifests], Iterator[str]]
"""Yields what is wrong with a build."""
RULES: dict[str, Rule] = {}


def rule(check: Rule) -> Rule:
    """Have a function be one of the rules, by its name."""
    RULES[check.__name__] = check
    return check
