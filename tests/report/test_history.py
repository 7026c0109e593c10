"""Nights on an injected console, as JSON and CSV, and as Apache Otava wants them."""

import csv
import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from idxbench.records import Notice
from idxbench.report.history import (
    history_csv,
    history_json,
    print_history,
    show_history,
    sparkline,
    status_line,
    value_text,
    worse_text,
)
from idxbench.report.otava import otava_config, otava_csv
from idxbench.store.history import Event, History
from idxbench.verdicts.history.view import view
from tests.nights.simulate import plant, simulate
from tests.nights.written import history_row, night_rows, run_name, started


def history(tmp_path, *, nights=30, step=0.2, events=(), drop=()):
    simulated = simulate("gaussian", series=8, nights=nights, seed=5, sd=0.02)
    simulated = plant(simulated, step, at=nights - 8, which=[1])
    rows = [row for night in range(nights) for row in night_rows(simulated, night) if (night, row.metric) not in drop]
    return History(tmp_path, "box", tuple(rows), tuple(events))


def printed(seen, *, notices=(), rows=25, last=20, plain=False):
    text = io.StringIO()
    console = Console(file=text, width=120, highlight=False)
    print_history(seen, notices, console, last=last, rows=rows, plain=plain)
    return text.getvalue()


def series(values, *, kind="ratio", floor=0.05):
    name, unit = ("qps_batch", "1/s") if kind == "ratio" else ("unheard_of", "share")
    rows = [
        history_row(value=value, metric=name, unit=unit, run=run_name(night), started=started(night))
        for night, value in enumerate(values)
        if value is not None
    ]
    ((seen),) = view(History(None, "box", tuple(rows), ()))
    return seen.shown[0], [started(night) for night in range(len(values))]


def test_the_table(tmp_path):
    pin = Event("pin", started(29), "box", "release [1.0]", runs=(run_name(3),))
    text = printed(view(history(tmp_path, events=[pin])))
    assert "nightly on box: hnswlib M16 c200" in text
    first = next(line for line in text.splitlines() if line.startswith(" s00"))
    assert first.split()[:4] == ["s00", "ef", "40", "latency_p50"]
    assert first.rstrip().endswith("confirmed")
    assert "release [1.0]" in " ".join(text.split())
    for word in ("last 10", "pin", "best", "noise", "oldest left", "+ is worse"):
        assert word in " ".join(text.split())
    assert "1. confirmed: s00 ef 40 latency_p50: 1.2" in text
    assert "idxbench history accept metric=latency_p50 'strategy=s00' --reason TEXT --machine box" in text
    assert text.rstrip().splitlines()[-1].startswith("nightly on box: 1 confirmed alarm among 12 series, 30 nights")


def test_without_a_pin_there_is_no_column(tmp_path):
    head = next(line for line in printed(view(history(tmp_path))).splitlines() if "newest" in line)
    assert "pin" not in head.split()


def test_quiet_rows_are_counted_and_alarms_always_shown(tmp_path):
    text = printed(view(history(tmp_path)), rows=1)
    assert "Not shown: 11 more without an alarm" in text
    assert "confirmed" in text
    assert "Not shown" not in printed(view(history(tmp_path)), rows=0)


def test_silence(tmp_path):
    text = printed(view(history(tmp_path, step=0.0)), notices=[Notice("history-torn", "a line [x]", "do")])
    assert "no alarms among 12 series" in text
    assert "Note: a line [x]; do." in text
    assert "Meant to be?" not in text


def test_what_is_missing_tonight_is_said(tmp_path):
    text = printed(view(history(tmp_path, step=0.0, drop={(29, "recall")})))
    assert text.count("not since 09-17") == 4


def test_sparklines():
    one, nights = series([100.0, 120.0, None, 140.0, 160.0, 200.0])
    assert sparkline(one, nights) == "▁▂·▄▅█"
    assert sparkline(one, nights, plain=True) == "_.?:=#"
    assert sparkline(one, nights[-3:]) == "▁▃█"
    assert sparkline(one, ["2020-01-01"]) == "·"


def test_noise_below_the_floor_is_flat():
    one, nights = series([100.0, 100.5, 99.5, 100.0])
    assert set(sparkline(one, nights)) <= {"▄", "▅"}
    one, nights = series([0.5] * 3, kind="difference")
    assert len(set(sparkline(one, nights))) == 1


@pytest.mark.parametrize(
    ("value", "unit", "kind", "text"),
    [
        (1.1e-4, "s", "ratio", "110 µs"),
        (0.25, "s", "ratio", "0.250 s"),
        (41_234.0, "1/s", "ratio", "41.2k"),
        (2.76e6, "bytes", "ratio", "2.76 MB"),
        (0.9534, "share", "difference", ".953"),
        (math.nan, "s", "ratio", "–"),
    ],
)
def test_values(value, unit, kind, text):
    assert value_text(value, unit, kind) == text


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (0.1234, "ratio", "+12.3%"),
        (-0.05, "ratio", "-5.0%"),
        (1e-5, "ratio", "0.0%"),
        (0.0112, "difference", "+.011"),
        (-1e-5, "difference", ".000"),
        (math.nan, "ratio", "–"),
    ],
)
def test_changes(change, kind, text):
    assert worse_text(change, kind) == text


def test_ascii_only(tmp_path, capsys):
    show_history(view(history(tmp_path)), [], last=20, rows=25, plain=True)
    said = capsys.readouterr().out
    assert said.isascii()
    assert all(line == line.rstrip() for line in said.splitlines())


def test_json(tmp_path):
    read = json.loads(history_json(view(history(tmp_path)), [Notice("a", "b", "c")]))
    assert read["schema"] == "idxbench-history/1"
    (one,) = read["histories"]
    assert one["shown"][0]["alarm"]["state"] == "confirmed"
    assert one["shown"][0]["references"]["pin"] is None
    assert len(one["shown"][0]["points"]) == 30
    assert read["warnings"] == [{"code": "a", "text": "b", "advice": "c"}]


def test_csv(tmp_path):
    rows = list(csv.DictReader(io.StringIO(history_csv(view(history(tmp_path))))))
    assert len(rows) == 12 * 30
    assert rows[0]["machine"] == "box"
    assert float(rows[0]["value"]) > 0
    assert {row["segment"] for row in rows if row["strategy"] == "s00" and row["search"] == '{"ef":40}'} >= {"0", "1"}


def test_status_line_of_one_night(tmp_path):
    ((seen),) = view(history(tmp_path, nights=8, step=0.0))
    assert status_line(seen).startswith("nightly on box: no alarms among 12 series, 8 nights, the newest of 2026-08-27")


def test_otava_has_a_column_per_figure_and_no_gaps(tmp_path):
    known = history(tmp_path, drop={(0, "recall"), (4, "recall")})
    ((seen),) = view(known)
    rows = list(csv.DictReader(io.StringIO(otava_csv(seen, known))))
    assert len(rows) == 30
    assert list(rows[0])[:3] == ["time", "run", "commit"]
    values = np.array([[float(value) for value in list(row.values())[3:]] for row in rows])
    assert values.shape == (30, 12)
    assert np.isfinite(values).all()
    config = otava_config(seen, tmp_path / "nights.csv")
    for name in list(rows[0])[3:]:
        assert f"{json.dumps(name)}: {{column: {json.dumps(name)}, direction: " in config
    assert "direction: -1" in config
    assert f"file: {json.dumps(str(tmp_path / 'nights.csv'))}" in config
