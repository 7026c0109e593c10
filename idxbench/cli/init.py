"""``idxbench init``: a commented config for the user's own files."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    items: Annotated[
        Path | None,
        typer.Argument(help="Item vectors, or a table of ratings; without one, a built-in data set.", metavar="ITEMS"),
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="A file of query vectors.", metavar="FILE")] = None,
    labels: Annotated[Path | None, typer.Option(help="One label per item.", metavar="FILE")] = None,
    label_key: Annotated[
        str | None, typer.Option(help="Which column or array holds the labels.", metavar="NAME")
    ] = None,
    out: Annotated[Path, typer.Option(help="The config to write.", metavar="FILE")] = Path("idxbench.toml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
) -> int:
    """Write a commented config for your files.

    Looks into the files given to choose what fits them, and asks nothing. What it writes runs as it is.
    """
    from idxbench.bench.starter import Files, write_starter

    write_starter(Files(items, queries, labels, label_key), out, overwrite=force)
    typer.echo(f"Wrote {out}. Look through it, then: idxbench run {out}")
    return 0
