"""What a run is told about itself."""

from idxbench.bench.advice import advise
from idxbench.bench.figures import Where
from idxbench.measures.intervals import Estimate

CELL = Where("retrieve", "raw", "dot", "hnswlib", '{"M":8}', '{"ef":20}', 10)
BUILD = Where("retrieve", "raw", "dot", "hnswlib", '{"M":8}')


def codes(*rows):
    return [notice.code for notice in advise(rows, 0.95)]


def test_a_good_run_is_told_nothing():
    assert (
        codes(
            Where("retrieve", "raw", "dot", k=10).estimate("exact_overlap", Estimate(1, 0.99, 1, 9), reference="task"),
            BUILD.value("unreachable_share", 0.001),
            CELL.value("short_results", 0, "count"),
            CELL.value("recall", 0.99, reference="own"),
        )
        == []
    )


def test_each_trouble_has_its_notice():
    overlap = Where("retrieve", "n", "cosine", k=10).estimate(
        "exact_overlap", Estimate(0.4, 0.3, 0.5, 9), reference="task"
    )
    assert codes(overlap) == ["metric-loss"]
    assert codes(BUILD.value("unreachable_share", 0.2)) == ["unreachable-items"]
    assert codes(CELL.value("short_results", 3, "count", n=50)) == ["short-results"]
    assert codes(CELL.value("recall", 1.0, reference="own")) == ["recall-saturated"]
    drift = Where("cluster", "raw", "dot", k=5).value("cluster_drift", float("nan"), reference="cosine")
    assert codes(drift) == ["drift-not-measurable"]


def test_the_worst_of_several_builds_is_told_per_strategy_in_one_notice():
    other = Where("retrieve", "other", "cosine", "hnswlib", '{"M":8}')
    rows = [BUILD.value("unreachable_share", v) for v in (0.1, 0.3, 0.2)] + [other.value("unreachable_share", 0.5)]
    (notice,) = advise(rows, 0.95)
    assert "30.0% under raw (hnswlib, M=8), 50.0% under other (hnswlib, M=8)" in notice.text


def test_labels_that_prefer_a_rejected_strategy_put_the_reference_in_doubt():
    def strategy(name, overlap, label):
        place = Where("retrieve", name, "dot", k=10)
        return [
            place.estimate(
                "exact_overlap", Estimate(overlap, overlap - 0.01, min(1, overlap + 0.01), 99), reference="task"
            ),
            place.estimate("recall", Estimate(label, label - 0.02, label + 0.02, 99), reference="labels"),
        ]

    found = advise([*strategy("raw", 1.0, 0.6), *strategy("normalized", 0.3, 0.9)], 0.95)
    assert [notice.code for notice in found] == ["metric-loss", "labels-disagree"]
    assert "normalized (0.900" in found[1].text
    assert "labels-disagree" not in codes(*strategy("raw", 1.0, 0.9), *strategy("normalized", 0.3, 0.91))
