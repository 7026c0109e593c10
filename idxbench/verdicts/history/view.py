"""A history as it is shown: a config and machine at a time, series worst first."""

import math
from collections.abc import Sequence

from idxbench.config.policy import Policy
from idxbench.store.history import Event, History
from idxbench.verdicts.history.judge import boards, judge
from idxbench.verdicts.history.records import Nights, Shown
from idxbench.verdicts.history.select import matches
from idxbench.verdicts.history.tonight import worst_first


def view(history: History, words: Sequence[str] = (), policy: Policy | None = None) -> tuple[Nights, ...]:
    """Judge a history and keep the series that words select; those left out still tell what all did together.

    Without a policy each figure is judged as by the newest run that has it.
    """
    found = []
    for board in boards(history.rows, history.events, policy):
        shown, together = judge(board, history.events)
        kept = sorted((one for one in shown if matches(one.cell, one.name, words)), key=_badness)
        if kept:
            newest = board.nights[-1].runs[-1].partition("#")[0]
            started = tuple(night.started for night in board.nights)
            pinned = _pinned(history.events, {run for night in board.nights for run in night.runs})
            found.append(Nights(board.machine, board.name, started, newest, tuple(kept), together, pinned))
    return tuple(found)


def worsening(shown: Shown, reference: float) -> float:
    """Return by how much the newest figure is worse than a reference: a share of it, or a difference; NaN unknown."""
    value = newest_value(shown)
    if not shown.direction or math.isnan(value) or math.isnan(reference):
        return math.nan
    if shown.kind == "difference":
        return reference - value if shown.direction == "higher" else value - reference
    if value <= 0 or reference <= 0:
        return math.nan
    return (reference / value if shown.direction == "higher" else value / reference) - 1.0


def newest_value(shown: Shown) -> float:
    """Return the newest figure that counts; NaN where none does."""
    return next((point.value for point in reversed(shown.points) if not math.isnan(point.value)), math.nan)


def _badness(shown: Shown) -> tuple[bool, tuple[bool, bool, float], float]:
    if shown.alarm is not None:
        return False, worst_first(shown.alarm), 0.0
    moved = worsening(shown, shown.references.last)
    return True, (False, False, 0.0), -moved / max(shown.floor, 1e-9) if math.isfinite(moved) else math.inf


def _pinned(events: Sequence[Event], runs: set[str]) -> str:
    for event in reversed(events):
        known = [run for run in event.runs if run in runs]
        if event.kind == "pin" and known:
            return f"{known[-1].partition('#')[0]} ({event.reason})"
    return ""
