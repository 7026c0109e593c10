"""Words that say which figures are meant."""

import pytest

from idxbench.errors import ConfigError
from idxbench.verdicts.changes import Cell
from idxbench.verdicts.history.select import check_words, matches

CELL = Cell("retrieve", "rescaled(axis=0)", "dot", "hnswlib", '{"M":16}', '{"ef":40}', 10, "recall", "task")


@pytest.mark.parametrize(
    "words",
    [
        [], ["all"], ["metric=recall"], ["metric=recall@task"], ["recall@task"], ["recall"], ["strategy=rescaled*"],
        ["rescaled(axis=0)"], ["M=16", "ef=40"], ["k=10"], ["index=hnswlib", "similarity=dot"], ["name=night*"],
        ["task=retrieve"],
    ],
)  # fmt: skip
def test_words_that_hold(words):
    assert matches(CELL, "nightly", words)


@pytest.mark.parametrize(
    "words", [["metric=recal"], ["ef=4"], ["M=16", "ef=80"], ["name=other"], ["raw"], ["efs=40"], ["reference="]]
)
def test_words_that_do_not(words):
    assert not matches(CELL, "nightly", words)


def test_words_that_mean_nothing_are_named():
    with pytest.raises(ConfigError, match=r"none for ef=80[\s\S]*strategies are rescaled\(axis=0\)"):
        check_words(["recall", "ef=80"], [("nightly", CELL)])
    other = Cell("retrieve", "raw", "dot", "hnswlib", "", '{"ef":80}', 10, "qps_batch", "")
    with pytest.raises(ConfigError, match="none for recall ef=80 together"):
        check_words(["recall", "ef=80"], [("nightly", CELL), ("nightly", other)])
    check_words(["recall"], [("nightly", CELL)])
