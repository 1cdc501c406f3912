"""Plants a breaking change in a copy of the protos and fails unless `buf breaking` finds it: the check can fail."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).with_name("buf")
PLANTED = ("string problem = 2 ", "string problem = 99 ")


def main() -> None:
    """Plant, run, compare."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copy(ROOT / "buf.yaml", copy)
        shutil.copytree(ROOT / "proto", copy / "proto")
        shutil.copytree(ROOT / "third_party", copy / "third_party")
        target = copy / "proto" / "kubeofthoughts" / "v1" / "orchestrator_service.proto"
        text = target.read_text()
        if PLANTED[0] not in text:
            sys.exit(f"nothing to break: {target.name} has no {PLANTED[0]!r}")
        target.write_text(text.replace(*PLANTED))
        against = ROOT / "proto" / "released.binpb"
        command = [BUF, "breaking", "proto", "--against", against]
        run = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if run.returncode == 0 or "problem" not in run.stdout:
            sys.exit(f"buf breaking did not find the planted break:\n{run.stdout}{run.stderr}")


if __name__ == "__main__":
    main()
