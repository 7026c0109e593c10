"""A diagnosis on a console: the verdict, the numbers, the findings, what to run next."""

import io
import math
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.neighborhood import Neighborhood
from idxbench.measures.intervals import Estimate
from idxbench.measures.shape import Shape
from idxbench.report.style import make_table, share, significant
from idxbench.report.terminal import make_console
from idxbench.verdicts.diagnosis import Diagnosis
from idxbench.verdicts.findings import Finding
from idxbench.verdicts.suggestions import strategies_toml

VECTORS_LEGEND = (
    "Norm spread: standard deviation of the logarithm of the norms. Common vector: share of the squared norm that is "
    "one vector in all rows. Still columns: one value in every row."
)
STYLES = {"problem": "bold red", "warning": "yellow", "note": "", "fine": "green"}


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Print a diagnosis on standard output; to a file without the blanks that pad the lines of a table."""
    console = make_console()
    if console.is_terminal:
        print_diagnosis(diagnosis, console)
        return
    text = io.StringIO()
    print_diagnosis(diagnosis, Console(file=text, highlight=False, width=console.width))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print a diagnosis.

    Parameters
    ----------
    diagnosis
        What was concluded.
    console
        Where to.
    """
    e = diagnosis.examined
    console.print(f"[bold]{escape(diagnosis.headline)}[/bold]", "")
    for line in _head(e):
        console.print(escape(line), style="dim")
    console.print()
    console.print(vectors_table(e))
    console.print(VECTORS_LEGEND, "", style="dim")
    if e.near is not None:
        console.print(figures_table(e, e.near), "")
    console.print("Findings", style="bold")
    console.print(_findings(diagnosis.findings), "")
    if diagnosis.strategies:
        console.print("Worth running: paste into a config for 'idxbench run'", style="bold")
        console.print(strategies_toml(diagnosis.strategies), markup=False, soft_wrap=True)
    if diagnosis.written is not None:
        _written(diagnosis, console)


def _head(e: Examined) -> Iterator[str]:
    patient, near = e.patient, e.near
    queries = "no queries" if e.queries is None else f"{e.queries.n_rows:,} queries"
    towers = {1: "one tower", 2: "two towers", None: "towers not declared"}[patient.towers]
    training = "training unknown" if patient.trained_with == "unknown" else f"trained with {patient.trained_with}"
    loss = "loss unknown" if patient.loss == "unknown" else f"{patient.loss} loss"
    yield f"{patient.name}: {e.items.n_rows:,} items x {e.items.n_dims}, {queries}; {training}, {towers}, {loss}"
    threads = "1 thread" if e.threads == 1 else f"{e.threads} threads"
    if near is None:
        yield f"{e.seconds:.1f} s on {threads}"
        return
    sample = (
        f"neighbours searched exactly among {_of(near.n_items, e.items.n_rows)} items, asked for by {near.n_asking:,} "
        f"of them"
    )
    if e.queries is not None and near.n_queries:
        asked, fitted = _of(near.n_queries, e.queries.n_rows), _of(near.n_fit, e.queries.n_rows)
        sample += f" and {asked} queries; fitted on {fitted} queries"
    sample += f"; {near.n_self:,} items as each other's answers and in clusters"
    yield f"{e.seconds:.1f} s on {threads}; counts, norms and moments of all rows; {sample}; seed {patient.seed}"


def _of(part: int, whole: int) -> str:
    return f"all {whole:,}" if part == whole else f"{part:,} of {whole:,}"


def vectors_table(e: Examined) -> Table:
    """Show what either side looks like by itself."""
    sides = [("items", e.items), *([("queries", e.queries)] if e.queries is not None else [])]
    table = make_table(
        "Vectors",
        [("", "left"), *((name, "right") for name, _ in sides)],
        "",
    )
    shapes = [side for _, side in sides]
    rows: list[tuple[str, list[str]]] = [
        ("rows", [f"{one.n_rows:,}" for one in shapes]),
        ("zero rows", [f"{one.zero_rows:,}" for one in shapes]),
        ("near-zero rows", [f"{one.near_zero_rows:,}" for one in shapes]),
        ("repeated rows", [f"{one.duplicate_rows:,}" for one in shapes]),
        ("norm: 5 %", [_number(one.norm_low) for one in shapes]),
        ("norm: median", [_number(one.norm_median) for one in shapes]),
        ("norm: 95 %", [_number(one.norm_high) for one in shapes]),
        ("norm spread", [share(one.norm_spread, 2) for one in shapes]),
        ("common vector", [share(one.common_share) for one in shapes]),
        ("rank", [f"{one.rank} of {one.n_dims}" for one in shapes]),
        ("still columns", [_still(one) for one in shapes]),
    ]
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _still(side: Shape) -> str:
    return str(len(side.constant_columns) + len(side.dead_columns))


def _number(value: float) -> str:
    return significant(value) if value == 0 or 1e-3 <= value < 1e6 else f"{value:.1e}"


def figures_table(e: Examined, near: Neighborhood) -> Table:
    """Show what was measured, with the threshold each figure is held against."""
    table = make_table(
        "Figures",
        [("figure", "left"), ("value", "right"), ("threshold", "right"), ("what it says", "left")],
        "± the longer arm of the 95 % interval. Thresholds are keys of [diagnose]; – where no rule asks.",
    )
    for name, value, limit, says in (*_coordinates(e, near), *_answers(e, near), *_labels(near)):
        table.add_row(*map(escape, (name, value, limit, says)))
    return table


