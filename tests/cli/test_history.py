"""``idxbench history`` as a user runs it: nights added, shown, pinned, accepted, exported; and mistakes."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from idxbench.records import Measurement, load_run
from idxbench.store.history import add_rows, read_history
from idxbench.verdicts.history.recorded import rows_of
from tests.nights.simulate import plant, simulate
from tests.nights.written import night_rows, run_name, started, write_history
from tests.verdicts.runs.examples import Arm, write_run


@pytest.fixture
def nights(tmp_path):
    """Write 40 nights of two machines; on one of them one figure is slower in the last eight."""
    quiet = simulate("gaussian", series=8, nights=40, seed=5, sd=0.02)
    write_history(tmp_path / "history", plant(quiet, 0.2, at=32, which=[1]))
    write_history(tmp_path / "history", quiet, machine="other")


@pytest.fixture
def run_of(tmp_path):
    def make(night, extra=(), **info):
        stamp = datetime.fromisoformat(started(night)).strftime("%Y%m%dT%H%M%SZ")
        given = {"started": started(night), "environment": {"machine": "box"}} | info
        return write_run(
            tmp_path / "results" / f"{stamp}-0a1b2c3d", arms=[Arm("raw")], info=given, seed=night, extra=extra
        )

    return make


def alarms_of(call):
    read = json.loads(call("history", "show", "--json").stdout)
    return {(one["name"], one["alarm"]["basis"]) for view in read["histories"] for one in view["shown"] if one["alarm"]}


def fails(call, *arguments):
    done = call("history", *arguments, code=2)
    assert done.stdout == ""
    return " ".join(done.stderr.split())


def test_add_and_show(call, run_of, tmp_path):
    folder = run_of(0)
    said = call("history", "add", folder).stdout
    assert f"figures of {folder.name} added to history/box/2026-08.jsonl" in said
    assert "don't count" not in said
    path = tmp_path / "history" / "box" / "2026-08.jsonl"
    before = path.read_text()
    refused = fails(call, "add", folder)
    assert f"{folder.name}, which is" in refused
    assert path.read_text() == before
    call("history", "add", folder, "--correct")
    assert path.read_text().startswith(before)
    shown = call("history", "show").stdout
    assert "example on box: hnswlib M16 c200" in shown
    assert shown.splitlines()[-1].startswith("example on box: no alarms among")


def test_the_newest_of_a_parent_and_a_machine_by_name(call, run_of, tmp_path):
    run_of(0)
    newest = run_of(1)
    said = call("history", "add", "results", "--machine", "ci-1", "--history", "elsewhere").stdout
    assert newest.name in said
    assert {row.machine for row in read_history(tmp_path / "elsewhere", "ci-1").rows} == {"ci-1"}


def test_what_does_not_count_is_said(call, run_of):
    said = call("history", "add", run_of(0, status="interrupted")).stdout
    assert "of them don't count: interrupted" in said


def test_show_alarms_and_filters(call, nights):
    shown = call("history", "show").stdout
    assert " 1. confirmed: s00 ef 40 latency_p50: 1." in shown
    assert "x slower since 2026-09-21 (" in shown
    assert shown.splitlines()[-2].startswith("nightly on box: 1 confirmed alarm among 12 series, 40 nights")
    assert shown.splitlines()[-1].startswith("nightly on other: no alarms among 12 series")
    assert all(line == line.rstrip() for line in shown.splitlines())
    only = call("history", "show", "--machine", "other", "--metric", "recall*", "--strategy", "s01").stdout
    assert "among 1 series" in only
    assert "box" not in only
    read = json.loads(call("history", "show", "--json", "--machine", "box").stdout)
    assert [one["alarm"]["state"] for one in read["histories"][0]["shown"] if one["alarm"]] == ["confirmed"]
    assert call("history", "show", "--csv", "--machine", "box").stdout.count("\n") == 1 + 12 * 40


def test_output_that_is_no_utf8(call, nights):
    assert call("history", "show", PYTHONIOENCODING="ascii").stdout.isascii()
    assert call("history", "show", "--ascii").stdout.isascii()


def test_pin_and_accept(call, nights):
    said = call("history", "pin", "2026-08-25", "--reason", "release 1", "--machine", "box").stdout
    assert said == "pinned on box: 20260825T020000Z-0a1b2c3d\n"
    shown = call("history", "show", "--machine", "box").stdout
    assert "Pinned: 20260825T020000Z-0a1b2c3d (release 1)." in " ".join(shown.split())
    words = ("metric=latency_p50", "strategy=s00", "--reason", "exact ties")
    said = call("history", "accept", *words, "--machine", "box", "--since", "2026-09-21").stdout
    assert said == "accepted on box: 2 figures start anew with the night of 2026-09-21\n"
    assert "no alarms" in call("history", "show", "--machine", "box").stdout


def test_accepting_the_newest_night(call, nights, tmp_path):
    call("history", "accept", "all", "--reason", "new machine room", "--machine", "box")
    (event,) = read_history(tmp_path / "history", "box").events
    assert (event.started, event.select, event.reason) == (started(39), ("all",), "new machine room")
    assert "no alarms" in call("history", "show", "--machine", "box").stdout


def test_accepting_a_night_that_ran_again(call, tmp_path):
    slow = plant(simulate("gaussian", series=8, nights=21, seed=5, sd=0.02), 0.2, at=20, which=[1])
    write_history(tmp_path / "history", slow)
    again = {"run": run_name(20, hours=2), "started": started(20, hours=2)}
    add_rows(tmp_path / "history", night_rows(slow, 20, **again))
    assert alarms_of(call) == {("nightly", "rerun")}
    said = call("history", "accept", "all", "--reason", "meant").stdout
    assert said.endswith("figures start anew with the night of 2026-09-09\n")
    assert alarms_of(call) == set()


def test_accepting_tonight_of_several_configs(call, tmp_path):
    slow = plant(simulate("gaussian", series=8, nights=21, seed=5, sd=0.02), 0.2, at=20, which=[1])
    for night in range(21):
        for hours, name in enumerate("ab"):
            place = {"name": name, "run": run_name(night, hours=hours), "started": started(night, hours=hours)}
            add_rows(tmp_path / "history", night_rows(slow, night, **place))
    # One that runs no more: its last night is its own.
    for night in range(15):
        place = {"name": "old", "run": run_name(night, hours=3), "started": started(night, hours=3)}
        add_rows(tmp_path / "history", night_rows(slow, night, **place))
    assert alarms_of(call) == {("a", "night"), ("b", "night")}
    call("history", "accept", "all", "--reason", "meant")
    assert alarms_of(call) == set()
    (event,) = read_history(tmp_path / "history", "box").events
    assert event.nights == {"a": started(20), "b": started(20, hours=1), "old": started(14, hours=3)}


def test_the_policy_of_the_run(call, run_of, tmp_path):
    gate = {"gate": {"metrics": {"short_results": {"direction": "lower", "floor": 0.01, "kind": "difference"}}}}
    short = Measurement(
        "retrieve", "raw", "dot", "hnswlib", Arm("raw").build_json, '{"ef":10}', 10, "short_results", "", 0.0, 0.0, 0.0,
        200, "share",
    )  # fmt: skip
    for night in range(12):
        add_rows(tmp_path / "history", rows_of(load_run(run_of(night, [short], config=gate)), everything=True))
    call("history", "add", run_of(12, [replace(short, value=0.2)], config=gate))
    read = json.loads(call("history", "show", "--metric", "short_results", "--json").stdout)
    ((seen,),) = [one["shown"] for one in read["histories"]]
    assert seen["alarm"]["state"] == "candidate"


def test_export(call, nights, tmp_path):
    done = call("history", "export", "--otava", "nights.csv", "--machine", "box")
    assert done.stdout.startswith('tests:\n  "nightly":\n    type: csv\n')
    assert "otava analyze nightly" in done.stderr
    assert (tmp_path / "nights.csv").read_text().count("\n") == 41


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["show", "--history", "none"], ["none", "no such folder", "idxbench history add RUN"]),
        (["show", "--machine", "boxx"], ["--machine", "one of box, other", "boxx"]),
        (["show", "--metric", "latncy"], ["none for metric=latncy", "metrics latency_p50, recall@task"]),
        (["show", "--json", "--csv"], ["one of --json and --csv"]),
        (["show", "--last", "0"], ["--last"]),
        (["add", "none"], ["none", "no such folder"]),
        (["add", "history"], ["history", "no finished run"]),
        (["pin", "2026-08-25", "--reason", "x"], ["--machine", "one of box, other", "not given"]),
        (["pin", "2027-01-01", "--reason", "x", "--machine", "box"], ["a run of box", "the newest is 20260928T0"]),
        (["pin", "2026-08-25", "--reason", " ", "--machine", "box"], ["--reason", "why"]),
        (["pin", "2026-08-25", "--machine", "box"], ["--reason"]),
        (["accept", "ef=41", "--reason", "x", "--machine", "box"], ["CELL", "none for ef=41"]),
        (["accept", "all", "--reason", "x", "--machine", "box", "--since", "May"], ["--since", "a day", "May"]),
        (["export", "--machine", "box", "--otava", "no/where.csv"], ["no/where.csv", "an existing folder"]),
        (["export", "--machine", "box", "--otava", "n.csv", "--name", "x"], ["--name", "one of nightly"]),
    ],
)
def test_mistakes(call, nights, arguments, parts):
    said = fails(call, *arguments)
    for part in parts:
        assert part in said


def test_a_broken_line_is_named(call, nights, tmp_path):
    path = tmp_path / "history" / "box" / "2026-08.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "oops", *lines[4:], ""]))
    assert "history/box/2026-08.jsonl:5" in fails(call, "show")


def test_a_machine_that_has_no_name(call, run_of):
    folder = run_of(0, environment={"processor": ""})
    assert "environment.machine" in fails(call, "add", folder)
    assert "letters, digits" in fails(call, "add", folder, "--machine", "../x")


def test_help(call):
    said = call("history", "--help").stdout
    for word in ("add", "show", "pin", "accept", "export"):
        assert word in said
    assert "--correct" in call("history", "add", "--help").stdout
    assert "RUN|DATE" in call("history", "pin", "--help").stdout
