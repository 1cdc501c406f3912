"""Build the images with Docker, say what is in them, and refuse what is too large (`make images`).

Each image is `kube-of-thoughts/SERVICE:VERSION`, and `dist/sbom/SERVICE.cdx.json` lists the Python packages in it, as
CycloneDX has it. `--help` lists what can be set; `DOCKER_HOST` and the like are Docker's own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("orchestrator", "generator", "evaluator", "validator", "web")
MEGABYTE = 10**6
LARGEST = 90
"""Megabytes that our layers of one image may have, unpacked, without the embedded model."""
EMBEDDED_MODEL = "/model"
"""Where the embedded model lies in the generator's image: its engine and its weights, in one layer."""


@dataclass(frozen=True)
class Layers:
    """Bytes of an image's layers, unpacked."""

    ours: int
    """What we add to the base, without the embedded model."""
    model: int
    """The embedded model."""


def docker(*arguments: object) -> str:
    """Run Docker, which tells its errors itself; return what it says. Raises `CalledProcessError`."""
    command = ["docker", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def version() -> str:
    """Return the version of the checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def image(service: str) -> str:
    """Return the name of a service's image, with its tag."""
    return f"kube-of-thoughts/{service}:{version()}"


def git(*arguments: str) -> str:
    """Return what git says; nothing outside a repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def build(service: str, arguments: dict[str, str], network: str) -> None:
    """Build the image of one service; `arguments` are those of its Dockerfile."""
    origin = git("remote", "get-url", "origin")
    source = origin if origin.startswith("https://") else ""
    told = {"VERSION": version(), "REVISION": git("rev-parse", "HEAD"), "SOURCE": source}
    given = [f"--build-arg={name}={value}" for name, value in (told | arguments).items() if value]
    file = ROOT / "services" / service / "Dockerfile"
    docker("build", "--quiet", f"--network={network}", *given, "--file", file, "--tag", image(service), ROOT)


def layers(service: str) -> Layers:
    """Measure an image that was built."""
    told = docker("history", "--no-trunc", "--human=false", "--format={{.Size}} {{.CreatedBy}}", image(service))
    ours = model = 0
    for size, _, what in (line.partition(" ") for line in told.splitlines()):
        if f" {EMBEDDED_MODEL}" in what:
            model += int(size)
        elif " /app" in what:
            ours += int(size)
    if not ours:
        sys.exit(f"{image(service)}: Docker's history shows no layer of ours")
    return Layers(ours, model)


def write_sbom(service: str, folder: Path) -> None:
    """List what is in an image that was built."""
    with tempfile.TemporaryDirectory(prefix="kot-sbom-") as made:
        empty, packages = Path(made) / "env", Path(made) / "packages"
        venv.create(empty)
        packages.mkdir()
        container = docker("create", image(service))
        try:
            for name in ("app", "model") if service == "generator" else ("app",):
                docker("cp", f"{container}:/{name}", packages)
        finally:
            docker("rm", container)
        found = os.pathsep.join(str(path) for path in packages.iterdir())
        command = [sys.executable, "-m", "cyclonedx_py", "environment", empty, "--pyproject", ROOT / "pyproject.toml"]
        command += ["--output-reproducible", "--output-file", folder / f"{service}.cdx.json"]
        subprocess.run([str(word) for word in command], check=True, env=os.environ | {"PYTHONPATH": found})


def main() -> int:
    """Build, list and measure; 1 if an image is too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", default=SERVICES, metavar="SERVICE", help="all, if none is named")
    parser.add_argument("--base", default="", help="what images are made of, instead of what their Dockerfiles say")
    parser.add_argument("--build-base", default="", help="what they are built in; it has strip")
    parser.add_argument("--network", default="default", help="the network that pip is given: `docker build --network`")
    parser.add_argument("--largest", type=int, default=LARGEST, help="megabytes that our layers of an image may have")
    parser.add_argument("--only-sbom", action="store_true", help="build nothing")
    parser.add_argument("--sbom", type=Path, default=ROOT / "dist" / "sbom", help="the folder of the lists")
    chosen = parser.parse_args()
    chosen.sbom.mkdir(parents=True, exist_ok=True)
    too_large = []
    for service in chosen.services:
        if not chosen.only_sbom:
            build(service, {"BASE": chosen.base, "BUILD": chosen.build_base}, chosen.network)
        write_sbom(service, chosen.sbom)
        measured = layers(service)
        model = f", and {measured.model / MEGABYTE:.1f} MB of the embedded model" if measured.model else ""
        print(f"{image(service)}: our layers have {measured.ours / MEGABYTE:.1f} MB{model}")
        if measured.ours > chosen.largest * MEGABYTE:
            too_large.append(image(service))
    if too_large:
        print(f"more than {chosen.largest} MB: {', '.join(too_large)}", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
