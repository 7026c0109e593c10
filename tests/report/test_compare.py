"""Runs compared on an injected console, as Markdown and as JSON."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from idxbench.config.policy import Policy
from idxbench.report.compare import print_comparisons
from idxbench.report.compare_json import comparisons_json
from idxbench.report.compare_markdown import comparisons_markdown
from idxbench.report.compare_text import MOST_LINES, value_words
from idxbench.verdicts.changes import Difference
from idxbench.verdicts.runs.compare import compare_runs
from tests.verdicts.runs.examples import Arm, make_run

TWO = (Arm("raw"), Arm("axis [red] x | 1000", slower=1.2))


@pytest.fixture
def night(tmp_path):
    """Two strategies that took turns."""
    run = make_run(tmp_path / "night", arms=TWO)
    return compare_runs([run], [run], base_selector="raw", policy=Policy())


@pytest.fixture
def nights(tmp_path):
    """A run against two others, one with less recall, one in which a build failed."""
    base = make_run(tmp_path / "base", arms=TWO)
    versions = {"environment": {"versions": {"numpy": "2.5.0"}, "threads": 1}}
    less = make_run(tmp_path / "less", arms=(replace(TWO[0], recall_shift=-0.02), TWO[1]), info=versions)
    failed = make_run(tmp_path / "failed", arms=(TWO[0], replace(TWO[1], fails="out of [memory]")))
    return [compare_runs([base], [other], policy=Policy()) for other in (less, failed)]


def printed(*comparisons, everything=False, width=110):
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False)
    print_comparisons(comparisons, console, level=0.99, everything=everything)
    return text.getvalue()


def line_with(text, *words):
    found = [line for line in text.splitlines() if all(word in line for word in words)]
    assert len(found) == 1, found
    return " ".join(found[0].split())


def test_the_sentence_comes_first(night):
    first, *_ = printed(night, width=200).splitlines()
    assert first.startswith("Regressed: 7 of 16 gated figures; worst: hnswlib M16 c200 ")


def test_the_table(night):
    text = printed(night)
    assert "New against base: hnswlib M16 c200" in text
    assert "two sides of one run: they took turns in its rounds" in text
    found = line_with(text, "ef 40 qps_batch")
    assert found.startswith("regressed ef 40 qps_batch 70.")
    assert "x slower [1." in found
    assert "] n=20" in found
    assert line_with(text, "same", "index_bytes") == "same index_bytes 2.76 MB 2.76 MB 1.00x, as large"
    assert "advisory: built once (1 figure)" in text
    assert "Not shown: 1 not gated and not changed beyond chance. --all shows them." in text
    assert "Not shown" not in printed(night, everything=True)
    assert "unreachable_share" in printed(night, everything=True)


def test_what_it_could_have_seen(night):
    assert " ".join(printed(night).split()).count("detects: the smallest worsening that would have been called") == 1
    assert line_with(printed(night), "ef 20 @10 recall", "inconclusive", "recall@own").endswith(".031")


def test_equal_recall_and_fronts(night):
    text = printed(night)
    found = line_with(text, "≥ .95")
    assert found.startswith("regressed @10 ≥ .95 ef 40 -> ef 40")
    assert "Best trades of recall for speed" not in text
    text = printed(night, everything=True)
    assert line_with(text, "base", "ef 10 @10").startswith("base raw hnswlib M16 c200 ef 10 @10 .88")


def test_what_differs_stands_on_top(nights):
    text = printed(nights[0])
    assert text.index("numpy: 2.4.6 -> 2.5.0") < text.index("New against base")
    assert "threads: 2 -> 1 (times can't be compared)" in text
    many = replace(nights[0], differences=tuple(Difference(f"config x{i}", "[a]", "[b]") for i in range(20)))
    text = printed(many)
    assert "config x11: [a] -> [b]" in text
    assert "... and 8 more: --all" in text
    assert "config x19" in printed(many, everything=True)


def test_machines(nights):
    apart = printed(replace(nights[0], machine=False))
    assert "1 run against 1 run; on different machines: times are shown and decide nothing" in apart


def test_names_are_no_markup(nights):
    text = printed(nights[1], width=160)
    assert "axis [red] x | 1000 ef 10 @10 recall" in text
    assert "axis [red] x | 1000 hnswlib M=16, ef_construction=200 failed: out of [memory]." in text
    assert "Missing: 15 of 31 gated figures" in text


def test_long_tables_are_cut(nights):
    many = replace(nights[0], changes=nights[0].changes * 3)
    gated = sum(change.gated for change in many.changes)
    assert f"Not shown: {gated - MOST_LINES} that are less bad; {len(many.changes) - gated} not gated" in printed(many)


def test_an_unstable_night(night):
    assert "unstable: two copies differ" in printed(replace(night, unstable="two copies differ"))


def test_several_runs_are_columns(nights):
    text = printed(*nights, width=100)
    assert text.index("1. Regressed: 6 of") < text.index("2. Missing: 15 of") < text.index("Against the base")
    assert line_with(text, "figure", "base", "1", "2") == "figure base 1 2"
    assert line_with(text, "raw ef 40 @10 recall ") == "raw ef 40 @10 recall .961 regressed -.020 same"
    assert line_with(text, "axis", "ef 40 qps_batch").endswith(" 1.00x, as fast missing")
    assert "Speed at equal recall: hnswlib M16 c200, 2" in text


def test_figures_in_their_units(night):
    change = night.changes[0]
    for given, words in [
        (("s", 7.13e-6, "ratio"), "7.13 µs"),
        (("s", 0.42, "ratio"), "0.420 s"),
        (("1/s", 41_234.0, "ratio"), "41.2k"),
        (("bytes", 2.76e6, "ratio"), "2.76 MB"),
        (("share", 0.953, "difference"), ".953"),
        (("count", 12.0, "ratio"), "12.0"),
        (("s", math.nan, "ratio"), "–"),
        (("bytes", math.nan, "ratio"), "–"),
    ]:
        unit, value, kind = given
        assert value_words(replace(change, unit=unit, kind=kind, base=value), value) == words


def test_markdown(night, nights):
    text = comparisons_markdown([night])
    assert text.startswith("### regressed: 7 of 16 gated figures; worst: hnswlib M16 c200 ")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| verdict | figure | base | new | change |"
    assert rows[1] == "| --- | --- | ---: | ---: | --- |"
    assert rows[2].startswith("| **regressed** | hnswlib M16 c200 ef ")
    assert "#### Speed at equal recall" in text
    text = comparisons_markdown(nights, everything=True)
    assert text.count("### ") == 2 + 4
    # a name can't end a cell of the table, nor start a link
    assert "axis \\[red\\] x \\| 1000 hnswlib M16 c200 ef 10 @10 recall" in text
    assert all(line.replace("\\|", "").count("|") in (6, 8, 5) for line in text.splitlines() if line.startswith("|"))
    assert "- threads: 2 -\\> 1 (times can't be compared)" in text


def test_json(night, nights):
    whole = json.loads(comparisons_json([*nights, night]))
    assert whole["schema"] == "idxbench-comparison/1"
    assert [one["status"].split(":")[0] for one in whole["comparisons"]] == ["regressed", "missing", "regressed"]
    lost = next(one for one in whole["comparisons"][1]["changes"] if one["verdict"] == "missing")
    assert (lost["new"], lost["effect"], lost["low"]) == (None, None, None)
    assert lost["cell"]["strategy"] == "axis [red] x | 1000"
    assert lost["words"] == "missing: failed: out of [memory]"
    at = whole["comparisons"][2]["matched"][0]
    assert (at["recall"], at["change"]["cell"]["reference"]) == (0.95, "recall>=0.95")
    assert whole["comparisons"][2]["fronts"][0]["side"] == "base"
    assert whole["comparisons"][0]["differences"][0] == {
        "what": "threads", "base": "2", "new": "1", "breaks_times": True,
    }  # fmt: skip
