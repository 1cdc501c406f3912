"""Who tells: what traces and metrics say of the process that they come from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource


def resource_of(*, service: str, pod: str, revision: str) -> "Resource":
    """Return what names this process."""
    from opentelemetry.sdk.resources import Resource

    names = {"service.name": service, "service.instance.id": pod, "service.version": revision}
    return Resource.create({"service.namespace": "kube-of-thoughts", **names})
