"""``idxbench truth``: exact neighbours alone."""

from pathlib import Path
from typing import Annotated

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c


def command(
    items: Annotated[Path, typer.Option(help="Item vectors, of any format 'convert' reads.", metavar="FILE")],
    queries: Annotated[Path, typer.Option(help="Query vectors; may be the same file.", metavar="FILE")],
    k: Annotated[int, typer.Option("-k", "--k", help="Neighbours per query.", min=1, metavar="K")],
    metric: Annotated[str, typer.Option(help="dot, cosine, l2 or covariance.", metavar="METRIC")],
    out: Annotated[Path, typer.Option(help="What to write; its suffix says the format.", metavar="FILE")],
    weight: Annotated[
        Path | None,
        typer.Option(
            help="For covariance: an .npy of (d, d), positive semi-definite; cosines are taken under it.",
            metavar="FILE",
        ),
    ] = None,
    items_key: Annotated[
        str | None, typer.Option(help="Which array of --items: npz array, hdf5 dataset or column.", metavar="NAME")
    ] = None,
    queries_key: Annotated[str | None, typer.Option(help="The same for --queries.", metavar="NAME")] = None,
    threads: Annotated[int, typer.Option(help="Threads to use, 0 for every usable core.", min=0, metavar="N")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what --out names.")] = False,
) -> int:
    """Write the exact k nearest items of each query, best first.

    Ties go to the item that comes first. Items and queries are read from disk block by block where their format
    allows (.npy, .fbin and the like, uncompressed .hdf5), so they may be larger than memory.

    \b
    --out           holds
    .ivecs .ibin    ids (int32)
    .npy            ids (int32)
    .bin .gt100     ids, then float32 distances (big-ann-benchmarks; l2 squared)
    .npz            arrays neighbors and distances
    .hdf5           an ann-benchmarks data set: train, test, neighbors, distances
    .parquet        columns id and neighbors_id; ids are those of train.parquet and
                    test.parquet where they lie beside it, else rows
    a folder        a VectorDBBench data set: train, test and neighbors .parquet

    Distances ascend: -dot, 1 - cosine, and for l2 the distance (its square in .bin). Progress goes to standard error.
    """  # noqa: D301 (the mark for lines to be left as they are is a real backspace)
    from idxbench.bench.truth_job import TruthRequest, compute_truth, prepare_truth
    from idxbench.cli.progress import Bars

    stop_as_after_ctrl_c()
    request = TruthRequest(items, queries, k, metric, out, weight, items_key, queries_key, threads, force)
    job = prepare_truth(request)
    typer.echo(str(job), err=True)
    typer.echo(str(compute_truth(job, Bars())))
    return 0
