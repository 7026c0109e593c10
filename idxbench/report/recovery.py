"""The table of the recover task: how well each strategy finds clusters that are known."""

import json

from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement, Run
from idxbench.report.lookup import unique
from idxbench.report.style import make_table, share


def recovery_table(run: Run) -> Table:
    """Show AUC and ARI of every strategy, by model."""
    rows = [row for row in run.measurements if row.task == "recover"]
    table_of = {(row.build, row.strategy, row.metric): row for row in rows if row.reference == "labels"}
    facts = run.info["recover"]
    models = unique(row.build for row in rows if row.reference == "labels")
    named = any(models)
    several = facts["seeds"] > 1
    columns = [
        *([("model", "left")] if named else []),
        ("strategy", "left"),
        ("by", "left"),
        ("AUC", "right"),
        ("ARI", "right"),
    ]
    title = "Recover: the true clusters" + (f", {facts['seeds']} seeds" if several else "")
    table = make_table(title, columns, _caption(run, named=named))
    for build in models:
        name = json.loads(build)["model"] if build else ""
        for strategy in unique(row.strategy for row in rows if row.build == build and row.strategy):
            figures = [table_of.get((build, strategy, metric)) for metric in ("auc", "ari")]
            by = next(row.similarity for row in figures if row is not None)
            cells = [*([name] if named else []), strategy, by, *map(_mean, figures)]
            table.add_row(*map(escape, cells))
            name = ""  # said once
        table.add_section()
    chance = {row.metric: row.value for row in rows if row.reference == "chance"}
    cells = [*([""] if named else []), "chance", "", share(chance.get("auc")), share(chance.get("ari"))]
    table.add_row(*cells)
    return table


def _mean(row: Measurement | None) -> str:
    """Write a mean with the half-width of its interval over seeds; at the end of a scale the open side counts."""
    if row is None:
        return "–"
    arm = max(row.high - row.value, row.value - row.low)
    # NaN, where one seed supports no interval, is larger than nothing.
    return f"{share(row.value)} ±{share(arm)}" if arm >= 0 else share(row.value)


def _caption(run: Run, *, named: bool) -> str:
    facts = run.info["recover"]
    seeds, starts = facts["seeds"], facts["kmeans_seeds"]
    spread = (
        f" Means over {seeds} seeds of the data, ± Student's t half-width (95 %); all rows share their seeds, so "
        "differences are surer than the ± of either: recover.csv holds every seed."
        if seeds > 1
        else " One set of data: no spread over seeds."
    )
    return (
        "AUC: share of (pair of one cluster, pair of two) in which the first is more similar. ARI: agreement of "
        f"k-means (spherical for cosine, plain for l2, none for dot; mean of {starts} starts) with the true clusters."
        + spread
        + (" Models differ in what was trained, strategies in how its vectors are compared." if named else "")
        + (
            " task-specific M: fitted on the labels of one half of the items, measured on the other."
            if any(row.strategy == "task-specific M" for row in run.measurements)
            else ""
        )
    )
