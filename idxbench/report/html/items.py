"""Pictures of the tasks between items: neighbours and clusters, beside what noise alone does."""

from collections.abc import Iterator

from idxbench.records import Measurement, Run
from idxbench.report.html.pictures import Column, Picture, Value, control
from idxbench.report.lookup import Figures


def item_pictures(run: Run) -> Iterator[Picture]:
    """Yield neighbour overlap and cluster drift, where they were measured."""
    similar, cluster = Figures(run, "similar"), Figures(run, "cluster")
    if similar.rows:
        yield _overlap(run, similar)
    if any(row.metric == "cluster_drift" for row in cluster.rows):
        yield _drift(run, cluster)


def _ends(row: Measurement | None) -> list[Value]:
    return [None, None, None] if row is None else [row.value, row.low, row.high]


def _overlap(run: Run, figures: Figures) -> Picture:
    k, name = run.info["similar"]["shallow"], run.info["item_reference"]
    similarity = {row.strategy: row.similarity for row in figures.rows}
    rows: list[tuple[Value, ...]] = [
        ("strategy", strategy, similarity[strategy], *_ends(figures.of(strategy, "neighbor_overlap", name, k=k)))
        for strategy in figures.strategies()
    ]
    known = {role: figures.of("", "neighbor_overlap", role, k=k) for role in ("floor", "chance")}
    rows += [(role, role, "", *_ends(found)) for role, found in known.items() if found]
    # A reference that is no estimate has no floor.
    floor = (
        "Dashed: the floor, which is the reference against itself from two halves of the queries; between it and 1 "
        "nothing can be told from noise. "
    )
    return Picture(
        "overlap",
        f"Neighbours against {name}",
        f"Longer is more alike. Share of an item's {k} neighbours by {name} that the strategy finds, too, with its "
        f"95 % interval over items. {floor if known['floor'] else ''}Dotted: chance.",
        (
            Column("role", "role"),
            Column("strategy", "strategy"),
            Column("by", "by"),
            Column("overlap", f"overlap@{k}", "share"),
            Column("low", "low", "share"),
            Column("high", "high", "share"),
        ),
        tuple(rows),
        {
            "draw": "bars",
            "category": ["strategy"],
            "only": {"column": "role", "value": "strategy"},
            "panels": [
                {
                    "title": f"overlap@{k}",
                    "scale": "share",
                    "parts": [{"column": "overlap", "label": "overlap", "slot": 0, "low": "low", "high": "high"}],
                    "rules": [{"role": "floor", "column": "overlap"}, {"role": "chance", "column": "overlap"}],
                }
            ],
            "controls": [],
        },
    )


def _drift(run: Run, figures: Figures) -> Picture:
    name = run.info["item_reference"]
    rows: list[tuple[Value, ...]] = []
    counts = figures.depths("ari_seed_floor")
    for row in figures.rows:
        if row.metric == "ari_seed_floor" and row.strategy != "reference":
            drift = figures.value(row, "cluster_drift", name)
            rows.append((row.strategy, row.similarity, row.k, drift, figures.value(row, "ari", name), row.value))
    return Picture(
        "drift",
        f"Clusters against {name}",
        "Drift: 0 as alike as two seeds of k-means, 1 unrelated; none where seeds alone agree too little to tell. "
        "Beside it agreement with the reference's clusters (ARI), and as a mark what two seeds of the same strategy "
        "reach: the floor to read it by.",
        (
            Column("strategy", "strategy"),
            Column("by", "by"),
            Column("clusters", "clusters", "plain"),
            Column("drift", "drift", "share"),
            Column("ari", "ARI", "share"),
            Column("ari_seed_floor", "seed floor", "share"),
        ),
        tuple(rows),
        {
            "draw": "bars",
            "category": ["strategy"],
            "panels": [
                {"title": "drift", "scale": "share", "parts": [{"column": "drift", "label": "drift", "slot": 0}]},
                {
                    "title": "ARI, and its seed floor",
                    "scale": "share",
                    "parts": [{"column": "ari", "label": "ARI", "slot": 2}],
                    "ticks": {"column": "ari_seed_floor", "label": "seed floor"},
                },
            ],
            "controls": [control("clusters", "clusters", [(str(count), str(count)) for count in counts])],
        },
    )
