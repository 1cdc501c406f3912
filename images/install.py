"""Install what a file of `images/requirements` pins into a folder, as small and as ready as it can be.

Runs in the first stage of each Dockerfile, with nothing but Python, pip and `strip`: `python install.py FILE FOLDER`.
"""

import subprocess
import sys
from pathlib import Path

# Nothing is resolved, built from source, or taken whose hash is not the file's.
PIP = ("pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile", "--no-cache-dir")
QUIET = ("--quiet", "--disable-pip-version-check", "--root-user-action=ignore")


def install(requirements: Path, folder: Path) -> None:
    """Install; raises `CalledProcessError`."""
    _run(sys.executable, "-m", *PIP, *QUIET, "--target", folder, "--requirement", requirements)
    # Names that only debuggers read: four fifths of some libraries.
    libraries = [path for path in folder.rglob("*.so*") if path.is_file()]
    if libraries:
        _run("strip", "--strip-unneeded", *libraries)
    # An image's files do not change, and its root is read-only: bytecode is made here, never compared with its source.
    _run(sys.executable, "-m", "compileall", "--invalidation-mode=unchecked-hash", "-q", folder)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
