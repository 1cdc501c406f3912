"""Base images made of this machine's Python, for where no registry can be reached.

They have Python and pip where the official images have them, the libraries that wheels may expect, and the system's
certificates; no shell. What images are built in has `strip` too, and the library that comes with a compiler.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin", "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"}
EXPECTED = ("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1")
"""What wheels may link to (PEP 599), and every image of Debian has."""
OF_COMPILERS = ("libgomp.so.1",)
"""What the slim images do not have."""
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__"}
LOADER = Path("/lib64/ld-linux-x86-64.so.2")


def _linked(*binaries: Path) -> set[Path]:
    """Return the shared libraries that the loader opens for these."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"=> (/\S+) \(0x", said)}


def _known(names: tuple[str, ...]) -> set[Path]:
    """Return where the loader finds these, leaving out what this system does not have."""
    said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    paths = dict(reversed(re.findall(r"^\s+(\S+) \(libc6,x86-64.*\) => (\S+)$", said, re.MULTILINE)))
    return {Path(paths[name]) for name in names if name in paths}


def _standard_library() -> Iterator[tuple[Path, Path]]:
    """Yield each file of the standard library and of pip, and where it goes."""
    folder = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    for top in (folder, folder / "site-packages" / "pip"):
        for root, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith("config-")]
            for path in (Path(root, name) for name in files):
                yield path, Path("/usr/local/lib", folder.name, path.relative_to(folder))


def write_base(stream: BinaryIO, *, slim: bool) -> None:
    """Write the archive that `docker import` takes: what images are made of if slim, else what they are built in."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    programs = {Path(sys.base_prefix, "bin", name): Path("/usr/local/bin/python")}
    if not slim:
        programs[Path(shutil.which("strip") or "strip")] = Path("/usr/bin/strip")
    files = dict(_standard_library()) | programs
    libraries = _linked(*programs, *(path for path in files if path.suffix == ".so"))
    libraries |= _known(EXPECTED if slim else EXPECTED + OF_COMPILERS)
    # Without a cache, the loader looks into a few folders alone.
    files |= {path: Path("/usr/lib/x86_64-linux-gnu", path.name) for path in libraries} | {LOADER: LOADER}
    files |= {path: path for path in (Path(ENVIRONMENT["PIP_CERT"]),) if path.exists()}
    with tarfile.open(fileobj=stream, mode="w|", dereference=True) as archive:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
        for source, target in files.items():
            archive.add(source, str(target), recursive=False, filter=_of_root)


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
