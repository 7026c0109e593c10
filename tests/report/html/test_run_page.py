"""What the page of a run says and draws, by hand-made runs."""

import base64
import csv
import io
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from idxbench.errors import ResultError
from idxbench.report.html.heatmaps import heatmap_pictures
from idxbench.report.html.items import item_pictures
from idxbench.report.html.page import render
from idxbench.report.html.probes import probe_pictures
from idxbench.report.html.retrieve import retrieve_pictures
from idxbench.report.html.run_page import run_page
from idxbench.report.html.samples import sample_pictures
from idxbench.report.html.vectors import vector_pictures
from idxbench.verdicts.decision import decide
from tests.report.html.examples import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), depths=(10, 20))


def records(picture):
    return list(csv.DictReader(io.StringIO(picture.csv)))


def named(pictures, key):
    (found,) = [one for one in pictures if one.key == key]
    return found


def test_the_page_has_its_parts_in_order(run):
    page = run_page(run, decide(run))
    assert [section.key for section in page.sections] == ["retrieve", "items", "classes", "vectors", "probes"]
    assert [picture.key for section in page.sections for picture in section.pictures] == [
        "recall-qps", "losses", "costs", "latency", "per-query", "norm-strata", "overlap", "drift", "heatmaps",
        "norms", "spectrum", "probe-items", "probe-recall",
    ]  # fmt: skip
    assert page.statements[0].first.startswith("Recall@10 of at least .95 against the task reference: raw by dot in ")
    assert page.warnings == ("one <thing> & another. Do this.",)
    assert dict(page.facts)["commit"] == "0123456789ab+ (changed files)"
    titles = [table.title for table in page.sections[0].tables]
    assert titles[:2] == ["Strategies: exact search, no index", "Retrieve: top 10, hnswlib"]
    assert [table.title for table in page.sections[0].tables if table.folded] == [
        "Speed: hnswlib",
        "Retrieve: worst queries, top 10, hnswlib",
        "Retrieve: worst queries, top 20, hnswlib",
    ]


def test_recall_and_speed_are_those_of_the_records(run):
    picture = named(retrieve_pictures(run, decide(run)), "recall-qps")
    found = records(picture)
    assert len(found) == 2 * 2 * 2 * 2 * 2  # strategies, indexes, searches, depths, references
    first = next(
        one
        for one in found
        if (one["build"], one["search"], one["reference"]) == ("M=8, ef_construction=100", "ef=40", "task")
    )
    assert float(first["recall"]) == pytest.approx(1 - 1 / 48, rel=1e-5)
    assert float(first["recall_low"]) == pytest.approx(1 - 1 / 48 - 0.01, rel=1e-5)
    # Speed is measured at the largest depth only, and holds for all.
    assert float(first["qps"]) == pytest.approx(1e6 / 40 / 8)
    assert first["k"] == "10"
    assert [option["value"] for option in picture.drawing["controls"][0]["options"]] == ["10", "20"]
    assert picture.drawing["marks"][0]["value"] == 0.95


def test_the_front_is_of_each_depth_and_reference(run):
    """By hand: M=8 ef=10 is fastest; every further point of raw finds more and is slower."""
    found = records(named(retrieve_pictures(run, decide(run)), "recall-qps"))
    front = [
        (one["strategy"], one["build"][:4].strip(","), one["search"])
        for one in found
        if one["on_front"] and one["k"] == "10" and one["reference"] == "task"
    ]
    assert sorted(front) == [
        ("raw", "M=16", "ef=10"),
        ("raw", "M=16", "ef=40"),
        ("raw", "M=8", "ef=10"),
        ("raw", "M=8", "ef=40"),
    ]
    decided = [(one["k"], one["reference"], one["strategy"]) for one in found if one["decided"]]
    assert ("10", "task", "raw") in decided


def test_losses_are_those_of_the_records(run):
    found = records(named(retrieve_pictures(run, decide(run)), "losses"))
    for one in found:
        assert float(one["metric_loss"]) == pytest.approx(0.0 if one["strategy"] == "raw" else 0.15)


def test_latency_is_nan_beyond_what_queries_support(run):
    (first, *_) = records(named(sample_pictures(run, decide(run)), "latency"))
    assert float(first["p50_s"]) > 0
    assert first["p99.8_s"] == "" or float(first["p99.5_s"]) > 0
    assert first["p99.9_s"] == ""  # 200 queries


