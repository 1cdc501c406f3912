"""Builds what is in `knative/`, as `kubectl apply -k` would."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    """Sets of components by name: none, each alone, each pair, and all."""
    ordered = sorted(COMPONENTS, key=lambda name: (LAST.index(name) + 1 if name in LAST else 0, name))
    chosen = [(), *((name,) for name in ordered), *itertools.combinations(ordered, 2), tuple(ordered)]
    return {"+".join(["base", *some]) if some != tuple(ordered) else "base+all": some for some in chosen}


@cache
def overlay(name: str) -> tuple[dict, ...]:
    """The documents of an overlay."""
    return build(KNATIVE / "overlays" / name)


@cache
def combined() -> dict[str, tuple[dict, ...]]:
    """The documents of every combination."""
    with ThreadPoolExecutor(2) as threads:
        return dict(zip(combinations(), threads.map(base_with, combinations().values()), strict=True))


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
