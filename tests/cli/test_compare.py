"""``idxbench compare`` as a user runs it: a sentence, a table or JSON, and what it says to mistakes."""

import json

import numpy as np
import pytest

RNG = np.random.default_rng(0)
ITEMS = (2 * RNG.normal(size=(6, 8)))[RNG.integers(0, 6, 400)] + RNG.normal(size=(400, 8))
QUERIES = RNG.normal(size=(120, 8))
SCALES = 10 ** RNG.uniform(-1, 1, 8)
KEEP = np.r_[0:300, 320:400]


@pytest.fixture
def compare(call, tmp_path):
    """Return a function that runs the command on a model and the same in another gauge, 20 items shorter, shuffled."""
    order = RNG.permutation(KEEP)
    np.savez(tmp_path / "base.npz", items=ITEMS, queries=QUERIES)
    np.save(tmp_path / "new.npy", (ITEMS * SCALES)[order].astype(np.float32))
    np.save(tmp_path / "new_q.npy", (QUERIES / SCALES).astype(np.float32))
    np.save(tmp_path / "new_ids.npy", order)
    (tmp_path / "base.tsv").write_text("title\tid\n" + "".join(f"a film\t{i}\n" for i in range(400)))

    def run(*arguments, code=0, base="base.npz", new="new.npy", **more):
        done = call("compare", base, new, "--threads", "2", "--clusters", "6", *arguments, code=code, **more)
        if code == 2:
            assert done.stdout == ""
            return " ".join(done.stderr.split())
        assert done.stderr == ""
        return done.stdout

    return run


IDS = ("--base-ids", "base.tsv", "--new-ids", "new_ids.npy")
ASKED = ("--base-queries", "base.npz", "--new-queries", "new_q.npy")


def test_a_gauge_is_found_across_orders_and_formats(compare):
    said = compare(*IDS, *ASKED)
    assert said.startswith("Mostly gauge: every score is kept (changed by ")
    assert "380 items joined by id; 20 lost (300, 301, 302, 303, 304, ...); 8 dimensions" in said
    assert "120 queries, joined by row number" in said
    assert all(line == line.rstrip() for line in said.splitlines())


def test_json(compare):
    read = json.loads(compare(*IDS, *ASKED, "--json", "-k", "5"))
    assert read["verdict"]["code"] == "mostly-gauge"
    assert read["joined"]["items"] == {
        "by": "id", "base": 400, "new": 380, "joined": 380, "lost": 20, "added": 0,
        "first_lost": ["300", "301", "302", "303", "304"], "first_added": [],
    }  # fmt: skip
    overlaps = {
        row["strategy"]: row["value"]
        for row in read["measurements"]
        if (row["metric"], row["reference"], row["similarity"], row["k"]) == ("neighbor_overlap", "base", "cosine", 5)
    }
    assert overlaps["raw"] < 0.6
    assert overlaps["score_corr"] > 0.99


def test_the_same_twice(compare):
    assert compare(*IDS, *ASKED, "--json") == compare(*IDS, *ASKED, "--json", "--threads", "1")


def test_without_queries(compare):
    assert compare(*IDS).startswith("Without queries only raw neighbours can be compared; cannot tell gauge from model")


def test_arrays_and_columns_by_name(compare, tmp_path):
    np.savez(tmp_path / "odd.npz", a=ITEMS, b=ITEMS, names=np.arange(400), more=np.arange(400))
    ids = ("--base-ids", "odd.npz::names", "--new-ids", "base.tsv::id")
    assert compare(*ids, base="odd.npz::b", new="base.npz").startswith("Nothing moved")
    assert "name the array meant as key" in compare(base="odd.npz", new="base.npz", code=2)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["new.npy", "400 rows, as in base.npz", "380 rows", "a file of ids for both sides"]),
        (["--base-ids", "base.tsv"], ["--new-ids", "as --base-ids has", "not given"]),
        ([*IDS, "--base-queries", "base.npz"], ["--new-queries", "not given"]),
        ([*IDS, "--base-queries", "base.npz", "--new-queries", "nope.npy"], ["nope.npy", "nothing by that name"]),
        (["--base-ids", "base.tsv::title", "--new-ids", "new_ids.npy"], ["base.tsv::title", "a film in rows 0, 1, 2"]),
        (["--base-ids", "new_ids.npy", "--new-ids", "new_ids.npy"], ["400 ids, one per row of base.npz", "380 ids"]),
        ([*IDS, "--trained-with", "angular"], ["--trained-with", "dot, cosine, l2, unknown", "'angular'"]),
        ([*IDS, "--towers", "3"], ["--towers"]),
        ([*IDS, "-k", "0"], ["-k"]),
        ([*IDS, "--base-query-ids", "base.tsv", "--new-query-ids", "base.tsv"], ["--base-query-ids", "no queries"]),
    ],
)
def test_mistakes(compare, arguments, parts):
    said = compare(*arguments, code=2)
    for part in parts:
        assert part in said


def test_runs_are_not_compared_with_vectors(compare, tmp_path):
    (tmp_path / "results" / "a").mkdir(parents=True)
    (tmp_path / "results" / "a" / "run.json").write_text("{}")
    said = compare(base="results", code=2)
    assert "new.npy expected: a run directory or a parent of some, as results is" in said


def test_rows_that_are_no_numbers(compare, tmp_path):
    bad = ITEMS.copy()
    bad[3, 1] = np.inf
    np.save(tmp_path / "bad.npy", bad)
    assert "NaN or infinity in 1 of 400 rows, first in rows 3" in compare(new="bad.npy", code=2)


def test_help(call):
    said = call("compare", "--help").stdout
    for word in ("--base-queries", "--new-query-ids", "--trained-with", "--json", "FILE::NAME", "BASE", "NEW"):
        assert word in said