def test_norm_strata_by_hand(run):
    picture = named(sample_pictures(run, decide(run)), "norm-strata")
    (first, *_) = records(picture)
    assert [float(first[f"found_{i}"]) for i in range(1, 11)] == pytest.approx([1 - i / 20 for i in range(10)])
    assert (
        picture.note
        == f"True answers in the parts: top 10: {', '.join(['20'] * 10)}; top 20: {', '.join(['20'] * 10)}."
    )


def test_floor_and_chance_stand_beside_overlap(run):
    overlap = records(named(item_pictures(run), "overlap"))
    assert [(one["role"], one["overlap"]) for one in overlap] == [
        ("strategy", "0.5"), ("strategy", "0.5"), ("floor", "0.8"), ("chance", "0.01"),
    ]  # fmt: skip
    drift = records(named(item_pictures(run), "drift"))
    assert [(one["drift"], one["ari_seed_floor"]) for one in drift] == [("0.25", "0.7")] * 2


def test_a_reference_without_a_floor_is_not_told_to_have_one(run):
    assert "Dashed: the floor" in named(item_pictures(run), "overlap").reading
    bare = replace(run, measurements=tuple(row for row in run.measurements if row.reference != "floor"))
    assert "floor" not in named(item_pictures(bare), "overlap").reading


def test_probes_are_drawn_against_what_was_given(run):
    found = records(named(probe_pictures(run), "probe-recall"))
    assert [(one["probe"], one["strength"]) for one in found] == [
        ("as given", ""), ("diagonal", "0.5"), ("diagonal", "1"), ("axis 0", "1000"),
    ]  # fmt: skip
    assert "as given" not in {one["probe"] for one in records(named(probe_pictures(run), "probe-items"))}


def test_heatmaps_are_thinned_and_keep_their_scale(run):
    (picture,) = heatmap_pictures(run.path)
    (panel,) = picture.drawing["panels"]
    n = picture.drawing["size"]
    matrix = np.frombuffer(base64.b64decode(panel["data"]), np.uint8).reshape(n, n)
    assert n == 120
    assert (np.diag(matrix) == 255).all()
    assert set(np.unique(matrix)) <= {25, 26, 229, 230, 255}  # .1 and .9 as float16, and 1
    first, second = picture.drawing["classes"]
    assert (first["name"], second["name"]) == ("first & last", "second")
    # Classes keep their shares: 3 to 1.
    assert first["to"] - first["from"] + 1 == pytest.approx(90, abs=1)
    assert records(picture)[1] == {
        "panel": "<b>panel</b>",
        "class": "first & last",
        "other": "second",
        "mean_cosine": "0.1",
    }


def test_torn_heatmaps_are_a_message(tmp_path):
    (tmp_path / "heatmaps.npz").write_bytes(b"PK\x03\x04torn")
    with pytest.raises(ResultError, match=r"a readable heatmaps\.npz"):
        list(heatmap_pictures(tmp_path))


def test_vectors_are_drawn_where_the_run_has_kept_them(run):
    norms, spectrum = vector_pictures(run)
    assert [(one["share"], one["norm"]) for one in records(norms)] == [("0", "1"), ("0.5", "2"), ("1", "8")]
    assert [(one["direction"], one["share"]) for one in records(spectrum)] == [("1", "0.7"), ("2", "0.2"), ("3", "0.1")]
    assert list(vector_pictures(SimpleNamespace(info={}))) == []


def test_a_run_that_was_cut_short_says_so(tmp_path):
    run = make_run(tmp_path, status="interrupted", extras=False)
    page = run_page(run, decide(run))
    assert page.heading == "Not complete"
    assert "not complete (interrupted)" in page.statements[0].first
    assert "Recall@10 of at least" not in render(page)


def test_a_run_without_samples_or_retrieval_has_a_page(tmp_path):
    run = make_run(tmp_path, extras=False)
    (tmp_path / "queries.npz").unlink()
    bare = SimpleNamespace(
        path=run.path,
        info=run.info,
        notices=(),
        measurements=tuple(row for row in run.measurements if row.task == "run"),
    )
    assert "latency" not in [one.key for section in run_page(run, decide(run)).sections for one in section.pictures]
    page = run_page(bare, decide(bare))
    assert page.sections == ()
    assert "Nothing was retrieved" in page.statements[0].first
    assert render(page)


def test_no_picture_holds_a_word_for_nothing(run):
    """NaN and None are empty fields, for every reader of CSV."""
    for section in run_page(run, decide(run)).sections:
        for picture in section.pictures:
            fields = {field for row in csv.reader(io.StringIO(picture.csv)) for field in row}
            assert not fields & {"nan", "None", "inf"}
            assert all(not (isinstance(value, float) and math.isinf(value)) for row in picture.rows for value in row)
