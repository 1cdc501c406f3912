"""Pin what images have: `images/requirements/*.txt`, with the hash of every file that may be installed (`make lock`).

The groups of `pyproject.toml` name the packages, its dependencies and extras bound them, and the newest that fit are
taken. What all five images have is in `common.txt`, so that it is one layer of all five; the other files have the rest.
`generator-gpu.txt` alone is whole, since its image shares nothing with the others.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PINNED = ROOT / "images" / "requirements"
OWN = ("orchestrator", "generator", "embedded", "evaluator", "validator", "web")
EXTRAS = ("neo4j", "openai", "otel", "redis")
FOR = ("--python-version", "3.11.13", "--python-platform", "linux")
"""The base of the five images; the hashes are those of all architectures."""
FOR_GPU = ("--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_39")
"""The base of `Dockerfile.gpu`."""


def pinned(name: str) -> list[Requirement]:
    """Return what `images/requirements/NAME.txt` pins, without the hashes."""
    lines = (PINNED / f"{name}.txt").read_text().splitlines()
    return [Requirement(line.removesuffix("\\")) for line in lines if line and line[0] not in " #"]


def compiled(target: Path, *what: object, platform: Sequence[str] = FOR) -> None:
    """Resolve what is named, as uv does it, and write it to `target`. Raises `CalledProcessError`."""
    settings = ("--only-binary", ":all:", "--generate-hashes", "--no-annotate", "--no-header", "--upgrade", "--quiet")
    command = ["uv", "pip", "compile", *settings, *platform, "--output-file", target, *what]
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def group(name: str) -> tuple[str, str]:
    """Return how uv is told of a group of `pyproject.toml`."""
    return ("--group", f"pyproject.toml:{name}")


def lock(folder: Path) -> None:
    """Write all files; `folder` is for what is in between."""
    bounds, bounds_gpu = folder / "bounds.txt", folder / "bounds-gpu.txt"
    project = ["pyproject.toml", *group("common"), *(word for extra in EXTRAS for word in ("--extra", extra))]
    compiled(bounds, *project)
    compiled(PINNED / "common.txt", *group("common"), "--constraint", bounds)
    elsewhere = [word for each in pinned("common") for word in ("--no-emit-package", each.name)]
    for name in OWN:
        compiled(PINNED / f"{name}.txt", *group(name), "--constraint", bounds, *elsewhere)
    compiled(bounds_gpu, *project, "--extra", "vllm", platform=FOR_GPU)
    compiled(PINNED / "generator-gpu.txt", *group("generator-gpu"), "--constraint", bounds_gpu, platform=FOR_GPU)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kot-lock-") as made:
        try:
            lock(Path(made))
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
