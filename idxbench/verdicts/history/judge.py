"""Series judged as of their newest night: alarms of single figures, and of all indexes together."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idxbench.config.policy import Policy
from idxbench.store.history import Event, HistoryRow
from idxbench.verdicts.history.board import Board, accepts_all, first_new, make_board
from idxbench.verdicts.history.movement import shared_movement
from idxbench.verdicts.history.records import Alarm, Noise, Point, References, Shown
from idxbench.verdicts.history.rules import RECENT, WIDTH_LEVEL, WINDOW, Found, Spread, find_change
from idxbench.verdicts.history.words import alarm_text, together_text

# The median that the newest night is shown against.
LAST = 10
# Nights from which what all did is taken away: 50 that count are wanted, and some don't.
_LOOKED_AT = 2 * WINDOW
# All indexes together have moved from this on: the floor of a time.
TOGETHER_FLOOR = math.log(1.05)


def boards(rows: Sequence[HistoryRow], events: Sequence[Event], policy: Policy | None) -> list[Board]:
    """Arrange the records of a machine, a board for every config; see `make_board`."""
    names = dict.fromkeys(row.name for row in rows)
    return [make_board([row for row in rows if row.name == name], events, policy) for name in names]


def judge(board: Board, events: Sequence[Event]) -> tuple[tuple[Shown, ...], Alarm | None]:
    """Judge every series of a board, and what all indexes did together."""
    newest = board.night_of == len(board.nights) - 1
    floors = np.array([_floor(board, series) for series in range(len(board.cells))])
    found, shared = find_changes(
        board.levels(board.values), board.rows, board.arms, board.timed(), floors, board.levels(board.by_run)[:, newest]
    )
    shown = tuple(_shown(board, series, one, events) for series, one in enumerate(found))
    return shown, _together(board, shared, events)


def find_changes(
    levels: NDArray[np.float64],
    rows: NDArray[np.int64],
    arms: NDArray[np.int64],
    timed: NDArray[np.bool_],
    floors: NDArray[np.float64],
    reruns: NDArray[np.float64],
) -> tuple[list[Found], NDArray[np.float64]]:
    """Judge series beside each other: what the other indexes did is no change of one.

    Parameters
    ----------
    levels
        (s, n) more is worse; NaN in nights that don't count.
    rows, arms
        As for `shared_movement`.
    timed
        (s,) which follow the speed of the machine.
    floors
        (s,) smallest changes that matter; infinite where none does.
    reruns
        (s, r) levels of the newest night's runs.

    Returns
    -------
    What was found in each series, and (n,) what all indexes did, NaN where there is no telling.
    """
    # Nights from which nothing was taken away don't count (``test_no_night_counts_that_was_not_corrected``).
    others = np.where(timed[:, None], np.nan, np.zeros_like(levels))
    n = min(_LOOKED_AT, levels.shape[1])
    shared = np.full(levels.shape[1], np.nan)
    others[timed, -n:], shared[-n:] = shared_movement(levels[timed, -n:], rows[timed, -n:], arms[timed])
    own, again = levels - others, reruns - others[:, -1:]
    found = [
        find_change(own[series], rows[series], floors[series], again[series][np.isfinite(again[series])])
        for series in range(len(levels))
    ]
    return found, shared


def noise_of(kind: str, spread: Spread) -> Noise | None:
    """Return noise as it is told; None where there are too few nights."""
    width = spread.width(WIDTH_LEVEL / 2.0, max(1, spread.n))
    if math.isnan(width):
        return None
    return Noise(spread.sd, math.expm1(width) if kind == "ratio" else width, spread.n)


def _floor(board: Board, series: int) -> float:
    metric = board.metrics[series]
    if metric is None:
        # Nobody said which way is better: shown, and never an alarm.
        return math.inf
    return math.log1p(metric.floor) if metric.kind == "ratio" else metric.floor


def _shown(board: Board, series: int, found: Found, events: Sequence[Event]) -> Shown:
    metric, kind = board.metrics[series], board.kind(series)
    points = tuple(
        Point(
            night.started,
            night.runs,
            float(board.values[series, number]),
            board.flags[series].get(number, ()),
            int(found.segments[number]),
        )
        for number, night in enumerate(board.nights)
        if number in board.flags[series]
    )
    improved = -found.change if found.state is None and found.change < -_floor(board, series) else 0.0
    return Shown(
        board.machine,
        board.name,
        board.cells[series],
        points,
        noise_of(kind, found.spread),
        _references(board, series, events),
        _alarm(board, series, found),
        math.expm1(improved) if kind == "ratio" else improved,
        metric.direction if metric else "",
        kind,
        metric.floor if metric else math.nan,
        board.units[series],
    )


def _alarm(board: Board, series: int, found: Found) -> Alarm | None:
    metric, values = board.metrics[series], board.values[series]
    # A figure that is no longer measured raises nothing.
    if metric is None or found.state is None or found.basis is None or not np.isfinite(values[-RECENT:]).any():
        return None
    ratio = metric.kind == "ratio"
    since = board.nights[found.since].started
    change, limit = (math.expm1(found.change), math.expm1(found.limit)) if ratio else (found.change, found.limit)
    # Values as measured, not as corrected for what all did together: these are what the reader finds in the runs.
    kept = np.flatnonzero(found.segments >= 0)
    after = kept[kept >= found.since] if found.basis in ("step", "nights") else kept[-1:]
    before = kept[(kept < found.since) & (board.rows[series, kept] == board.rows[series, kept[-1]])][-LAST:]
    value, reference = float(np.median(values[after])), float(np.median(values[before]))
    text = alarm_text(metric, found.basis, change, limit, value, reference, board.units[series], since, len(after))
    return Alarm(
        board.cells[series],
        found.state,
        found.basis,
        change,
        limit,
        value,
        reference,
        board.units[series],
        since,
        metric.gate,
        text,
    )


def _references(board: Board, series: int, events: Sequence[Event]) -> References:
    values, metric = board.values[series], board.metrics[series]
    kept = np.flatnonzero(np.isfinite(values))
    if not len(kept):
        return References(math.nan, math.nan, math.nan)
    newest = kept[-1]
    comparable = kept[(board.stamps[series, kept] == board.stamps[series, newest])]
    last = values[comparable[comparable < newest][-LAST:]]
    best = math.nan
    if metric is not None:
        best = float(values[comparable].max() if metric.direction == "higher" else values[comparable].min())
    return References(
        float(np.median(last)) if len(last) else math.nan, _pinned(board, series, comparable, events), best
    )


def _pinned(board: Board, series: int, comparable: NDArray[np.int64], events: Sequence[Event]) -> float:
    known = {run for night in board.nights for run in night.runs}
    for event in reversed(events):
        runs = known.intersection(event.runs) if event.kind == "pin" else set()
        nights = [number for number in comparable if runs.intersection(board.nights[number].runs)]
        if nights:
            return float(board.values[series, nights[-1]])
        if runs:
            return math.nan
    return math.nan


def _together(board: Board, shared: NDArray[np.float64], events: Sequence[Event]) -> Alarm | None:
    """Judge what all indexes did together: by the same rules, and never without saying what it may be."""
    if not np.isfinite(shared[-RECENT:]).any():
        return None
    rows = np.zeros(len(shared), dtype=np.int64)
    for event in events:
        if accepts_all(event, board.name):
            rows[first_new(event, board.name, board.nights) :] += 1
    found = find_change(shared, rows, TOGETHER_FLOOR, np.empty(0))
    if found.state is None or found.basis is None:
        return None
    changed = _changed_versions(board, found.since)
    change, limit = math.expm1(found.change), math.expm1(found.limit)
    since = board.nights[found.since].started
    n_after = int(np.isfinite(shared[found.since :]).sum())
    text = together_text(found.basis, change, limit, since, n_after, changed)
    nan = math.nan
    return Alarm(None, found.state, found.basis, change, limit, nan, nan, "", since, bool(changed), text)


def _changed_versions(board: Board, since: int) -> tuple[str, ...]:
    """Say which libraries changed with the night: what change points place a night early or late counts, too."""
    first, last = max(1, since - 1), min(len(board.nights), since + 2)
    found = []
    for night in range(first, last):
        before, after = dict(board.versions[night - 1]), dict(board.versions[night])
        found += [
            f"{name} {before.get(name)} -> {version}" for name, version in after.items() if version != before.get(name)
        ]
    return tuple(dict.fromkeys(found))
