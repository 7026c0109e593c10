"""``idxbench report``: the tables of a run again, or its page."""

from pathlib import Path
from typing import Annotated

import typer

from idxbench.cli.targets import check_new_file


def command(
    run: Annotated[Path, typer.Argument(help="A run directory, or a parent: its newest finished run.", metavar="RUN")],
    everything: Annotated[
        bool, typer.Option("--all", help="Print the tables of worst queries and of speeds, too.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write one page with pictures, for a browser without network, instead.", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> int:
    """Print the tables of an earlier run, or write its page."""
    from idxbench.records import load_run
    from idxbench.verdicts.decision import decide

    if html is not None:
        check_new_file("--html", html, force=force)
    loaded = load_run(run)
    decisions = decide(loaded)
    if html is None:
        from idxbench.report.terminal import show_run

        show_run(loaded, decisions, everything=everything)
        return 0
    from idxbench.report.html.run_page import write_run_page

    write_run_page(loaded, decisions, html)
    typer.echo(f"Written to {html}")
    return 0
