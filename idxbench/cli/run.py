"""``idxbench run``: the main job."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c
from idxbench.errors import ResultError

if TYPE_CHECKING:
    from idxbench.bench.runner import Request


def command(
    config: Annotated[Path, typer.Argument(help="A TOML config; write one with 'idxbench init'.", metavar="CONFIG")],
    out: Annotated[
        Path | None, typer.Option(help="Parent of run directories.", show_default="results/NAME", metavar="DIR")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads to use, 0 for every usable core.", show_default="the config's", min=0)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Keep only this strategy or kind of index; may be given several times.", metavar="NAME"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the newest unfinished run of this configuration in DIR, measuring only what is missing; "
            "where there is none, begin afresh and say so.",
        ),
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Seconds that timed rounds may take in one start, 0 for any; the round under way is finished.",
            show_default="the config's",
            min=0,
            metavar="SECONDS",
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would run and stop.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Print the tables of worst queries and of speeds, too.")
    ] = False,
) -> int:
    """Measure strategies and indexes, print, decide.

    Validates, computes exact truth, builds and queries every index, and says what can be trusted about the vectors
    (as 'idxbench diagnose' does) and which index to serve. Writes a run directory under results/NAME/ and prints its
    tables; 'idxbench report' prints them again. The report.html in it holds them with pictures, for a browser without
    network. Progress goes to standard error.

    Every finished step is on disk before the next begins: a run that was interrupted (Ctrl-C exits with code 130),
    killed, or stopped by a full disk goes on with --resume, and tries again what failed before. A run that came to its
    end is whole, also where cells failed (code 4). One process at a time writes a run directory.
    """
    from idxbench.api import draw, execute_request, make_request

    request = make_request(config, out=out, threads=threads, only=only or (), resume=resume, budget=budget)
    if plan:
        return _print_plan(request)
    from idxbench.cli.progress import Bars
    from idxbench.records import load_run
    from idxbench.report.terminal import show_run
    from idxbench.verdicts.decision import decide

    stop_as_after_ctrl_c()
    path, code = execute_request(request, Bars(), lambda text: typer.echo(text, err=True))
    run = load_run(path)
    show_run(run, decide(run), everything=everything)
    try:
        draw(run)
    except ResultError as error:
        # The run is whole, and its code stays what it is.
        typer.echo(f"no pictures: {error}", err=True)
    return code


def _print_plan(request: "Request") -> int:
    from idxbench.bench.preview import preview
    from idxbench.report.plan import print_plan
    from idxbench.report.terminal import make_console

    print_plan(preview(request), make_console())
    return 0
