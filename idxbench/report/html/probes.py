"""Pictures of the gauge probes: what changes while no score does, against how strong the change was."""

import json
from collections.abc import Iterator, Sequence

from idxbench.records import Measurement, Run
from idxbench.report.html.pictures import Column, Picture, Value, control, parameters
from idxbench.report.lookup import Figures, unique
from idxbench.report.probes import AS_GIVEN

# metric -> (what it is called, whether it is of the vectors alone)
ITEMS = {"neighbor_overlap": "cosine neighbours kept", "cluster_drift": "cluster drift"}


def probe_pictures(run: Run) -> Iterator[Picture]:
    """Yield curves over strength: of items, and of recall in every index that was probed."""
    rows = Figures(run, "probe").rows
    items = [row for row in rows if row.metric in ITEMS and not row.index]
    if items:
        yield _items_picture(items)
    recalls = [row for row in rows if row.metric == "recall" and row.index]
    if recalls:
        yield _recall_picture(recalls)


def _strength(row: Measurement) -> float:
    return float(json.loads(row.search)["strength"])


def _ends(row: Measurement) -> tuple[Value, ...]:
    return (row.value, row.low, row.high, row.n)


_MEASURED = (
    Column("value", "mean", "share"),
    Column("low", "lowest", "share"),
    Column("high", "highest", "share"),
    Column("seeds", "seeds", "plain"),
)
_DRAWN = {
    "y": {"column": "value", "title": "share", "scale": "share"},
    "whiskers": {"axis": "y", "low": "low", "high": "high"},
    "group": "probe",
}
_STRENGTH = {"column": "strength", "title": "strength", "scale": "log"}


def _items_picture(items: Sequence[Measurement]) -> Picture:
    def measure(row: Measurement) -> str:
        return f"{ITEMS[row.metric]}, {row.k}{' clusters' if row.metric == 'cluster_drift' else ''}"

    rows = [(row.strategy, _strength(row), measure(row), *_ends(row)) for row in items if row.strategy != AS_GIVEN]
    return Picture(
        "probe-items",
        "Items under a change of coordinates",
        "Level would be safe. No score of a query moves along a line: only coordinates do, ever more strongly (log "
        "axis; for diagonal and dense the standard deviation of the natural logarithm of the scales, for axis the "
        "factor, for shift a multiple of the items' root mean squared norm). Neighbours kept: share of an item's "
        "neighbours by cosine that it had before. Drift: 0 as alike as two seeds, 1 unrelated. "
        "Whiskers: range over seeds.",
        (Column("probe", "probe"), Column("strength", "strength", "plain"), Column("measure", "measure"), *_MEASURED),
        tuple(rows),
        {
            "draw": "curves",
            "x": _STRENGTH,
            **_DRAWN,
            "line": ["probe"],
            "controls": [
                control("measure", "measure", [(name, name) for name in unique(measure(row) for row in items)])
            ],
        },
    )


def _recall_picture(recalls: Sequence[Measurement]) -> Picture:
    def search(row: Measurement) -> str:
        return ", ".join(f"{key}={value}" for key, value in json.loads(row.search).items() if key != "strength")

    rows: list[tuple[Value, ...]] = []
    for row in recalls:
        built = f"{row.index} {parameters(row.build)}".strip()
        # What was measured as given has no strength: it stands in the table, and as a rule in the picture.
        strength = None if row.strategy == AS_GIVEN else _strength(row)
        rows.append((row.strategy, strength, built, search(row), row.k, *_ends(row)))
    indexes, searches = unique(str(row[2]) for row in rows), unique(str(row[3]) for row in rows)
    return Picture(
        "probe-recall",
        "The index under a change of coordinates",
        "Level would be safe. Exact search returns the same items all along a line, and the index finds fewer of "
        "them. Strength on a log axis; dashed: recall in the coordinates as given. Whiskers: range over seeds.",
        (
            Column("probe", "probe"),
            Column("strength", "strength", "plain"),
            Column("index", "index"),
            Column("search", "search"),
            Column("k", "k", "plain"),
            *_MEASURED,
        ),
        tuple(rows),
        {
            "draw": "curves",
            "x": _STRENGTH,
            **_DRAWN,
            "line": ["probe"],
            "rule": {"column": "probe", "values": [AS_GIVEN], "of": "value"},
            "controls": [
                control("index", "index", [(name, name) for name in indexes]),
                control("search", "search", [(name, name.replace("=", " ")) for name in searches if name]),
                control("k", "top", [(str(k), str(k)) for k in sorted({row.k for row in recalls})]),
            ],
        },
    )
