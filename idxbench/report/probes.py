"""Tables of the gauge probes: what changes while no score does, against how strong the change was."""

import json
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement, Run
from idxbench.report.lookup import Figures, index_name, unique
from idxbench.report.style import make_table, share

AS_GIVEN = "as given"


def probe_tables(run: Run) -> Iterator[Table]:
    """Yield what happened to items, then a table for each index."""
    rows = Figures(run, "probe").rows
    if not rows:
        return
    yield _items_table(run, rows)
    for index, build in unique_cells(rows):
        yield _index_table([row for row in rows if (row.index, row.build) == (index, build)])


def unique_cells(rows: tuple[Measurement, ...]) -> list[tuple[str, str]]:
    """Return the indexes that were built, each once."""
    return list(dict.fromkeys((row.index, row.build) for row in rows if row.index))


def _strength(row: Measurement) -> float:
    return float(json.loads(row.search)["strength"])


def _points(rows: list[Measurement]) -> list[tuple[str, float]]:
    """Return (probe, strength) in the order they were measured."""
    return list(dict.fromkeys((row.strategy, _strength(row)) for row in rows))


def _written(strength: float) -> str:
    return "–" if strength == 0 else f"{strength:g}"


def _ranged(row: Measurement | None) -> str:
    """Write a mean over seeds and their range: ``.953 (.950-.956)``."""
    if row is None:
        return "–"
    if row.n < 2:
        return share(row.value)
    return f"{share(row.value)} ({share(row.low)}–{share(row.high)})"


def _items_table(run: Run, rows: tuple[Measurement, ...]) -> Table:
    items = [row for row in rows if not row.index]
    k = (
        run.info["similar"]["shallow"]
        if "similar" in run.info
        else max((row.k for row in items if row.metric == "neighbor_overlap"), default=10)
    )
    counts = sorted({row.k for row in items if row.metric == "cluster_drift"})
    columns = [("probe", "left"), ("strength", "right"), ("scores moved", "right"), (f"cosine overlap@{k}", "right")]
    columns += [(f"drift, {count} clusters", "right") for count in counts]
    table = make_table(
        "Probes: coordinates changed, scores kept",
        columns,
        "Scores moved: the largest change of a query-item score, of its query's range (rankings: only those are kept). "
        f"Overlap: share of an item's {k} neighbours by cosine that it had before. Drift of spherical k-means "
        "clusters: 0 as alike as two seeds, 1 unrelated; – where seeds alone agree too little to tell. Means over "
        "seeds (and their range). A model that fits as well could have come in any of these coordinates.",
    )
    table_of = {(row.strategy, _strength(row), row.k, row.metric): row for row in items}
    for probe, strength in _points(items):
        if probe == AS_GIVEN:
            continue
        moved = table_of.get((probe, strength, 0, "score_change"))
        told = (
            f"{moved.high:.0e}"
            if moved
            else "rankings"
            if (probe, strength, 0, "discordant_share") in table_of
            else "–"
        )
        cells = [probe, _written(strength), told, _ranged(table_of.get((probe, strength, k, "neighbor_overlap")))]
        cells += [_ranged(table_of.get((probe, strength, count, "cluster_drift"))) for count in counts]
        table.add_row(*map(escape, cells))
    return table


def _index_table(rows: list[Measurement]) -> Table:
    k = max(row.k for row in rows if row.metric == "recall")
    searches = unique(json.dumps(_search(row)) for row in rows if row.metric == "recall")
    columns = [("probe", "left"), ("strength", "right"), ("unreachable", "right")]
    columns += [(_search_title(text), "right") for text in searches]
    name = index_name(rows[0].index, rows[0].build)
    table = make_table(
        f"Probes: recall@{k} in {name}",
        columns,
        "Recall against the answers of exact search, which are the same in every line. Unreachable: items that no "
        "query can return, for want of a path to them. As given: the range is that of index seeds alone.",
    )
    found = {(row.strategy, _strength(row), row.metric, json.dumps(_search(row)), row.k): row for row in rows}
    for probe, strength in _points(rows):
        cells = [probe, _written(strength), _ranged(found.get((probe, strength, "unreachable_share", "{}", 0)))]
        cells += [_ranged(found.get((probe, strength, "recall", text, k))) for text in searches]
        table.add_row(*map(escape, cells))
    return table


def _search(row: Measurement) -> dict[str, float]:
    return {name: value for name, value in json.loads(row.search).items() if name != "strength"}


def _search_title(text: str) -> str:
    parameters = json.loads(text)
    return " ".join(f"{name} {value}" for name, value in parameters.items()) or "recall"
