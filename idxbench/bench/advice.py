"""What the figures of a run say that a reader could miss, with what to do about it."""

from collections.abc import Iterable, Sequence

from idxbench.records import Measurement, Notice, plain_parameters

# A share of items that no search returns is worth a word above this.
UNREACHABLE = 0.005


def advise(rows: Sequence[Measurement], target_recall: float) -> list[Notice]:
    """Return notices about finished measurements, most consequential first."""
    return [
        *_metric_loss(rows, target_recall),
        *_unreachable(rows),
        *_short(rows),
        *_saturated(rows),
        *_unmeasurable_drift(rows),
    ]


def _named(rows: Iterable[Measurement], metric: str, reference: str = "") -> list[Measurement]:
    return [row for row in rows if row.metric == metric and row.reference == reference]


def _metric_loss(rows: Sequence[Measurement], target: float) -> list[Notice]:
    worst: dict[str, Measurement] = {}
    for row in _named(rows, "exact_overlap", "task"):
        if row.high < target and (row.strategy not in worst or row.value < worst[row.strategy].value):
            worst[row.strategy] = row
    return [
        Notice(
            "metric-loss",
            f"{row.strategy}: exact search by {row.similarity} in this space finds {row.value:.3f} of the "
            f"reference's top {row.k}: the strategy is wrong for this task, not the index",
            "no index and no ef can mend that; serve a strategy that keeps the ranking",
        )
        for row in worst.values()
    ]


def _unreachable(rows: Sequence[Measurement]) -> list[Notice]:
    worst: dict[str, Measurement] = {}
    for row in _named(rows, "unreachable_share"):
        if row.value > UNREACHABLE and (row.strategy not in worst or row.value > worst[row.strategy].value):
            worst[row.strategy] = row
    return [
        Notice(
            "unreachable-items",
            f"{row.strategy}: {row.value:.1%} of the items have no path to them in {row.index} "
            f"({plain_parameters(row.build)}): no query ever returns them, at any ef",
            "raise M; under dot, items of small norm are the ones lost: are they meant to be found?",
        )
        for row in worst.values()
    ]


def _short(rows: Sequence[Measurement]) -> list[Notice]:
    short = [row for row in _named(rows, "short_results") if row.value > 0]
    if not short:
        return []
    row = max(short, key=lambda one: one.value)
    return [
        Notice(
            "short-results",
            f"{row.strategy}: {row.value:.0f} of {row.n} queries got fewer than {row.k} answers from {row.index} "
            f"({plain_parameters(row.build)}; {plain_parameters(row.search)}); the missing ones count as not found",
            "the graph has too few reachable items: raise M or ef_construction, or lower k",
        )
    ]


def _saturated(rows: Sequence[Measurement]) -> list[Notice]:
    own = [row for row in _named(rows, "recall", "own") if row.search]
    if own and all(row.value == 1.0 for row in own):
        return [
            Notice(
                "recall-saturated",
                "every search of every index has recall 1 against its own exact search: this data is too easy "
                "to tell parameters apart",
                "lower ef (it can't go below k), or bring more items",
            )
        ]
    return []


def _unmeasurable_drift(rows: Sequence[Measurement]) -> list[Notice]:
    counts = sorted({row.k for row in rows if row.metric == "cluster_drift" and row.value != row.value})
    if not counts:
        return []
    which = ", ".join(str(count) for count in counts)
    return [
        Notice(
            "drift-not-measurable",
            f"at {which} clusters, two seeds of k-means on the same vectors agree too little (ARI below .3) for "
            "a drift between strategies to be told from noise, somewhere in the table",
            "read the seed floor beside it, or try other clusters.counts",
        )
    ]
