"""Builds what is in `knative/`, as `kubectl apply -k` would."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
KNATIVE = ROOT / "knative"
OVERLAYS = sorted(folder.name for folder in (KNATIVE / "overlays").iterdir())
COMPONENTS = sorted(folder.name for folder in (KNATIVE / "components").iterdir())
LAST = ("release", "canary")
"""What names revisions comes after what changes them; a canary after the release that it is tried beside."""


def kubectl() -> str | None:
    """Where kubectl is, if it is."""
    return shutil.which("kubectl")


def combinations() -> dict[str, tuple[str, ...]]:
    """Sets of components by name: none, each alone, each pair, all but one, and all."""
    ordered = sorted(COMPONENTS, key=lambda name: (LAST.index(name) + 1 if name in LAST else 0, name))
    few = {"+".join(("base", *some)): some for size in range(3) for some in itertools.combinations(ordered, size)}
    many = {f"all but {left}": tuple(name for name in ordered if name != left) for left in ordered}
    return {**few, **many, "all": tuple(ordered)}


@cache
def overlay(name: str) -> tuple[dict, ...]:
    """The documents of an overlay."""
    return build(KNATIVE / "overlays" / name)


def base_with(components: Iterable[str]) -> tuple[dict, ...]:
    """The documents of the base with these components."""
    with tempfile.TemporaryDirectory() as folder:
        # Paths have to be relative, from where the folder really is.
        here = Path(folder).resolve()
        kustomization = {
            "namespace": "kube-of-thoughts",
            "resources": [os.path.relpath(KNATIVE / "base", here)],
            "components": [os.path.relpath(KNATIVE / "components" / name, here) for name in components],
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build(here)


def build(folder: Path) -> tuple[dict, ...]:
    """The documents that a folder makes."""
    tool = kubectl()
    assert tool, "who builds has looked for kubectl"
    done = subprocess.run([tool, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    return tuple(_documents(done.stdout))


def _documents(text: str) -> Iterator[dict]:
    yield from yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
