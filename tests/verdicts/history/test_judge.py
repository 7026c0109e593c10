"""From records to alarms: nights, flags, data, set-ups, events, references, and what all indexes do together."""

import math
from dataclasses import replace

import numpy as np
import pytest

from idxbench.config.policy import Metric, MetricChange, Policy
from idxbench.store.history import Event, History
from idxbench.verdicts.history.judge import boards, judge
from idxbench.verdicts.history.view import newest_value, view, worsening
from tests.nights.simulate import Simulated, plant, simulate
from tests.nights.written import history_row, night_rows, run_name, started

RNG = np.random.default_rng(0)


def nights(values, **changes):
    """Make one series, a value a night; a value may be a dict of changes, None no record."""
    rows = []
    for number, value in enumerate(values):
        if value is None:
            continue
        given = value if isinstance(value, dict) else {"value": value}
        rows.append(history_row(**{"run": run_name(number), "started": started(number)} | changes | given))
    return rows


def shown_of(rows, events=(), policy=None):
    ((board),) = boards(rows, events, policy or Policy())
    (shown,), _ = judge(board, events)
    return shown


def quiet(n, level=40_000.0):
    return list(level * np.exp(0.01 * RNG.standard_normal(n)))


def test_a_slower_night_is_a_candidate_and_a_faster_one_is_not():
    one = shown_of(nights([*quiet(20), 34_000.0]))
    assert (one.alarm.state, one.alarm.basis) == ("candidate", "night")
    # 40 to 34 thousand a second: 1.18 times the time.
    assert one.alarm.change == pytest.approx(40 / 34 - 1, abs=0.02)
    assert one.alarm.value == 34_000.0
    assert one.alarm.since == started(20)
    assert "1.18x slower since 2026-09-09" in one.alarm.text.replace("1.17x", "1.18x").replace("1.19x", "1.18x")
    assert shown_of(nights([*quiet(20), 46_000.0])).alarm is None


def test_directions_and_kinds():
    lower = [1 / value for value in quiet(20)]
    assert shown_of(nights([*lower, 1 / 34_000], metric="latency_p50", unit="s")).alarm is not None
    assert shown_of(nights([*lower, 1 / 46_000], metric="latency_p50", unit="s")).alarm is None
    recall = {"metric": "recall", "reference": "task", "unit": "share"}
    alarm = shown_of(nights([*[0.95] * 20, 0.94], **recall)).alarm
    assert alarm.change == pytest.approx(0.01)
    assert "0.01 lower" in alarm.text
    assert shown_of(nights([*[0.95] * 20, 0.946], **recall)).alarm is None
    assert shown_of(nights([*[0.95] * 20, 0.97], **recall)).alarm is None


def test_a_metric_without_a_direction_is_shown_and_never_an_alarm():
    one = shown_of(nights([*quiet(20), 1.0], metric="compile_time", unit="s"))
    assert one.alarm is None
    assert one.direction == ""
    assert one.noise is not None


def test_the_policy_decides():
    rows = nights([*quiet(20), 34_000.0])
    assert shown_of(rows, policy=Policy(metrics={"qps_batch": MetricChange(floor=0.3)})).alarm is None
    assert not shown_of(rows, policy=Policy(metrics={"qps_batch": MetricChange(gate=False)})).alarm.gated


def test_strategies_and_depths_that_a_policy_leaves_out_are_shown_and_never_gated():
    rows = nights([*quiet(20), 34_000.0])
    strategy = rows[0].strategy
    assert shown_of(rows, policy=Policy(strategies=(strategy,))).alarm.gated
    assert not shown_of(rows, policy=Policy(strategies=("another",))).alarm.gated
    # A time stands at the depth that was searched; recall at a depth of its own.
    assert shown_of(rows, policy=Policy(k=(rows[0].k + 1,))).alarm.gated
    recall = {"metric": "recall", "reference": "task", "unit": "share", "k": 10}
    fell = nights([*[0.95] * 20, 0.90], **recall)
    assert shown_of(fell, policy=Policy(k=(10,))).alarm.gated
    assert not shown_of(fell, policy=Policy(k=(100,))).alarm.gated


def test_without_a_policy_that_of_the_newest_run_decides():
    lenient, strict = Metric(direction="higher", floor=0.3), Metric(direction="higher", floor=0.05, gate=False)
    rows = nights([*quiet(20), {"value": 34_000.0, "judged": lenient}], judged=strict)
    assert shown_of(rows, policy=Policy()).alarm is not None
    ((board),) = boards(rows, [], None)
    assert judge(board, [])[0][0].alarm is None
    assert judge(board, [])[0][0].floor == 0.3
    rows[-1] = replace(rows[-1], judged=strict)
    assert judge(*boards(rows, [], None), [])[0][0].alarm.gated is False
    # Records of an older idxbench say nothing: the defaults.
    rows[-1] = replace(rows[-1], judged=None)
    assert judge(*boards(rows, [], None), [])[0][0].alarm.gated is True


