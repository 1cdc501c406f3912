"""Dockerfiles keep to the rules, and each rule bites: a mistake that is planted is found."""

import subprocess
import sys
from pathlib import Path

import pytest
from dockerfiles import ROOT, SERVICES, broken, context, instructions

FILES = {f"services/{service}/Dockerfile": service for service in SERVICES} | {
    "services/generator/Dockerfile.gpu": "generator"
}


def linted(text):
    """What hadolint says of a Dockerfile; nothing if it likes it."""
    command = [Path(sys.executable).with_name("hadolint"), "--config", ROOT / ".hadolint.yaml", "--no-color", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def sent():
    return context()


@pytest.mark.parametrize(("file", "service"), FILES.items())
def test_every_rule_is_kept(file, service, sent):
    text = (ROOT / file).read_text()
    assert list(broken(text, service, sent, shell=file.endswith(".gpu"))) == []
    assert linted(text) == ""


PLANTED = {
    "runs as root": ("USER 65532:65532\n", ""),
    "runs as 0": ("USER 65532:65532", "USER 0"),
    "no pinned image": ("ARG BUILD=python:3.11.13-bookworm", "ARG BUILD=python:3"),
    "BASE=python:latest@sha256": ("ARG BASE=python:3.11.13-slim-bookworm", "ARG BASE=python:latest"),
    "cannot be set by an ARG": ("FROM ${BASE}", "FROM python:3.11.13-slim-bookworm"),
    "DL3020": ("COPY LICENSE NOTICE", "ADD LICENSE NOTICE"),
    "needs a shell": ('RUN ["python", "install.py", "common.txt", "/packages"]', "RUN pip install grpcio | tee log"),
    "COPY images/requirements/common.lock: no such": ("requirements/common.txt", "requirements/common.lock"),
    "COPY tests: no such file is sent": ("COPY services", "COPY tests"),
    "COPY services/cli: no such file is sent": ("COPY services", "COPY services/cli"),
    "starts ['-m', 'services.web']": ("services.orchestrator", "services.web"),
    "starts []": ('ENTRYPOINT ["python", "-m", "services.orchestrator"]', ""),
    "DL3049": ('      org.opencontainers.image.source="${SOURCE}" \\\n', ""),
    "DL3025": ('ENTRYPOINT ["python", "-m", "services.orchestrator"]', "ENTRYPOINT python -m services.orchestrator"),
    "DL3054": ('licenses="Apache-2.0"', 'licenses="Apache 2"'),
    "DL3022": ("--from=own", "--from=owned"),
}


@pytest.mark.parametrize("complaint", PLANTED)
def test_a_planted_mistake_is_found(complaint, sent):
    text = (ROOT / "services/orchestrator/Dockerfile").read_text()
    right, wrong = PLANTED[complaint]
    assert right in text
    planted = text.replace(right, wrong)
    if complaint.startswith("DL"):
        assert complaint in linted(planted)
    else:
        assert any(complaint in each for each in broken(planted, "orchestrator", sent))


def test_what_images_share_is_written_in_the_same_way():
    """So that its layers are the same: a layer depends on all that stands before it."""
    texts = [(ROOT / file).read_text() for file in FILES if not file.endswith(".gpu")]
    stages = [text.split("\nFROM ") for text in texts]
    assert len({parts[0].partition("\n")[2] for parts in stages}) == 1
    assert len({parts[1] for parts in stages}) == 1
    assert len({next(part for part in parts if part.startswith("${BUILD} AS code")) for parts in stages}) == 1
    assert len({tuple(instructions("FROM " + parts[-1])[:4]) for parts in stages}) == 1


def test_a_build_is_sent_only_what_images_are_made_of(sent):
    assert {name.split("/")[0] for name in sent} == {"LICENSE", "NOTICE", "images", "models", "services"}
    assert {"models/thought-model.gguf", "images/install.py", "services/web/static/index.html"} <= set(sent)
    assert not [name for name in sent if name.startswith(("services/cli", "services/testing", "images/build"))]
    assert not [name for name in sent if "Dockerfile" in name or "__pycache__" in name]
