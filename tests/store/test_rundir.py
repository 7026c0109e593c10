"""The run directory: a unit counts once, a session knows what was done before, tables are made of the journal."""

import csv
import json
import math

import numpy as np
import pytest

from idxbench.errors import ResultError
from idxbench.records import Measurement, csv_row, read_measurements
from idxbench.store.files import DiskFullError
from idxbench.store.round_rows import read_rounds
from idxbench.store.rundir import Failure, RunDirectory
from tests.store.made import round_row

NAN = math.nan
DIED = Failure("raw", "numpy", "", (), "died")


def row(metric="recall", value=0.5):
    return Measurement("retrieve", "raw", "dot", "numpy", "", "", 5, metric, "own", value, NAN, NAN, 3, "share")


def unit(name):
    return {"kind": "cell", "name": name}


@pytest.fixture
def run(tmp_path):
    made = RunDirectory.create(tmp_path, "a = 1\n", "0123")
    made.write_info({"status": "running"})
    yield made
    made.release()


def again(run):
    """What the next process finds after a kill."""
    run.release()
    found = RunDirectory.reopen(run.path)
    found.begin()
    return found


def values(run):
    on_disk = [(one.metric, one.value) for one in read_measurements(run.path / "measurements.csv")]
    assert on_disk == [(one.metric, one.value) for one in run.rows]
    return on_disk


def test_a_unit_counts_once_and_the_rows_of_the_first_time_count(run):
    run.append(unit("a"), [row("recall", 0.1)], rounds=[round_row()])
    run.append({"name": "a", "kind": "cell"}, [row("recall", 0.2)], rounds=[round_row(1)])
    assert run.has(unit("a"))
    assert not run.has(unit("b"))
    assert values(run) == [("recall", 0.1)]
    later = again(run)
    later.append(unit("a"), [row("recall", 0.3)])
    later.append(unit("b"), [row("recall", 0.4)], rounds=[round_row(1)])
    assert values(later) == [("recall", 0.1), ("recall", 0.4)]
    assert [one.round for one in later.rounds] == [0, 1]
    assert read_rounds(later.path) == tuple(later.rounds)
    assert (run.session, later.session) == (1, 2)
    later.release()


def test_what_failed_is_not_done_and_a_later_session_tries_it_again(run):
    run.append(unit("a"), [row("failed", 1.0)], DIED)
    assert not run.has(unit("a"))
    assert values(run) == [("failed", 1.0)]
    later = again(run)
    assert values(later) == []
    later.append(unit("a"), [row("recall", 0.9)])
    assert later.has(unit("a"))
    later.append(unit("a"), [row("failed", 1.0)], DIED)  # it stands
    assert values(later) == [("recall", 0.9)]
    assert "".join((later.path / "journal.jsonl").read_text().splitlines()).count('"status": "failed"') == 1
    later.release()


def test_what_failed_and_is_done_in_the_same_session_counts_as_done(run):
    run.append(unit("a"), [row("failed", 1.0)], DIED)
    run.append(unit("a"), [row("recall", 0.9)])
    run.settle()
    assert values(run) == [("recall", 0.9)]


def test_tables_that_a_kill_left_behind_are_made_anew(run):
    run.append(unit("a"), [row("recall", 0.1)], rounds=[round_row()])
    with (run.path / "measurements.csv").open("a", newline="") as file:
        csv.writer(file).writerow(csv_row(row("recall", 0.2)))
        file.write("retrieve,raw")
    (run.path / "rounds.csv").write_text("torn")
    later = again(run)
    assert values(later) == [("recall", 0.1)]
    assert len(read_rounds(later.path)) == 1
    later.release()


@pytest.mark.parametrize("times", [1, 2])
def test_a_torn_line_is_dropped_and_the_next_one_starts_a_line_of_its_own(run, times):
    run.append(unit("a"), [row("recall", 0.1)])
    for n in range(times):  # twice in a row: torn, resumed, torn before anything was done
        whole = (run.path / "journal.jsonl").read_bytes()
        (run.path / "journal.jsonl").write_bytes(whole + b'{"schema_version": 1, "uni')
        run = again(run)
        assert run.session == n + 2
        assert values(run) == [("recall", 0.1)]
    run.append(unit("b"), [row("recall", 0.2)])
    lines = (run.path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["unit"]["kind"] for line in lines] == ["session", "cell", *["session"] * times, "cell"]
    run.release()


def test_a_journal_cut_at_any_byte_can_be_gone_on_with(run):
    run.append(unit("a"), [row("recall", 0.1)], told={"facts": {"x": 1}})
    run.append(unit("b"), [row("recall", 0.2)])
    data = (run.path / "journal.jsonl").read_bytes()
    for cut in range(0, len(data) + 1, 7):
        run.release()
        (run.path / "journal.jsonl").write_bytes(data[:cut])
        run = RunDirectory.reopen(run.path)
        run.begin()
        for name, value in (("a", 0.1), ("b", 0.2)):
            if not run.has(unit(name)):
                run.append(unit(name), [row("recall", value)])
        assert sorted(values(run)) == [("recall", 0.1), ("recall", 0.2)]
    run.release()