@pytest.mark.parametrize("flag", ["unstable", "interrupted", "incomplete"])
def test_nights_with_a_flag_are_left_out(flag):
    bad = {"value": 20_000.0, "flags": (flag,)}
    one = shown_of(nights([*quiet(20), bad, bad, bad]))
    assert one.alarm is None
    assert math.isnan(one.points[-1].value)
    assert one.points[-1].flags == (flag,)
    assert newest_value(one) == one.points[19].value


def test_runs_of_one_night():
    rows = nights(quiet(20))
    again = {"run": run_name(20, hours=3), "started": started(20, hours=3)}
    rows += nights([None] * 20 + [33_000.0]) + nights([None] * 20 + [34_000.0], **again)
    one = shown_of(rows)
    assert (one.alarm.state, one.alarm.basis) == ("confirmed", "rerun")
    assert one.points[-1].value == 33_500.0
    assert one.points[-1].runs == (run_name(20), run_name(20, hours=3))
    # 13 hours later is another night.
    later = {"run": run_name(20, hours=13), "started": started(20, hours=13)}
    rows = nights(quiet(20)) + nights([None] * 20 + [33_000.0]) + nights([None] * 20 + [34_000.0], **later)
    assert shown_of(rows).alarm.basis == "nights"


@pytest.mark.parametrize("what", ["data", "setup"])
def test_other_data_and_another_setup_start_anew(what):
    rows = nights(quiet(20)) + nights([None] * 20 + quiet(10, 20_000.0), **{what: "new"})
    one = shown_of(rows)
    assert one.alarm is None
    assert one.points[-1].segment == 1
    assert one.references.best == max(row.value for row in rows[20:])


def test_accepting_ends_an_alarm_and_keeps_watching():
    rows = nights([*quiet(20), *quiet(12, 34_000.0)])
    assert shown_of(rows).alarm.state == "confirmed"
    event = Event("accept", started(40), "box", "bigger vectors", started=started(20), select=("metric=qps_batch",))
    assert shown_of(rows, [event]).alarm is None
    other = Event("accept", started(40), "box", "x", started=started(20), select=("metric=latency_p50",))
    assert shown_of(rows, [other]).alarm is not None
    rows += nights([None] * 32 + [29_000.0])
    assert shown_of(rows, [event]).alarm.state == "candidate"


@pytest.mark.parametrize("hours", [0, 2])
def test_accepting_a_night_is_of_all_its_runs(hours):
    again = {"run": run_name(20, hours=2), "started": started(20, hours=2)}
    rows = nights([*quiet(20), 33_000.0]) + nights([None] * 20 + [34_000.0], **again)
    event = Event("accept", started(21), "box", "meant", started=started(20, hours=hours), select=("all",))
    assert shown_of(rows).alarm.basis == "rerun"
    assert shown_of(rows, [event]).alarm is None
    # The night before is not of it.
    assert shown_of(nights([*quiet(19), 33_000.0]), [event]).alarm is not None


def test_accepting_by_config():
    rows = nights([*quiet(20), 33_000.0])
    event = Event(
        "accept", started(21), "box", "meant", started(20, hours=1), select=("all",), nights={"nightly": started(20)}
    )
    assert shown_of(rows, [event]).alarm is None
    assert shown_of([replace(row, name="other") for row in rows], [event]).alarm is not None


def test_accepting_a_day_beforehand():
    rows = nights([*quiet(20), 33_000.0])
    for night, accepted in ((20, True), (21, False)):
        event = Event("accept", started(19), "box", "meant", started=started(night)[:10], select=("all",))
        assert (shown_of(rows, [event]).alarm is None) == accepted


def test_references():
    values = [40_000.0, 50_000.0, *[40_000.0 + number for number in range(15)], 30_000.0]
    rows = nights(values)
    pin = Event("pin", started(90), "box", "1.0", runs=(run_name(2),))
    one = shown_of(rows, [pin])
    assert one.references.last == np.median(values[-11:-1])
    assert one.references.pin == 40_000.0
    assert one.references.best == 50_000.0
    assert worsening(one, one.references.best) == pytest.approx(50 / 30 - 1)
    assert worsening(one, one.references.pin) == pytest.approx(40 / 30 - 1)
    # A later pin takes the place of an earlier one; one of other data says nothing.
    assert shown_of(rows, [pin, Event("pin", "", "box", "2", runs=(run_name(3),))]).references.pin == 40_001.0
    rows[3] = history_row(run=run_name(3), started=started(3), data="old", value=9.0)
    assert math.isnan(shown_of(rows, [pin, Event("pin", "", "box", "2", runs=(run_name(3),))]).references.pin)


