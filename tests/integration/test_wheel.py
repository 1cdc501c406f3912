"""What users install: the wheel, in an environment of its own, outside the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def run(*command: object, cwd: Path) -> str:
    """Run to the end; its output, or a failure that shows what it said."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_weights_and_generated_code_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "services/weights/thought-model.gguf" in names
    assert "services/weights/MODEL_CARD.md" in names
    assert "services/rpc/gen/kubeofthoughts/v1/orchestrator_service_pb2.py" in names
    assert "services/py.typed" in names
    assert "services/web/static/index.html" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "models/"))]


def test_the_installed_wheel_solves_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    run(tmp_path / "env/bin/pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    document = json.loads(run(tmp_path / "env/bin/kot", "solve", "--json", "1 1 11 11", cwd=tmp_path))
    assert document["status"] == "SOLVED"
    assert document["answer"].endswith("= 24")
