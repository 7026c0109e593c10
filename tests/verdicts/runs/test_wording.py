"""What a comparison says, word for word."""

import math
from dataclasses import replace

import pytest

from idxbench.config.policy import Policy
from idxbench.verdicts.changes import Cell, Change, Comparison
from idxbench.verdicts.runs.compare import compare_runs
from idxbench.verdicts.runs.wording import cell_words, change_words, difference_words, line_words, status_line
from tests.verdicts.runs.examples import Arm, make_run

CELL = Cell(
    "retrieve", "raw", "dot", "hnswlib", '{"M":16,"ef_construction":200}', '{"ef":40}', 10, "qps_batch", ""
)  # fmt: skip
RECALL = replace(CELL, metric="recall", reference="task")
LOG = math.log


SLOWER, LEAST, MOST = LOG(1.12), LOG(1.08), LOG(1.15)


def change(cell=CELL, base=100.0, new=90.0, effect=SLOWER, low=LEAST, high=MOST, **given):
    usual = {
        "kind": "ratio", "n": 20, "basis": "rounds", "declared": 0.05, "floor": 0.05, "verdict": "regressed",
        "gated": True, "detectable": 0.08, "why": "", "unit": "1/s",
    }  # fmt: skip
    return Change(cell, base, new, effect, low, high, **usual | given)


def recall(base=0.942, new=0.931, low=math.nan, high=math.nan, **given):
    usual = {"kind": "difference", "basis": "exact", "n": 1, "unit": "share"}
    return change(RECALL, base, new, base - new, low, high, **usual | given)


def compared(*changes, unstable=""):
    return Comparison("a", "b", 1, 1, True, True, (), changes, (), unstable, ())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (change(), "1.12x slower [1.08, 1.15] n=20"),
        (change(effect=-LOG(1.12), low=-LOG(1.15), high=-LOG(1.08)), "1.12x faster [1.08, 1.15] n=20"),
        (change(effect=LOG(1.02), low=LOG(0.97), high=LOG(1.09)), "1.02x slower [0.97, 1.09] n=20"),
        (change(effect=-LOG(1.02), low=-LOG(1.09), high=-LOG(0.97)), "1.02x faster [0.97, 1.09] n=20"),
        (change(effect=0.001, low=LOG(0.97), high=LOG(1.02)), "1.00x, as fast [0.97, 1.02] n=20"),
        (change(effect=-0.001, low=LOG(0.97), high=LOG(1.02)), "1.00x, as fast [0.97, 1.02] n=20"),
        (change(effect=LOG(12.34), low=LOG(9.9), high=LOG(130)), "12.3x slower [9.90, 130] n=20"),
        (
            change(effect=LOG(1.02), low=LOG(0.97), high=LOG(1.09), verdict="inconclusive", detectable=0.0843),
            "1.02x slower [0.97, 1.09] n=20; could have seen 8.4 % or more",
        ),
        (
            change(effect=LOG(1.02), low=LOG(0.5), high=LOG(2.1), verdict="inconclusive", detectable=1.2345),
            "1.02x slower [0.50, 2.10] n=20; could have seen 123 % or more",
        ),
        (
            change(low=math.nan, high=math.nan, basis="single", why="1 run a side, 6 support a verdict"),
            "1.12x slower; 1 run a side, 6 support a verdict",
        ),
        (change(replace(CELL, metric="index_bytes"), basis="exact"), "1.12x larger"),
        (change(replace(CELL, metric="memory_peak"), effect=0.0, low=0.0, high=0.0, basis="exact"), "1.00x, as large"),
        (change(replace(CELL, metric="build_time"), effect=-LOG(2), low=math.nan, basis="single"), "2.00x faster"),
        (change(verdict="missing", why="failed: out of memory", effect=math.nan), "missing: failed: out of memory"),
        (change(verdict="incomparable", why="other data (items)", effect=math.nan), "incomparable: other data (items)"),
        (
            change(verdict="unstable", why="the control differs from itself"),
            "1.12x slower [1.08, 1.15] n=20; the control differs from itself",
        ),
        (recall(), "recall .942 -> .931 (-.011)"),
        (recall(new=0.953), "recall .942 -> .953 (+.011)"),
        (recall(new=0.942), "recall .942 -> .942 (0)"),
        (recall(base=1.0, new=0.9995, why="so"), "recall 1.000 -> 1.000 (-.0005); so"),
        (
            recall(low=0.002, high=0.02, basis="queries", n=200),
            "recall .942 -> .931 (-.011) [-.020, -.002] n=200",
        ),
        (
            recall(new=0.953, low=-0.02, high=0.002, basis="queries", n=200, verdict="inconclusive", detectable=0.014),
            "recall .942 -> .953 (+.011) [-.002, +.020] n=200; could have seen .014 or more",
        ),
    ],
)
def test_changes(given, words):
    assert change_words(given) == words


