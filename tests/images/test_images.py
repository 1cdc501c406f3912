"""The images are built from their Dockerfiles and started as a cluster starts them: as nobody, on a read-only root."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from dockerfiles import ROOT, SERVICES, USER
from engine import NoEngine, engine
from kot import kot
from local_base import ENVIRONMENT, write_base
from processes import free_port
from test_lock import of_image

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]

BASE, BUILD = "local-base:slim", "local-base:full"
SERVES_WITHIN_SECONDS = 60
LOCKED_DOWN = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


@pytest.fixture(scope="module")
def docker():
    """An engine with the local bases in it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kot-engine-")))
        try:
            running = stack.enter_context(engine(folder))
        except NoEngine as error:
            pytest.skip(f"no container engine can start here: {error}")
        archive = folder / "base.tar"
        changes = [f"--change=ENV {name}={value}" for name, value in ENVIRONMENT.items()]
        for name in (BASE, BUILD):
            with archive.open("wb") as stream:
                write_base(stream, slim=name == BASE)
            running.docker("import", *changes, archive, name)
        yield running


def build(docker, *arguments):
    """Run `images/build.py` as `make images` does, but on the local bases."""
    command = [sys.executable, "images/build.py", "--base", BASE, "--build-base", BUILD, "--network", "host"]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, env=docker.environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def sboms(docker, tmp_path_factory):
    """All images are built; the folder with what `make images` lists of them."""
    folder = tmp_path_factory.mktemp("sbom")
    done = build(docker, "--sbom", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return folder


def image(service):
    return f"kube-of-thoughts/{service}:{version('kube-of-thoughts')}"


def test_an_image_that_is_too_large_is_refused(docker, sboms):
    done = build(docker, "--sbom", sboms, "--largest", 1, "web")
    assert done.returncode == 1
    assert "more than 1 MB: kube-of-thoughts/web:" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is(docker, sboms, service):
    config = docker.inspect(image(service))["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["version"] == version("kube-of-thoughts")
    assert labels["licenses"] == "Apache-2.0"
    assert labels.keys() == {"title", "source", "version", "revision", "licenses"}
    assert config["User"] == USER
    assert not config.get("Cmd")


SEEN_FROM_INSIDE = """
import importlib.metadata, json, os, pathlib, subprocess, sys
def writable(folder):
    try:
        (folder / "probe").touch()
        return True
    except OSError:
        return False
print(json.dumps({
    "packages": {each.name.lower().replace("_", "-"): each.version
                 for each in importlib.metadata.distributions() if each.name != "pip"},
    "uid": os.getuid(),
    "writable": [str(folder) for folder in map(pathlib.Path, ("/", "/app", "/tmp", "/etc")) if writable(folder)],
    "paths": [str(path) for path in pathlib.Path("/app").rglob("*.pth")],
    "weights": [str(path) for path in pathlib.Path("/").glob("[!ps]*/**/*.gguf")],
    "checked": subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True).stdout,
}))
"""


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_what_is_pinned_and_nothing_else(docker, sboms, service):
    said = docker.docker("run", "--rm", *LOCKED_DOWN, "--entrypoint=python", image(service), "-c", SEEN_FROM_INSIDE)
    seen = json.loads(said)
    assert seen["packages"] == of_image(service)
    assert seen["checked"] == "No broken requirements found.\n"
    assert seen["paths"] == []
    assert seen["weights"] == (["/model/thought-model.gguf"] if service == "generator" else [])
    assert (seen["uid"], seen["writable"]) == (65532, ["/tmp"])
    listed = json.loads((sboms / f"{service}.cdx.json").read_text())
    components = {each["name"].lower().replace("_", "-"): each for each in listed["components"]}
    assert {name: each["version"] for name, each in components.items()} == of_image(service)
    assert listed["bomFormat"] == "CycloneDX"


def test_images_share_their_first_layers(docker, sboms):
    found = [docker.inspect(image(service))["RootFS"]["Layers"] for service in SERVICES]
    assert len({tuple(layers[:4]) for layers in found}) == 1
    assert len({layers[4] for layers in found}) == len({tuple(of_image(service)) for service in SERVICES})


LAZY = {
    "orchestrator": ("redis.asyncio", "neo4j"),
    "generator": ("redis.asyncio", "aiohttp", "pyrate_limiter", "xllamacpp"),
    "evaluator": ("redis.asyncio",),
    "validator": ("redis.asyncio",),
    "web": (),
}
"""What settings make a service import later."""
OF_TELEMETRY = (
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.metric_exporter",
    "opentelemetry.exporter.prometheus",
)


@pytest.mark.parametrize("service", SERVICES)
def test_what_settings_ask_for_later_is_there(docker, sboms, service):
    script = f"import {', '.join(LAZY[service] + OF_TELEMETRY)}"
    docker.docker("run", "--rm", *LOCKED_DOWN, "--entrypoint=python", image(service), "-c", script)


@contextmanager
def container(docker, service, **environment):
    """Run a service from its image until the end; a failure shows what it logged."""
    port = free_port()
    settings = {"PORT": port, "KOT_HOST": "127.0.0.1"} | environment
    told = [f"--env={name}={value}" for name, value in settings.items()]
    name = docker.docker("run", "--detach", *LOCKED_DOWN, *told, image(service))
    try:
        deadline = time.monotonic() + SERVES_WITHIN_SECONDS
        while '"serving"' not in docker.logged(name):
            assert docker.inspect(name)["State"]["Running"], docker.logged(name)
            assert time.monotonic() < deadline, docker.logged(name)
            time.sleep(0.1)
        yield name, f"127.0.0.1:{port}"
    finally:
        docker.docker("rm", "--force", name)


def test_all_five_solve_together_and_stop_when_they_are_told(docker, sboms):
    with ExitStack() as stack:
        names, targets = [], {}
        for service in ("generator", "evaluator", "validator", "orchestrator", "web"):
            settings = {"KOT_METRICS_PORT": free_port()} | targets
            name, target = stack.enter_context(container(docker, service, **settings))
            names.append(name)
            targets[f"KOT_{service.upper()}_TARGET"] = target
            targets.setdefault("KOT_MODEL_TARGET", target)
        done = kot("solve", "--target", targets["KOT_ORCHESTRATOR_TARGET"], "--json", "1 1 11 11")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "SOLVED"
        with urllib.request.urlopen(f"http://{targets['KOT_WEB_TARGET']}/", timeout=30) as page:
            assert b"<title>" in page.read()
        docker.docker("stop", "--time=30", *names)
        for name in names:
            assert docker.inspect(name)["State"]["ExitCode"] == 0, docker.logged(name)
