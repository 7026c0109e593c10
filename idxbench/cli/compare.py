"""``idxbench compare``: what changed between two things of one kind; which kind, the paths say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c

if TYPE_CHECKING:
    from idxbench.bench.trainings_files import TrainingsRequest


def command(
    base: Annotated[Path, typer.Argument(help="Item vectors of the training to compare with.", metavar="BASE")],
    new: Annotated[Path, typer.Argument(help="Item vectors of the other training.", metavar="NEW")],
    base_queries: Annotated[
        Path | None, typer.Option(help="Query vectors of BASE: without them only raw neighbours.", metavar="FILE")
    ] = None,
    new_queries: Annotated[Path | None, typer.Option(help="Query vectors of NEW.", metavar="FILE")] = None,
    base_ids: Annotated[
        Path | None, typer.Option(help="One id per item of BASE; without, rows are joined by number.", metavar="FILE")
    ] = None,
    new_ids: Annotated[Path | None, typer.Option(help="The same for NEW.", metavar="FILE")] = None,
    base_query_ids: Annotated[
        Path | None, typer.Option(help="One id per query of BASE; without, by number.", metavar="FILE")
    ] = None,
    new_query_ids: Annotated[Path | None, typer.Option(help="The same for NEW.", metavar="FILE")] = None,
    trained_with: Annotated[
        str, typer.Option(help="dot, cosine, l2 or unknown (taken for dot).", metavar="SIMILARITY")
    ] = "dot",
    towers: Annotated[int, typer.Option(help="1 if one model made items and queries.", min=1, max=2, metavar="N")] = 2,
    k: Annotated[int, typer.Option("-k", "--k", help="Neighbours per item.", min=1, metavar="K")] = 10,
    clusters: Annotated[int, typer.Option(help="Clusters.", min=2, metavar="N")] = 20,
    sample: Annotated[int, typer.Option(help="Most items and queries that ask.", min=1, metavar="N")] = 5000,
    seed: Annotated[int, typer.Option(help="Of samples, halves and clusters.", min=0, metavar="N")] = 0,
    threads: Annotated[int, typer.Option(help="Threads to use, 0 for every usable core.", min=0, metavar="N")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Say what changed between two trainings of a model.

    BASE and NEW are files of item vectors of any format that 'convert' reads; FILE::NAME takes an array or column
    of a file with several. Items are joined by their ids (.txt: one per line; .tsv, .csv, .parquet: a column; .npy,
    .npz: an array), or by row where there are none, and so are queries. Everything is shown beside its floor: what
    two halves of the queries, and seeds of k-means, change alone. The sentence on top is what follows. A difference
    is no failure: the exit code is 0.
    """
    from idxbench.bench.trainings_files import TrainingFiles, TrainingsRequest, refuse_runs

    refuse_runs((base, new))
    files = (
        TrainingFiles(base, base_queries, base_ids, base_query_ids),
        TrainingFiles(new, new_queries, new_ids, new_query_ids),
    )
    request = TrainingsRequest(
        *files,
        trained_with=trained_with,
        towers=towers,
        k=k,
        clusters=clusters,
        sample=sample,
        seed=seed,
        threads=threads,
    )
    return _compare_trainings(request, as_json=as_json)


def _compare_trainings(request: "TrainingsRequest", *, as_json: bool) -> int:
    from idxbench.bench.compare_trainings import compare_trainings
    from idxbench.cli.progress import Bars
    from idxbench.report.trainings import show_trainings, trainings_json
    from idxbench.verdicts.trainings import judge_trainings

    stop_as_after_ctrl_c()
    compared = compare_trainings(request, Bars())
    verdict = judge_trainings(compared)
    if as_json:
        typer.echo(trainings_json(compared, verdict))
    else:
        show_trainings(compared, verdict)
    return 0
