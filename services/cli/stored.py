"""The commands for solves that are kept: `kot resume`, `watch`, `list`, `tree` and `export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.cli.exits import HELP
from services.cli.frame import AsJson, Target, configure_logs, make_console, run
from services.cli.options import Hyperparameters, with_budget

MOST_LISTED = 1_000_000

app = typer.Typer()


def _check_text(given: str | list[str]) -> str | list[str]:
    """Refuse what is no UTF-8, such as a file's name; no id is."""
    try:
        "".join(given).encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter("is not valid UTF-8") from error
    return given


SolveId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The solve's id; see `kot list`.", show_default=False, callback=_check_text),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write; standard output if left out.")
]


@app.command("resume", epilog=HELP)
@with_budget
def resume_command(
    context: typer.Context,
    solve_id: SolveId,
    target: Target = None,
    *,
    as_json: AsJson = False,
    options: Hyperparameters,
) -> None:
    """Go on with a solve that was interrupted, or that ended without an answer, under a larger budget if you like.

    Limits count what was spent before; those that are left out, or are less than they were, stay as they were.
    """
    configure_logs(context.obj or "error")
    from services.cli.request import build_resume
    from services.cli.solve import show
    from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

    detail = wire.EVENT_DETAIL_RESULT if as_json else wire.EVENT_DETAIL_ALL
    request = build_resume(solve_id, options, detail)
    raise typer.Exit(run(show(request, target=target, as_json=as_json, console=make_console())))


@app.command("watch", epilog=HELP)
def watch_command(context: typer.Context, solve_id: SolveId, target: Target = None, *, as_json: AsJson = False) -> None:
    """Watch a solve from its beginning, wherever it runs; one that nobody runs goes on."""
    configure_logs(context.obj or "error")
    from services.cli.solve import show
    from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire

    detail = wire.EVENT_DETAIL_RESULT if as_json else wire.EVENT_DETAIL_ALL
    request = wire.WatchSolveRequest(solve_id=solve_id, event_detail=detail)
    raise typer.Exit(run(show(request, target=target, as_json=as_json, console=make_console())))


@app.command("list", epilog=HELP)
def list_command(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="Solves to list, at most.")] = 20,
    before: Annotated[
        str,
        typer.Option(
            metavar="ID", help="List those that were begun before this one.", show_default=False, callback=_check_text
        ),
    ] = "",
    target: Target = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the solves that are kept, the newest first."""
    configure_logs(context.obj or "error")
    from services.cli.listing import show_solves

    run(show_solves(make_console(), target, limit=limit, before=before, as_json=as_json))


@app.command("tree", epilog=HELP)
def tree_command(
    context: typer.Context,
    solve_id: SolveId,
    form: Annotated[
        Literal["text", "mermaid", "dot", "svg"],
        typer.Option("--format", "-f", help="Text to read, or a graph for Mermaid, Graphviz or a browser."),
    ] = "text",
    output: Output = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, help="Leave out what lies deeper, in steps from the problem.", show_default=False),
    ] = None,
    target: Target = None,
    *,
    answer_only: Annotated[bool, typer.Option("--answer-only", help="Show the way to the answer alone.")] = False,
) -> None:
    """Draw the tree of a solve, as far as it has grown."""
    configure_logs(context.obj or "error")
    from services.cli.drawings.draw import Extent, draw

    run(draw(solve_id, form, Extent(depth, answer_only=answer_only), output=output, target=target))


@app.command("export", epilog=HELP)
def export_command(
    context: typer.Context,
    solve_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The solves' ids.", show_default=False, callback=_check_text)
    ],
    form: Annotated[
        Literal["jsonl", "dpo", "sft"],
        typer.Option(
            "--format",
            "-f",
            help="Whole trees, a thought a line; preferences among siblings; or the right steps, each with its prompt.",
        ),
    ] = "jsonl",
    output: Output = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="For dpo: prefer also a sibling that was scored higher than another by so much or more.",
            show_default=False,
        ),
    ] = None,
    target: Target = None,
) -> None:
    """Write solves as lines of JSON, to learn from; docs/export.md says what is in them."""
    configure_logs(context.obj or "error")
    from services.cli.exports.export import export

    run(export(solve_ids, form, margin=margin, output=output, target=target))
