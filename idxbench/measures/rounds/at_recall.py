"""Speed at equal recall of two sides that took turns: both curves read at one recall, round by round."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from idxbench.config.policy import Policy
from idxbench.measures.curves import log_speed_at
from idxbench.measures.intervals import median_interval
from idxbench.measures.rounds.judging import floor_log, judge
from idxbench.measures.rounds.paired import Key, RoundLike, control_of, looked_at
from idxbench.measures.rounds.selectors import Selector, Sides, make_sides, one_each

SPEED = "qps_batch"

# Recall of searches by depth.
Recalls = Mapping[Key, Mapping[int, float]]


def round_speeds(rounds: Sequence[RoundLike], searches: Sequence[Key]) -> NDArray[np.float64]:
    """Return the queries per second of searches in every round that there is, (r, p); NaN where a round lacks one."""
    numbers = {number: place for place, number in enumerate(sorted({(row.session, row.round) for row in rounds}))}
    columns = {search: place for place, search in enumerate(searches)}
    speeds = np.full((len(numbers), len(searches)), np.nan)
    for row in rounds:
        column = columns.get((row.strategy, row.index, row.build, row.search))
        if column is not None and row.copy == 0:
            speeds[numbers[row.session, row.round], column] = getattr(row, SPEED)
    return speeds


def undecided_at(
    rounds: Sequence[RoundLike],
    base_selector: str,
    new_selector: str,
    policy: Policy,
    level: float,
    recalls: Recalls,
    recall: float,
) -> bool:
    """Return whether a gated speed at equal recall can't be called yet, so that more rounds may help.

    Parameters
    ----------
    rounds
        Every row that counts, control included.
    base_selector, new_selector, policy, level
        As for `idxbench.measures.rounds.paired.judge_rounds`.
    recalls
        Of the searches, against the task reference. Those that are not in it are on no curve.
    recall
        At which the curves are read, where both sides reach it.

    Raises
    ------
    ConfigError
        A selector that no row answers to, or that leaves several things to compare.
    """
    metric = policy.metric(SPEED)
    control = control_of(rounds, policy, policy.level)
    if metric is None or not metric.gate or control.unstable:
        return False
    measured = [row for row in rounds if row.copy == 0]
    sides = make_sides(base_selector, new_selector, measured, measured, same=True)
    base, new = (_curves(measured, sides, selector, recalls) for selector in (sides.base, sides.new))
    limit = floor_log(control.floor(SPEED, metric.floor))
    for place in base.keys() & new.keys():
        if looked_at(policy, place[0], "recall", place[3]) and min(max(base[place][1]), max(new[place][1])) >= recall:
            one, two = (
                log_speed_at(found, round_speeds(measured, searches), recall)
                for searches, found in (base[place], new[place])
            )
            ratio = median_interval(one - two, level=level)
            if ratio.n and judge(ratio.low, ratio.high, limit) == "inconclusive":
                return True
    return False


def _curves(
    rows: Sequence[RoundLike], sides: Sides, selector: Selector, recalls: Recalls
) -> dict[tuple[str, str, str, int], tuple[list[Key], list[float]]]:
    """Return the searches of a side and their recalls, by what the sides are joined on, and depth."""
    found: dict[tuple[str, str, str, int], tuple[list[Key], list[float]]] = {}
    for row in one_each(rows, sides, selector, lambda row: (row.session, row.round)):
        search = row.strategy, row.index, row.build, row.search
        for k, recall in recalls.get(search, {}).items():
            searches, reached = found.setdefault((*sides.key(row)[:3], k), ([], []))
            if search not in searches:
                searches.append(search)
                reached.append(recall)
    return found
