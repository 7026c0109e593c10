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


def test_the_worst_of_several_is_told_once_per_strategy():
    notices = advise([BUILD.value("unreachable_share", v) for v in (0.1, 0.3, 0.2)], 0.95)
    assert len(notices) == 1
    assert "30.0%" in notices[0].text
    assert "M=8" in notices[0].text
