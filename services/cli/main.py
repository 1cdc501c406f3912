"""`kot`: solve problems by searching over a language model's thoughts.

Everything heavy is imported by the command that needs it: the time to the first thought is part of the product.
"""

import asyncio
import io
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli import stored
from services.cli.exits import HELP, Exit, exit_of
from services.cli.frame import AsJson, Target, configure_logs, make_console, run
from services.cli.options import Hyperparameters, flag_of, with_hyperparameters
from services.core.errors import HistoryRefused, InvalidInput, KotError, LeaseHeld, UnknownSolve

INTERRUPTED_BY_TYPER = 130
MOST_TOKENS = 1_000_000_000
"""The largest budget that the wire carries."""

app = typer.Typer(
    name="kot",
    help="Kube of Thoughts: solves problems by growing a tree of a language model's thoughts.",
    epilog=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option(help="What this process logs, on standard error. (default error; for `kot serve` info)"),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy", "-s", help="How to search; see `kot strategies`. (default auto)", rich_help_panel="Search"
    ),
]


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"kot {version('kube-of-thoughts')}")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    log_level: LogLevel = None,
    *,
    show_version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Take what concerns every command."""
    context.obj = log_level


@app.command("solve", epilog=HELP)
@with_hyperparameters
def solve_command(
    context: typer.Context,
    problem: Annotated[list[str], typer.Argument(help="The problem, in one argument or several.", show_default=False)],
    strategy: Strategy = None,
    target: Target = None,
    *,
    as_json: AsJson = False,
    options: Hyperparameters,
) -> None:
    """Solve one problem and watch the tree grow. Example: kot solve 1 1 11 11."""
    configure_logs(context.obj or "error")
    from services.cli.request import build_request
    from services.cli.solve import show
    from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

    detail = wire.EVENT_DETAIL_RESULT if as_json else wire.EVENT_DETAIL_ALL
    request = build_request(" ".join(problem), strategy, options, detail)
    raise typer.Exit(run(show(request, target=target, as_json=as_json, console=make_console())))


app.add_typer(stored.app)


@app.command("serve", epilog=HELP)
def serve_command(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The interface to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")] = 50_051,
    web_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="The port of the web page; 0 is no page. (default 8080, if it is free)"),
    ] = None,
) -> None:
    """Serve all services on one port, and the web page on another, until SIGTERM or Ctrl-C.

    Solves in flight end first, or are parked.
    """
    configure_logs(context.obj)
    from services.cli.serve import serve

    run(serve(host, port, web_port))


@app.command("bench", epilog=HELP)
@with_hyperparameters
def bench_command(
    context: typer.Context,
    puzzles: Annotated[Path, typer.Option(help="A CSV file with a column `puzzle`.", show_default=False)],
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", "-s", help="A strategy to measure; may be repeated. (default auto)"),
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Where to write the figures.", show_default=False)
    ] = None,
    budget: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=MOST_TOKENS,
            help="Completion tokens that a puzzle may cost; may be repeated: each strategy is measured at each. "
            "(default --max-completion-tokens)",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="Solves of each puzzle, with seeds that count up from --seed. Solves of one puzzle are no independent "
            "trials; the 95 % interval allows for that.",
        ),
    ] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|.png",
            help="Where to plot solved shares against completion tokens spent; needs the extra `plot`.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Puzzles to take, from the first. (default all)")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Puzzles to solve at a time.")] = 1,
    target: Target = None,
    *,
    options: Hyperparameters,
) -> None:
    """Solve every puzzle of a file with each strategy at each budget, and count."""
    configure_logs(context.obj or "error")
    from services.cli.bench import Bench, check_writable, read_puzzles, write_figures
    from services.cli.figures import show_figures
    from services.cli.plot import check_plot, plot_figures

    if json_out is not None:
        check_writable(json_out)
    if plot is not None:
        check_writable(plot)
        check_plot(plot)
    bench = Bench(read_puzzles(puzzles, limit), strategy or ["auto"], options, parallel, budget or (), seeds)
    figures = run(bench.run(target, make_console(stderr=True)))
    if json_out is not None:
        write_figures(json_out, figures)
    if plot is not None:
        plot_figures(plot, figures, title=puzzles.name)
    show_figures(make_console(), figures)


@app.command("doctor", epilog=HELP)
def doctor_command(context: typer.Context, target: Target = None) -> None:
    """Say what is configured and what is reachable."""
    configure_logs(context.obj or "error")
    from services.cli.doctor import diagnose

    raise typer.Exit(run(diagnose(make_console(), target)))


@app.command("tasks", epilog=HELP)
def tasks_command(context: typer.Context, target: Target = None) -> None:
    """List the classes of problems that can be solved."""
    configure_logs(context.obj or "error")
    from services.cli.catalog import show_tasks

    run(show_tasks(make_console(), target))


@app.command("strategies", epilog=HELP)
def strategies_command(context: typer.Context, target: Target = None) -> None:
    """List the ways to search and what can be set about each."""
    configure_logs(context.obj or "error")
    from services.cli.catalog import show_strategies

    run(show_strategies(make_console(), target))


def main() -> None:
    """Run the command line; an error is one line on standard error and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign shows another.
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="kot")
    except KotError as error:
        _end(str(error) + _hint(error), exit_of(error))
    except asyncio.CancelledError:
        _end("interrupted", Exit.INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED_BY_TYPER:
            _end("interrupted", Exit.INTERRUPTED)
        raise


def _end(message: str, code: Exit) -> None:
    typer.echo(f"kot: {message}", err=True)
    sys.exit(code)


def _hint(error: KotError) -> str:
    """Return what may help, in brackets; empty if nothing comes to mind."""
    match error:
        case InvalidInput(field=field):
            said = flag_of(field) or ""
        case UnknownSolve():
            said = "`kot list` says which there are"
        case LeaseHeld():
            said = "`kot watch` shows it, and goes on with it if that one has died"
        case HistoryRefused():
            said = "it cannot go on; `kot tree` and `kot export` still read it"
        case _:
            said = ""
    return f" ({said})" if said else ""


if __name__ == "__main__":
    main()