def test_an_improvement_is_told():
    one = shown_of(nights([*quiet(20), *quiet(12, 50_000.0)]))
    assert one.alarm is None
    assert one.improved == pytest.approx(0.25, abs=0.03)


def test_a_figure_that_is_no_longer_measured_raises_nothing():
    rows = nights([*quiet(20), 30_000.0, 30_000.0])
    rows += nights([None] * 22 + [0.95] * 3, metric="recall", reference="task", unit="share")
    ((board),) = boards(rows, [], Policy())
    shown, _ = judge(board, [])
    assert [one.alarm for one in shown] == [None, None]


def rows_of(simulated, **last):
    n = simulated.levels.shape[1]
    found = [row for night in range(n - 1) for row in night_rows(simulated, night)]
    return [*found, *night_rows(simulated, n - 1, **last)]


def test_all_together_is_one_alarm_and_no_figure_of_its_own():
    slow = plant(simulate("gaussian", series=16, nights=30, seed=1), 0.2, at=29, which=slice(None))
    ((board),) = boards(rows_of(slow), [], Policy())
    shown, together = judge(board, [])
    assert [one.alarm for one in shown if one.alarm] == []
    assert (together.state, together.cell, together.gated) == ("candidate", None, False)
    assert together.change == pytest.approx(0.2, abs=0.05)
    assert "no library changed, so suspect the machine" in together.text


def test_all_together_with_a_new_library_is_no_machine():
    slow = plant(simulate("gaussian", series=16, nights=30, seed=1), 0.2, at=29, which=slice(None))
    ((board),) = boards(rows_of(slow, versions={"hnswlib": "0.9.0", "numpy": "2.1.0"}), [], Policy())
    _, together = judge(board, [])
    assert together.gated
    assert "hnswlib 0.8.0 -> 0.9.0" in together.text
    everything = Event("accept", started(40), "box", "slower and better", started=started(29), select=("all",))
    _, together = judge(*boards(rows_of(slow), [everything], Policy()), [everything])
    assert together is None


def test_accepting_what_all_did_in_a_night_that_ran_again():
    slow = plant(simulate("gaussian", series=16, nights=30, seed=1), 0.2, at=29, which=slice(None))
    again = {"run": run_name(29, hours=2), "started": started(29, hours=2)}
    rows = [*rows_of(slow), *night_rows(slow, 29, **again)]
    everything = Event("accept", started(30), "box", "meant", started=started(29, hours=2), select=("all",))
    assert judge(*boards(rows, [], Policy()), [])[1] is not None
    assert judge(*boards(rows, [everything], Policy()), [everything])[1] is None


def test_one_index_among_many():
    slow = plant(simulate("drift", series=16, nights=40, seed=2), 0.2, at=38, which=[4, 5])
    ((board),) = boards(rows_of(slow), [], Policy())
    shown, together = judge(board, [])
    assert {one.cell.strategy for one in shown if one.alarm} == {"s02"}
    assert together is None


def test_no_night_counts_that_was_not_corrected():
    """Nights left out must not bring in older ones as they were measured: a drift would be a change point of all."""
    nights = 130
    quiet = simulate("gaussian", series=16, nights=nights, seed=4)
    flagged = np.zeros(nights, bool)
    flagged[60:120] = True
    drifting = Simulated(quiet.levels + 0.01 * np.arange(nights), flagged)
    ((board),) = boards(rows_of(drifting), [], Policy())
    shown, _ = judge(board, [])
    assert [one.alarm.text for one in shown if one.alarm] == []


def test_worst_first_and_words(tmp_path):
    simulated = plant(simulate("gaussian", series=16, nights=40, seed=3), 0.2, at=39, which=[8])
    simulated = plant(simulated, 0.3, at=30, which=[3])
    rows = rows_of(simulated)
    ((seen),) = view(History(tmp_path, "box", tuple(rows), ()))
    assert [one.alarm.state for one in seen.shown if one.alarm] == ["confirmed", "candidate"]
    assert [one.cell.strategy for one in seen.shown[:2]] == ["s01", "s04"]
    ((seen),) = view(History(tmp_path, "box", tuple(rows), ()), ["metric=recall@task"])
    assert {one.cell.metric for one in seen.shown} == {"recall"}
    assert view(History(tmp_path, "box", tuple(rows), ()), ["metric=none"]) == ()


def test_several_configs_are_judged_apart():
    rows = nights(quiet(20)) + nights(quiet(20, 10.0), name="other")
    assert [board.name for board in boards(rows, [], Policy())] == ["nightly", "other"]


def test_the_first_night():
    flat = Simulated(np.zeros((8, 1)), np.zeros(1, bool))
    ((board),) = boards(rows_of(flat), [], Policy())
    shown, together = judge(board, [])
    assert together is None
    assert {one.alarm for one in shown} == {None}
    assert {one.noise for one in shown} == {None}