def test_a_line_changed_in_the_middle_is_no_run_to_go_on_with(run):
    run.append(unit("a"), [row("recall", 0.1)])
    data = (run.path / "journal.jsonl").read_bytes()
    run.release()
    (run.path / "journal.jsonl").write_bytes(b"x" + data[1:])
    with pytest.raises(ResultError, match="line 1"):
        RunDirectory.reopen(run.path)
    (run.path / "journal.jsonl").write_bytes(data)
    RunDirectory.reopen(run.path).release()  # the refusal let go of the lock


def test_nothing_changes_before_a_session_begins(run):
    run.append(unit("a"), [row("recall", 0.1)])
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(b"torn")
    run.release()
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    found = RunDirectory.reopen(run.path)
    found.release()
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before
    assert found.session == 0
    assert found.info == {"status": "running"}


def test_what_was_told_comes_back(run):
    run.append(unit("a"), [], told={"facts": {"x": [1]}})
    assert run.told(unit("a")) == {"facts": {"x": [1]}}
    assert run.told(unit("b")) == {}
    later = again(run)
    assert later.told(unit("a")) == {"facts": {"x": [1]}}
    later.release()


def test_arrays_belong_to_the_line_after_them(run):
    run.save_arrays("kept|a", {"x": np.arange(3)})
    run.append(unit("a"), [])
    run.save_arrays("kept|b", {"x": np.arange(4)})  # killed before its line was written
    later = again(run)
    assert later.load_arrays("kept|a")["x"].tolist() == [0, 1, 2]
    assert later.load_arrays("kept|b") is None
    assert later.load_arrays("kept|c") is None
    assert len(list((run.path / "parts").iterdir())) == 1
    later.release()


def test_samples_are_those_of_the_rows_that_count(run):
    """A cell is measured a second time, since its build was: its rows and samples are those of the first."""
    run.save_queries("one", {"latency": np.ones(2)})
    run.append(unit("one"), [row("recall", 0.1)])
    run.save_queries("two", {"latency": np.ones(2)})  # killed: no line
    later = again(run)
    for name, value in (("one", 7.0), ("two", 8.0)):
        later.save_queries(name, {"latency": np.full(3, value)})
        later.append(unit(name), [row("recall", value)])
    later.settle()
    with np.load(later.path / "queries.npz") as samples:
        assert samples["cells"].tolist() == ["one", "two"]
        assert samples["0/latency"].tolist() == [1, 1]
        assert samples["1/latency"].tolist() == [8, 8, 8]
    later.release()


def test_scratch_of_a_killed_session_goes_and_built_indexes_stay(run):
    (run.work / "space-0").mkdir()
    (run.indexes / "a.bin").write_text("graph")
    first = run.work
    later = again(run)
    assert later.work != first
    assert not first.exists()
    assert later.work.is_dir()
    assert (later.indexes / "a.bin").read_text() == "graph"
    later.leave()
    assert (later.indexes / "a.bin").is_file()
    assert not later.work.exists()
    assert not (later.path / "parts").exists()
    later.finish()
    assert not (later.path / "work").exists()
    later.release()


def test_a_failure_for_want_of_disk_is_none_of_the_index(run):
    full = Failure("raw", "numpy", "", (), "OSError: [Errno 28] No space left on device")
    with pytest.raises(DiskFullError):
        run.append(unit("a"), [row("failed", 1.0)], full)
    assert not run.rows
    assert "failed" not in (run.path / "journal.jsonl").read_text()


def test_a_full_disk_loses_nothing_that_stood(run, monkeypatch):
    run.append(unit("a"), [row("recall", 0.1)])
    before = (run.path / "journal.jsonl").read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idxbench.store.files.os.fsync", full)
    with pytest.raises(DiskFullError):
        run.append(unit("b"), [row("recall", 0.2)])
    monkeypatch.undo()
    assert (run.path / "journal.jsonl").read_bytes() == before
    later = again(run)
    assert values(later) == [("recall", 0.1)]
    later.release()


def test_ids_are_those_of_the_units(run):
    run.identify = lambda given: f"id of {given['name']}"
    run.append(unit("a"), [])
    lines = [json.loads(line) for line in (run.path / "journal.jsonl").read_text().splitlines()]
    assert [line["session"] for line in lines] == [1, 1]
    assert lines[1]["id"] == "id of a"
    assert {"pid", "host", "boot", "started", "idxbench"} <= lines[0]["unit"].keys()


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path):
    runs = [RunDirectory.create(tmp_path, "", "0123") for _ in range(3)]
    assert len({run.path for run in runs}) == 3
    for run in runs:
        run.release()


def test_an_unwritable_parent(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match="--out"):
        RunDirectory.create(tmp_path / "file" / "below", "", "x")
