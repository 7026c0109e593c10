"""``idxbench compare``: what changed between two things of one kind; which kind, the paths say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c
from idxbench.cli.targets import check_new_file
from idxbench.errors import ConfigError, Problem

if TYPE_CHECKING:
    from idxbench.bench.trainings_files import TrainingsRequest

_OF_RUNS = ("n_runs", "policy", "markdown", "everything", "html", "force")
_OF_BOTH = ("base", "new", "more", "as_json")


def command(
    context: typer.Context,
    base: Annotated[
        Path,
        typer.Argument(
            help="A run directory, a parent (its newest finished run), or item vectors of a training. RUN::SELECTOR "
            "takes a part of a run.",
            metavar="BASE",
        ),
    ],
    new: Annotated[Path, typer.Argument(help="The other, of the same kind.", metavar="NEW")],
    more: Annotated[
        list[Path] | None, typer.Argument(help="More runs, a column each.", metavar="MORE", show_default=False)
    ] = None,
    n_runs: Annotated[
        int, typer.Option("--runs", help="Newest runs of a parent that make a side.", min=1, metavar="N")
    ] = 1,
    policy: Annotated[
        Path | None, typer.Option(help="What counts as worse, in place of the [gate] of NEW's config.", metavar="FILE")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print every figure, and the Pareto fronts.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write one page, for a browser without network.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    base_queries: Annotated[
        Path | None,
        typer.Option(help="Query vectors of BASE: without them only raw neighbours.", metavar="FILE"),
    ] = None,
    new_queries: Annotated[Path | None, typer.Option(help="Query vectors of NEW.", metavar="FILE")] = None,
    base_ids: Annotated[
        Path | None,
        typer.Option(
            help="One id per item of BASE; without, rows are joined by number.",
            metavar="FILE",
        ),
    ] = None,
    new_ids: Annotated[Path | None, typer.Option(help="The same for NEW.", metavar="FILE")] = None,
    base_query_ids: Annotated[
        Path | None,
        typer.Option(help="One id per query of BASE; without, by number.", metavar="FILE"),
    ] = None,
    new_query_ids: Annotated[Path | None, typer.Option(help="The same for NEW.", metavar="FILE")] = None,
    trained_with: Annotated[
        str,
        typer.Option(help="dot, cosine, l2 or unknown (taken for dot).", metavar="SIMILARITY"),
    ] = "dot",
    towers: Annotated[
        int,
        typer.Option(help="1 if one model made items and queries.", min=1, max=2, metavar="N"),
    ] = 2,
    k: Annotated[
        int,
        typer.Option("-k", "--k", help="Neighbours per item.", min=1, metavar="K"),
    ] = 10,
    clusters: Annotated[int, typer.Option(help="Clusters.", min=2, metavar="N")] = 20,
    sample: Annotated[int, typer.Option(help="Most items and queries that ask.", min=1, metavar="N")] = 5000,
    seed: Annotated[int, typer.Option(help="Of samples, halves and clusters.", min=0, metavar="N")] = 0,
    threads: Annotated[
        int,
        typer.Option(help="Threads to use, 0 for every usable core.", min=0, metavar="N"),
    ] = 0,
) -> int:
    """Say what changed between runs, between two sides of one run, or between two trainings of a model.

    Runs: every figure of both with its interval and a verdict, worst first; what differs around them on top. Two
    sides of one run are RUN::SELECTOR, comma-separated words such as raw, M=16, ef=40, environment=release (or
    environment= for none): its rounds are paired, so that times can be judged in one night. Times of two runs are
    shown and decide nothing, unless 6 runs a side are compared by ranks: --runs 6.

    Trainings: BASE and NEW are files of item vectors of any format that 'convert' reads; FILE::NAME takes an array or
    column of a file with several. Items are joined by their ids (.txt: one per line; .tsv, .csv, .parquet: a column;
    .npy, .npz: an array), or by row where there are none, and so are queries. Everything is shown beside its floor:
    what two halves of the queries, and seeds of k-means, change alone. The sentence on top is what follows. The options
    from --base-queries on are those of trainings.

    A difference is no failure: the exit code is 0. 'idxbench gate' decides.
    """
    from idxbench.verdicts.runs.sides import are_runs

    paths = [str(path) for path in (base, new, *(more or ()))]
    if are_runs(paths):
        _refuse(context, [name for name in context.params if name not in (*_OF_RUNS, *_OF_BOTH)], "runs")
        if html is not None:
            check_new_file("--html", html, force=force)
        return _compare_runs(paths, n_runs, policy, html, everything=everything, markdown=markdown, as_json=as_json)
    _refuse(context, [*_OF_RUNS, "more"], "files of vectors")
    from idxbench.bench.trainings_files import TrainingFiles, TrainingsRequest

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


def _refuse(context: typer.Context, names: list[str], kind: str) -> None:
    """Refuse options that say nothing about what is compared."""
    options = {option.name: option.opts[0] for option in context.command.params}
    given = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and context.params.get(name):
            given.append(options[name] if options[name].startswith("-") else "MORE")
    if given:
        raise ConfigError([Problem(name, f"options that fit {kind}", f"{name}, which does not") for name in given])


def _compare_runs(
    paths: list[str],
    n_runs: int,
    policy: Path | None,
    html: Path | None,
    *,
    everything: bool,
    markdown: bool,
    as_json: bool,
) -> int:
    from idxbench.config.policy_file import load_policy
    from idxbench.report.compare import show_comparisons
    from idxbench.report.compare_json import comparisons_json
    from idxbench.report.compare_markdown import comparisons_markdown
    from idxbench.verdicts.runs.compare import compare_runs
    from idxbench.verdicts.runs.context import policy_of
    from idxbench.verdicts.runs.sides import load_sides

    if markdown and as_json:
        raise ConfigError(Problem("--markdown", "one form of output", "--json, too", "leave one out"))
    judged = None if policy is None else load_policy(policy)
    base, others = load_sides(paths[0], paths[1:], n_runs)
    judged = judged or policy_of(others[0].runs[-1])
    comparisons = [
        compare_runs(base.runs, side.runs, base_selector=base.selector, new_selector=side.selector, policy=judged)
        for side in others
    ]
    if as_json:
        typer.echo(comparisons_json(comparisons))
    elif markdown:
        typer.echo(comparisons_markdown(comparisons, everything=everything), nl=False)
    else:
        show_comparisons(comparisons, level=judged.level, everything=everything)
    if html is not None:
        from idxbench.report.html.compare_page import write_comparison_page

        write_comparison_page(comparisons, html, level=judged.level)
        typer.echo(f"Written to {html}", err=True)
    return 0


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
