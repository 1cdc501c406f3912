"""The release that work belongs to: set where a solve runs or a call comes in, sent with the calls that go out.

Several releases of the workers may serve at a time, each under a tag of the platform's routes. A solve keeps to the
one that it began with, however far its calls go. Like the deadline it travels in a context variable.
"""

from contextvars import ContextVar

import grpc

ROUTING_KEY = "knative-serving-tag"
"""Knative sends a call to the revision that has this tag, or where calls without a tag go if none has it."""
KEY = "kot-release"
"""The same for those who are called: what is on the way may keep the other one to itself."""

_release: ContextVar[str] = ContextVar("release", default="")


def keep_to(release: str) -> None:
    """Keep the rest of this task, and those that it starts, to a release; empty is whichever answers."""
    _release.set(release)


def keep_to_callers(metadata: grpc.aio.Metadata | None) -> None:
    """Keep the rest of this call to its caller's release, as the metadata that came with it says."""
    keep_to(next((str(value) for key, value in metadata or () if key == KEY), ""))


def metadata() -> tuple[tuple[str, str], ...]:
    """Return what a call that goes out says of its release."""
    release = _release.get()
    return ((ROUTING_KEY, release), (KEY, release)) if release else ()
