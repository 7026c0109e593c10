"""``idxbench report`` as a user calls it."""

import pytest

from tests.report.html.examples import make_run


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "results" / "hand" / "20261121T120000Z-aa").path


def test_the_page_is_written_and_named(call, folder, tmp_path):
    done = call("report", folder, "--html", "r.html")
    assert done.stdout == "Written to r.html\n"
    assert done.stderr == ""
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "Recall@10 of at least .95" in text


def test_a_parent_means_its_newest_run(call, folder, tmp_path):
    call("report", "results", "--html", "r.html")
    assert folder.name in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_without_html_the_tables_are_printed(call, folder):
    assert "Retrieve: top 10, hnswlib" in call("report", folder).stdout


def test_nothing_is_overwritten_without_force(call, folder, tmp_path):
    (tmp_path / "r.html").write_text("mine")
    said = call("report", folder, "--html", "r.html", code=2).stderr
    assert "--force overwrites it" in said
    assert (tmp_path / "r.html").read_text() == "mine"
    call("report", folder, "--html", "r.html", "--force")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("target", "words"), [(".", "a folder"), ("none/r.html", "a folder that exists"), ("results", "a folder")]
)
def test_targets_that_can_not_be_written(call, folder, target, words):
    assert words in call("report", folder, "--html", target, code=2).stderr


def test_a_run_that_is_none(call, tmp_path):
    assert "a run directory" in call("report", "nothing", "--html", "r.html", code=2).stderr
    assert not (tmp_path / "r.html").exists()


def test_torn_samples_are_a_message(call, folder, tmp_path):
    (folder / "queries.npz").write_bytes(b"PK\x03\x04torn")
    assert "a readable queries.npz" in call("report", folder, "--html", "r.html", code=2).stderr
    assert not (tmp_path / "r.html").exists()
