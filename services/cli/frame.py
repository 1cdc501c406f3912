"""What all commands of `kot` share: their common options, how they run, and where they print."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

Target = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Use a running server instead of one in this process.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end."""
    import uvloop

    return uvloop.run(command)


def make_console(*, stderr: bool = False) -> "Console":
    """Return a console on standard output, or on standard error."""
    from rich.console import Console

    return Console(stderr=stderr)


def configure_logs(level: str | None) -> None:
    """Log at `level`; at `KOT_LOG_LEVEL` if none was chosen."""
    from services.settings import ServerSettings, read_settings
    from services.telemetry import logs

    server = read_settings(ServerSettings)
    logs.configure(service="kot", pod=server.pod, revision=server.revision, level=level or server.log_level)
