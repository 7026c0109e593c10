"""What the figures of a run say that a reader could miss, with what to do about it."""

from collections.abc import Iterable, Sequence

from idxbench.records import Measurement, Notice, plain_parameters

# A share of items that no search returns is worth a word above this.
UNREACHABLE = 0.005


def advise(rows: Sequence[Measurement], target_recall: float) -> list[Notice]:
    """Return notices about finished measurements, most consequential first."""
    rows = [row for row in rows if row.task != "probe"]  # those were broken on purpose
    return [
        *_metric_loss(rows, target_recall),
        *_labels_disagree(rows, target_recall),
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
            f"{row.strategy}: exact search by {row.similarity} in this space finds {row.value:.3f} of the task "
            f"reference's top {row.k}: the strategy disagrees with the reference, whatever the index",
            "if the reference is what you want to serve, choose a strategy that keeps its ranking",
        )
        for row in worst.values()
    ]


def _labels_disagree(rows: Sequence[Measurement], target: float) -> list[Notice]:
    """Say when labels prefer a strategy that the reference rejects: then the reference is in doubt."""
    overlap = {(row.strategy, row.k): row for row in _named(rows, "exact_overlap", "task")}
    labelled = [row for row in _named(rows, "recall", "labels") if not row.index and (row.strategy, row.k) in overlap]
    kept = [row for row in labelled if overlap[row.strategy, row.k].high >= target]
    lost = [row for row in labelled if overlap[row.strategy, row.k].high < target]
    for best in sorted(lost, key=lambda row: -row.value):
        rivals = [row for row in kept if row.k == best.k]
        if rivals and all(best.low > row.high for row in rivals):
            rival = max(rivals, key=lambda row: row.value)
            return [
                Notice(
                    "labels-disagree",
                    f"the labels side with {best.strategy} ({best.value:.3f} of its top {best.k} share the query's "
                    f"label) against {rival.strategy} ({rival.value:.3f}), which keeps the reference",
                    "is data.trained_with what you want to serve? If not, change it: it is what all is graded against",
                )
            ]
    return []


def _unreachable(rows: Sequence[Measurement]) -> list[Notice]:
    worst: dict[str, Measurement] = {}
    for row in _named(rows, "unreachable_share"):
        if row.value > UNREACHABLE and (row.strategy not in worst or row.value > worst[row.strategy].value):
            worst[row.strategy] = row
    if not worst:
        return []
    told = ", ".join(
        f"{row.value:.1%} under {row.strategy} ({', '.join(filter(None, (row.index, plain_parameters(row.build))))})"
        for row in worst.values()
    )
    return [
        Notice(
            "unreachable-items",
            f"items that no query can return at any ef, for want of a path to them: {told}",
            "the ceiling in the table of indexes says what that costs recall. Under dot items of small norm are lost, "
            "which may cost nothing; where the ceiling is low, take a strategy that keeps the scores and has a higher "
            "one",
        )
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