Row = tuple[str, str, str, str]


def _coordinates(e: Examined, near: Neighborhood) -> Iterator[Row]:
    limits, k = e.patient.settings, near.depth
    if e.imbalance is not None:
        yield (
            "gauge imbalance",
            share(e.imbalance),
            f"< {share(limits.imbalance_balanced, 2)}",
            "0: both sides spread alike",
        )
        yield (
            "directions with 99 % of scores",
            str(e.directions),
            "–",
            f"of {e.items.n_dims}; scores vary in {e.score_rank}",
        )
    if near.probe is not None:
        moved = f"{near.probe.scores_moved:.0e}"
        yield (
            "scores moved by the probe",
            moved,
            f"< {limits.scores_moved:.0e}",
            "a change of coordinates, undone in the queries",
        )
        yield (
            f"cosine neighbours@{k} kept",
            _shared(near.probe.cosine_kept),
            f">= {share(limits.neighbors_kept, 2)}",
            "by the same change",
        )
        yield f"score_corr neighbours@{k} kept", _shared(near.probe.score_corr_kept), "–", "by the same change"
    if near.split_half is not None:
        yield (
            "score_corr, split halves",
            _shared(near.split_half),
            f">= {share(limits.split_half, 2)}",
            "agreement of half the queries with the other",
        )
    yield f"cosine neighbours@{k}, centred", _shared(near.centered_kept), "–", "kept when the mean item is subtracted"
    if near.cluster_floor is not None:
        yield (
            f"ARI of seeds, {near.n_clusters} clusters",
            share(near.cluster_floor),
            f">= {share(limits.cluster_floor, 2)}",
            f"k-means by {near.clustered_by} against itself",
        )


def _answers(e: Examined, near: Neighborhood) -> Iterator[Row]:
    limits, k = e.patient.settings, near.depth
    for (one, other), value in near.overlaps.items():
        asked = e.patient.trained_with in (one, other) or (e.patient.trained_with == "unknown" and one == "dot")
        limit = f">= {share(limits.metric_overlap, 2)}" if asked and {one, other} != {"dot", "l2"} else "–"
        yield f"{one} and {other}, overlap@{k}", _shared(value), limit, "of exact answers"
    if e.patient.trained_with in ("cosine", "l2"):
        return
    raw = near.answers
    n = near.n_self
    yield "distinct strongest matches", f"{round(raw.distinct * n):,}", "–", f"of {n:,} items among themselves, by dot"
    if near.balanced is not None:
        times = f"< {1 / limits.distinct_ratio:g} x that" if limits.distinct_ratio else "–"
        yield (
            "the same, balanced",
            f"{round(near.balanced.distinct * n):,}",
            times,
            "far more: the gauge hurts an index",
        )
    yield (
        "self-dominance",
        share(raw.self_match),
        f">= {share(limits.self_match, 2)}",
        "items that match themselves most, by dot",
    )
    yield (
        "unlinked items",
        share(raw.unlinked_items),
        f"<= {share(limits.unlinked_items, 2)}",
        f"in no other item's {k} by dot",
    )
    if not math.isnan(raw.unlinked_answers):
        yield (
            "unlinked answers",
            share(raw.unlinked_answers),
            f"<= {share(limits.unlinked_answers, 2)}",
            "of the queries' true answers",
        )
    yield (
        "answers from the top tenth",
        share(near.top_tenth),
        f"<= {share(limits.top_tenth, 2)}",
        "by norm; .10 by chance",
    )


def _labels(near: Neighborhood) -> Iterator[Row]:
    if near.labelled is None:
        return
    for name, value in near.labelled.agreement.items():
        yield (
            f"same label, {name}",
            _shared(value),
            "–",
            f"of {near.depth} neighbours; chance {share(near.labelled.chance)}",
        )


def _shared(one: Estimate) -> str:
    if math.isnan(one.low):
        return share(one.value)
    sign = "-" if one.value >= 1 else "+" if one.value <= 0 else "±"
    return f"{share(one.value)} {sign}{share(max(one.high - one.value, one.value - one.low))}"


def _findings(findings: tuple[Finding, ...]) -> Table:
    lines = Table.grid(padding=(0, 1))
    lines.add_column(justify="right", width=3)
    lines.add_column(overflow="fold")
    for number, one in enumerate(findings, start=1):
        style = STYLES[one.severity]
        mark = f"[{style}]{one.severity}[/{style}]" if style else one.severity
        advice = f" {one.advice[:1].upper()}{one.advice[1:]}." if one.advice else ""
        lines.add_row(
            f"{number}.", f"{mark}: [bold]{escape(one.title)}.[/bold] {escape(one.text)}[dim]{escape(advice)}[/dim]"
        )
    return lines


def _written(diagnosis: Diagnosis, console: Console) -> None:
    if diagnosis.written is None:
        return
    folder, manifest = diagnosis.written
    console.print(
        f"Written to {escape(str(folder))}: items.npy and queries.npy in balanced coordinates ({manifest.rank} of "
        f"{manifest.n_dims} columns), the maps there and back, manifest.json. Largest score change "
        f"{manifest.largest_score_change:.0e} of its query's largest score, over {manifest.pairs_checked:,} pairs.",
        soft_wrap=True,
    )
