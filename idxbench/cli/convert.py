"""``idxbench convert``: between all supported formats."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    source: Annotated[Path, typer.Argument(help="The file to read.", metavar="SRC")],
    target: Annotated[Path, typer.Argument(help="The file to write; its suffix says the format.", metavar="DST")],
    key: Annotated[
        str | None, typer.Option(help="Which array: npz array, hdf5 dataset or Parquet column.", metavar="NAME")
    ] = None,
    role: Annotated[
        str, typer.Option(help="Which array where no key is given: items or queries.", metavar="ROLE")
    ] = "items",
    groundtruth: Annotated[bool, typer.Option("--groundtruth", help="SRC holds neighbours, not vectors.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite DST.")] = False,
) -> int:
    """Convert vectors or neighbours to another format.

    Reads and writes .npy .npz .hdf5 .fvecs .ivecs .bvecs .fbin .u8bin .i8bin .f16bin .parquet, and for neighbours
    .ibin .bin .ivecs .npy .npz .hdf5. Values that an integer format can't hold exactly are an error; a shorter float
    format rounds, and the summary says by how much.
    """
    from idxbench.data.convert import convert_file
    from idxbench.errors import ConfigError, Problem

    if role not in ("items", "queries"):
        raise ConfigError(Problem("--role", "items or queries", repr(role)))
    chosen: Literal["items", "queries"] = "items" if role == "items" else "queries"
    summary = convert_file(source, target, key=key, role=chosen, groundtruth=groundtruth, overwrite=force)
    typer.echo(str(summary))
    return 0