def test_a_change_without_its_figures():
    assert difference_words(recall(low=0.002, high=0.02, basis="queries", n=200)) == "-.011 [-.020, -.002] n=200"
    lower = replace(RECALL, metric="unreachable_share", reference="")
    more = change(lower, 0.1, 0.12, 0.02, 0.01, 0.03, kind="difference", basis="queries", n=5)
    assert difference_words(more) == "+.020 [+.010, +.030] n=5"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (CELL, "raw hnswlib M16 c200 ef 40"),
        (RECALL, "raw hnswlib M16 c200 ef 40 @10"),
        (replace(CELL, strategy="", build='{"M":16,"environment":"release"}'), "hnswlib M16 environment=release ef 40"),
        (replace(CELL, build="no json", strategy="a | b [red]"), "a | b [red] hnswlib no json ef 40"),
        (replace(CELL, build="[1]", search=""), "raw hnswlib [1]"),
        (Cell("similar", "raw", "dot", "", "", "", 10, "neighbor_overlap", "floor"), "similar raw @10"),
        (Cell("run", "", "", "", "", "", 0, "compile_time", ""), "run"),
    ],
)
def test_cells(cell, words):
    assert cell_words(cell) == words


def test_a_line():
    assert line_words(change()) == "raw hnswlib M16 c200 ef 40 qps_batch 1.12x slower [1.08, 1.15] n=20"
    assert line_words(recall()) == "raw hnswlib M16 c200 ef 40 @10 recall .942 -> .931 (-.011)"
    own = replace(recall(), cell=replace(RECALL, reference="own"))
    assert line_words(own) == "raw hnswlib M16 c200 ef 40 @10 recall@own .942 -> .931 (-.011)"


SAME = change(verdict="same", effect=0.0)
SHOWN = change(verdict="advisory", why="1 run a side, 6 support a verdict", basis="single")
UNSURE = change(verdict="inconclusive", detectable=0.081)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            (change(), change(effect=LOG(1.2)), SAME, replace(change(), gated=False)),
            "regressed: 2 of 3 gated figures; worst: raw hnswlib M16 c200 ef 40 qps_batch 1.20x slower "
            "[1.08, 1.15] n=20",
        ),
        (
            (SAME, change(verdict="missing", why="not there")),
            "missing: 1 of 2 gated figures; first: raw hnswlib M16 c200 ef 40 qps_batch missing: not there",
        ),
        ((SAME, SAME), "same: all 2 gated figures"),
        ((SAME, SHOWN), "same: 1 of 2 gated figures; 1 only shown: 1 run a side, 6 support a verdict"),
        ((SHOWN, SHOWN), "nothing decided: all 2 gated figures are only shown: 1 run a side, 6 support a verdict"),
        ((UNSURE, SAME), "inconclusive: 1 of 2 gated figures; could have seen 8.1 % or more in times"),
        (
            (UNSURE, recall(verdict="inconclusive", detectable=0.031), replace(UNSURE, detectable=0.2)),
            "inconclusive: 3 of 3 gated figures; could have seen 20 % or more in times, .031 or more in recall",
        ),
        (
            (replace(UNSURE, detectable=math.nan, why="6 rounds; 8 support an interval at this level"),),
            "inconclusive: 1 of 1 gated figures; 6 rounds; 8 support an interval at this level",
        ),
        (
            (change(verdict="improved", effect=-LOG(1.3), low=-LOG(1.4), high=-LOG(1.2)), SAME),
            "improved: 1 of 2 gated figures, none worse; most: raw hnswlib M16 c200 ef 40 qps_batch 1.30x faster "
            "[1.20, 1.40] n=20",
        ),
        ((), "nothing decided: the sides share no figure that is gated"),
        ((replace(change(), gated=False),), "nothing decided: the sides share no figure that is gated"),
    ],
)
def test_status(changes, line):
    assert status_line(compared(*changes)) == line


def test_status_of_an_unstable_night():
    night = compared(change(verdict="unstable"), SAME, unstable="two copies differ")
    assert status_line(night) == "unstable: 1 of 2 gated figures; two copies differ"


@pytest.mark.parametrize("verdict", ["regressed", "missing", "suspicious", "unstable"])
def test_status_says_what_can_not_be_compared_where_others_decide(verdict):
    apart = change(verdict="incomparable", why="searched for 10 and 20 answers", effect=math.nan)
    said = status_line(compared(change(verdict=verdict, why="why"), apart, apart, unstable="two copies differ"))
    assert said.startswith(f"{verdict}: 1 of 3 gated figures; ")
    assert said.endswith("; 2 can't be compared: searched for 10 and 20 answers")


def test_a_figure_at_equal_recall_counts(tmp_path):
    run = make_run(tmp_path / "a", arms=(Arm(), Arm("normalized", slower=1.3)))
    said = status_line(compare_runs([run], [run], base_selector="raw", policy=Policy()))
    assert said.startswith("regressed: 7 of 16 gated figures; worst: hnswlib M16 c200 ")
