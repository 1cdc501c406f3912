"""What our Dockerfiles keep to and no linter knows: each rule that is broken is a sentence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("orchestrator", "generator", "evaluator", "validator", "web")
USER = "65532:65532"
PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+-[\w.-]+(@sha256:[0-9a-f]{64})?")


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with what follows it, comments left out and lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined) if name]


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether `.dockerignore` leaves a file out: the last pattern that fits it, or a folder that it is in, decides."""
    parts = path.split("/")
    names = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    left_out = False
    for pattern in patterns:
        bare = re.escape(pattern.removeprefix("!"))
        form = re.compile(bare.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*"))
        if any(map(form.fullmatch, names)):
            left_out = not pattern.startswith("!")
    return left_out


def context() -> list[str]:
    """The files that a build is sent."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    top = [ROOT / name for name in ("images", "models", "services", "tests", "docs", "proto")]
    files = [path for folder in top for path in folder.rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in files]
    return [name for name in names if not ignored(name, patterns)]


def broken(text: str, module: str, sent: list[str], *, shell: bool = False) -> Iterator[str]:
    """Yield what is wrong with a Dockerfile of `services.MODULE`; with `shell` a RUN may use one."""
    told = instructions(text)
    names = [name for name, _ in told]
    last = dict(told[max(index for index, name in enumerate(names) if name == "FROM") :])
    for name, rest in told:
        key, _, value = rest.partition("=")
        if name == "ARG" and key in ("BASE", "BUILD") and not PINNED.fullmatch(value):
            yield f"{rest} is no pinned image"
        if name == "FROM" and not re.fullmatch(r"(\$\{\w+\}|[a-z]+)( AS [a-z]+)?", rest):
            yield f"FROM {rest} cannot be set by an ARG"
        if name == "RUN" and not shell and not rest.startswith("["):
            yield f"RUN {rest} needs a shell"
        if name == "COPY" and "--from=" not in rest:
            yield from (f"COPY {source}: no such file is sent" for source in missing(rest.split()[:-1], sent))
    if last.get("USER") != USER:
        yield f"runs as {last.get('USER', 'root')}"
    if (entry := json.loads(last.get("ENTRYPOINT", "[]"))[1:]) != ["-m", f"services.{module}"]:
        yield f"starts {entry}"


def missing(sources: list[str], sent: list[str]) -> list[str]:
    """Return the files and folders of which nothing is sent."""
    return [each for each in sources if not any(f"{name}/".startswith(f"{each}/") for name in sent)]
