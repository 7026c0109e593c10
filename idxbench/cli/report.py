"""``idxbench report``: the tables of a run again."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A run directory, or a parent: its newest finished run.", metavar="RUN")],
    everything: Annotated[bool, typer.Option("--all", help="Print the table of worst queries, too.")] = False,
) -> int:
    """Print the tables of an earlier run."""
    from idxbench.records import load_run
    from idxbench.report.terminal import show_run
    from idxbench.verdicts.decision import decide

    loaded = load_run(run)
    show_run(loaded, decide(loaded), everything=everything)
    return 0
