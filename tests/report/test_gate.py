"""A gate on a console, as JSON, and in files."""

import io
import json
import math
import os

import pytest
from rich.console import Console

from idxbench.config.policy import Policy
from idxbench.errors import Problem, ResultError
from idxbench.report.gate import MOST, print_gate
from idxbench.report.gate_files import FILES, STEP_LIMIT, append_step_summary, clear, write_files
from idxbench.report.gate_json import gate_json
from idxbench.verdicts.gate.outcome import judge
from idxbench.verdicts.gate.records import Alarm, Gate, Outcome
from tests.verdicts.gate.made import cell, change, comparison

NAN = math.nan


def a_gate(*changes, alarms=(), **more):
    made = comparison(*changes, **more)
    outcome = judge(made, alarms=alarms)
    return Gate(outcome, "results/a", "results/b", made, Policy(), "defaults", tuple(alarms))


def printed(gate, out=None):
    text = io.StringIO()
    print_gate(gate, out, Console(file=text, width=120, highlight=False))
    return text.getvalue()


def test_a_regression(tmp_path):
    gate = a_gate(change("regressed", effect=0.113), change("same"), change("advisory", gated=False))
    said = printed(gate, tmp_path)
    assert said.startswith("Gate: regressed (exit 1)\n")
    assert "1 of 2 gated figures worse, beyond the floor" in said
    assert "1.12x slower [1.09, 1.15] n=20" in said
    assert "hnswlib: 0.8.0 -> 0.9.0" in said
    assert "Gated figures: 1 regressed, 1 same" in said
    assert "Not gated: 1 advisory" in said
    assert f"Written to {tmp_path}" in "".join(said.splitlines())


def test_the_table_is_cut_and_says_so():
    said = printed(a_gate(*[change("regressed")] * (MOST + 7)))
    assert said.count(" regressed ") >= MOST
    assert "7 more are in verdict.json" in said


def test_names_are_no_markup():
    said = printed(a_gate(change("regressed", where=cell(strategy="[red]x[/red]"))))
    assert "[red]x[/red]" in said


def test_no_name_starts_a_line():
    """GitHub takes a line that begins with :: for a command."""
    said = printed(a_gate(change("regressed", where=cell(strategy="::error::x"))))
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())


def test_alarms():
    alarms = [
        Alarm(cell(), True, True, "12 % worse since 2026-11-18"),
        Alarm(cell(), False, True, "6 % worse since 2026-11-20"),
        Alarm(None, False, True, "all indexes together: 20 % worse"),
    ]
    said = printed(a_gate(change("same"), alarms=alarms))
    assert said.startswith("Gate: regressed (exit 1)\n")
    assert "confirmed: " in said
    assert said.count("candidate: ") == 2


def test_json_holds_everything():
    read = json.loads(gate_json(a_gate(change("inconclusive", low=NAN, high=math.inf, why="5 rounds"), change("same"))))
    assert (read["schema_version"], read["exit_code"], read["status"]) == (1, 3, "inconclusive")
    assert read["counts"]["gated"]["inconclusive"] == 1
    assert read["counts"]["gated"]["regressed"] == 0
    first = read["changes"][0]
    assert (first["measure"], first["strategy"], first["build"]) == ("qps_batch", "raw", '{"M":16}')
    assert first["low"] is None
    assert first["high"] is None
    assert first["why"] == "5 rounds"
    assert read["differences"] == [{"what": "hnswlib", "base": "0.8.0", "new": "0.9.0", "breaks_times": False}]
    assert read["policy"]["level"] == 0.99
    assert set(read["changes"][0]) >= {"floor", "declared", "detectable", "n", "basis", "effect", "unit", "kind"}


def test_json_of_a_mistake():
    gate = Gate(Outcome(2, "error", ("x",)), "", "b", problems=(Problem("p.toml", "TOML", "nothing", "write it"),))
    read = json.loads(gate_json(gate))
    assert (read["exit_code"], read["problems"][0]["fix"], read["changes"]) == (2, "write it", [])


def test_files_are_whole_and_leave_nothing_else(tmp_path):
    out = tmp_path / "deep" / "gate"
    clear(out)
    assert list(out.iterdir()) == []
    write_files(a_gate(change("same")), out)
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    clear(out)
    assert list(out.iterdir()) == []


def test_a_file_that_breaks_leaves_the_old_one(tmp_path, monkeypatch):
    write_files(a_gate(change("same")), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultError, match="No space left on device"):
        write_files(a_gate(change("regressed")), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ResultError, match="a folder this user can write to"):
        clear(tmp_path / "out")


def test_step_summaries_stay_within_the_limit(tmp_path):
    gate = a_gate(*[change("regressed", why="because " * 20)] * 10_000)
    path = tmp_path / "summary"
    for _ in range(3):
        append_step_summary(gate, path)
    assert path.stat().st_size <= STEP_LIMIT
    assert path.read_text().count("## idxbench gate") == 2
