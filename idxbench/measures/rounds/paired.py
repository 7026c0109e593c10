"""Sides that took turns in the same rounds: log ratios of each, their medians, exact intervals, verdicts on times."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from idxbench.config.policy import Direction, Policy
from idxbench.measures.intervals import Estimate, median_interval
from idxbench.measures.rounds.judging import Judged, detectable, fewest, floor_log, judge, sign_test, suspicious
from idxbench.measures.rounds.selectors import Searched, Selector, Sides, make_sides, one_each
from idxbench.records import plain_parameters

# The A/A control: a copy that differs from its twin by more than this makes the night unstable.
STABLE = 0.02
# Of the control's half-widths, which say how large tonight's noise is: no decision hangs on this level alone.
NOISE_LEVEL = 0.95

TIMES = (
    "qps_batch", "qps_single", "qps_threads", "latency_p50", "latency_p95", "latency_p99",
    "response_p50", "response_p95", "response_p99",
)  # fmt: skip

Key = tuple[str, str, str, str]
Grouped = Mapping[Key, Mapping[tuple[int, int], "RoundLike"]]


class RoundLike(Searched, Protocol):
    """A row of ``rounds.csv``: `idxbench.store.round_rows.RoundRow`, with the metrics of `TIMES` as attributes."""

    @property
    def session(self) -> int:
        """Which start of the run."""

    @property
    def round(self) -> int:
        """Number of the round."""

    @property
    def copy(self) -> int:
        """0 for the index, 1 for the control."""


@dataclass(frozen=True)
class Paired:
    """One figure of two sides over their rounds.

    Parameters
    ----------
    key
        Strategy, index, build and search that the sides share.
    metric
        One of `TIMES`.
    base, new
        Medians over the paired rounds, in the metric's unit.
    ratio
        Median of the log ratios with its exact sign-test interval, positive being worse; n counts rounds. The ends are
        NaN where there are too few rounds for the level.
    p
        Of the sign test that the median is 0.
    """

    key: Key
    metric: str
    base: float
    new: float
    ratio: Estimate
    p: float


@dataclass(frozen=True)
class Control:
    """What the A/A control, two copies of one index in the same rounds, says of tonight.

    Parameters
    ----------
    noise
        Half-width of the interval of a copy against its twin, by metric: the median over the control's cells, in
        logs. Empty without a control or with too few rounds.
    unstable
        Why tonight's times can't be trusted; empty where nothing says so.
    too_few
        Why the control can't say so, where its rounds are too few; empty where it can.
    """

    noise: Mapping[str, float]
    unstable: str
    too_few: str = ""

    def floor(self, metric: str, declared: float, history: float = 0.0) -> float:
        """Return the effective floor of a metric as a share: declared, twice tonight's noise, or that of history."""
        return max(declared, math.expm1(2.0 * self.noise.get(metric, 0.0)), history)


@dataclass(frozen=True)
class RoundChange:
    """A figure of two sides, judged.

    Parameters
    ----------
    paired
        The figure.
    declared, floor
        The policy's floor and the effective one, as shares.
    verdict
        ``unstable`` where the control says so, ``advisory`` where the metric is not gated.
    gated
        Whether the policy decides by it.
    detectable
        As a share; see `idxbench.measures.rounds.judging.detectable`.
    """

    paired: Paired
    declared: float
    floor: float
    verdict: Judged | Literal["suspicious", "unstable", "advisory"]
    gated: bool
    detectable: float


def judge_rounds(
    rows: Sequence[RoundLike], base_selector: str, new_selector: str, policy: Policy, level: float
) -> list[RoundChange]:
    """Judge the times of two sides of one run from its rounds.

    Parameters
    ----------
    rows
        Every row that counts (`idxbench.store.round_rows.counted`), control included.
    base_selector, new_selector
        As in ``RUN::SELECTOR``; one may be empty, where the other leaves one thing only.
    policy
        What is gated, in which direction, with which floor; its ``strategies`` are kept.
    level
        Of the intervals, already corrected for the number of looks (`look_level`).

    Returns
    -------
    list[RoundChange]
        In the order of the rows; none where the sides have nothing in common. More rounds help where one is gated and
        ``inconclusive``.

    Raises
    ------
    ConfigError
        A selector that no row answers to, or that leaves several things to compare.
    """
    measured = [row for row in rows if row.copy == 0]
    sides = make_sides(base_selector, new_selector, measured, measured, same=True)
    # Of the policy, not of this look: an unstable night ends the rounds, so that no later look asks again.
    control = control_of(rows, policy, policy.level)
    changes = []
    for paired in pair_rounds(rows, sides, policy, level):
        metric = policy.metric(paired.metric)
        if metric is not None and looked_at(policy, paired.key[0], paired.metric, 0):
            floor, unstable = control.floor(paired.metric, metric.floor), bool(control.unstable)
            changes.append(judge_paired(paired, metric.floor, floor, sides.taken, gated=metric.gate, unstable=unstable))
    return changes


def judge_paired(
    paired: Paired, declared: float, floor: float, taken: Collection[str], *, gated: bool, unstable: bool
) -> RoundChange:
    """Judge one figure; floors are shares, ``taken`` is what the sides differ by."""
    ratio, limit = paired.ratio, floor_log(floor)
    verdict: Any = judge(ratio.low, ratio.high, limit)
    if not gated:
        verdict = "advisory"
    elif unstable:
        verdict = "unstable"
    elif suspicious(verdict, ratio.value, taken):
        verdict = "suspicious"
    seen = math.expm1(detectable(ratio.value, ratio.low, limit))
    return RoundChange(paired, declared, floor, verdict, gated, seen)


def looked_at(policy: Policy, strategy: str, metric: str, k: int) -> bool:
    """Return whether a policy's ``strategies`` and ``k`` keep a figure.

    What the sides differ by has no name, and is kept. So are times at any depth: they stand at the one that was
    searched, which is no choice of what to look at.
    """
    if policy.strategies and strategy and strategy not in policy.strategies:
        return False
    return not policy.k or not k or metric in TIMES or k in policy.k


def look_level(level: float, looks_allowed: int) -> float:
    """Return the level of each look so that all together keep ``level`` (Bonferroni)."""
    return 1.0 - (1.0 - level) / max(1, looks_allowed)


def too_few(n: int, level: float) -> str:
    """Say why there is no interval; empty where there is one."""
    needed = fewest(level)
    return "" if n >= needed else f"{n} round{'s' if n != 1 else ''}; {needed} support an interval at this level"


def pair_rounds(rows: Sequence[RoundLike], sides: Sides, policy: Policy, level: float) -> list[Paired]:
    """Pair the rounds of two sides by session and number, and estimate every metric that the policy knows."""
    measured = [row for row in rows if row.copy == 0]
    return _estimates(_grouped(measured, sides, sides.base), _grouped(measured, sides, sides.new), policy, level)


def control_of(rows: Sequence[RoundLike], policy: Policy, level: float) -> Control:
    """Compare the control with its twin, in the same rounds.

    What makes a copy slower makes all its searches slower. So the searches of a round are one observation, their
    median, and the night is unstable where the interval over rounds of a gated metric lies wholly beyond ``STABLE``, at
    the level corrected for the number of these metrics (Bonferroni). Corrected for the number of figures, 6 searches
    in 10 rounds could never say so. The noise of figures is told at ``NOISE_LEVEL``.
    """
    nothing = Selector("")
    same = Sides(nothing, nothing)
    first, second = ([row for row in rows if row.copy == copy] for copy in (0, 1))
    twins = _grouped(first, same, nothing), _grouped(second, same, nothing)
    noise: dict[str, list[float]] = {}
    for one in _estimates(*twins, policy, NOISE_LEVEL):
        if not math.isnan(one.ratio.low):
            noise.setdefault(one.metric, []).append((one.ratio.high - one.ratio.low) / 2.0)
    medians = {metric: float(np.median(widths)) for metric, widths in noise.items()}
    gated = [metric for metric in TIMES if (found := policy.metric(metric)) is not None and found.gate]
    pooled = {(metric, *place): values for metric in gated for place, values in _pooled(*twins, metric).items()}
    strict = look_level(level, len({about[0] for about in pooled}))
    ratios = {about: median_interval(np.array(values), level=strict) for about, values in pooled.items()}
    apart = [about for about, ratio in ratios.items() if _beyond(ratio)]
    worst = max(apart, key=lambda about: abs(ratios[about].value), default=None)
    few = "" if apart else next(filter(None, (too_few(ratio.n, strict) for ratio in ratios.values())), "")
    return Control(
        medians,
        "" if worst is None else _apart(worst, ratios[worst].value),
        few and f"the A/A control can't say whether the machine was steady: {few}",
    )


def _pooled(base: Grouped, new: Grouped, metric: str) -> dict[tuple[str, str, str], list[float]]:
    """Return the log ratios of two copies by strategy, index and build: one a round, the median over its searches."""
    held: dict[tuple[str, str, str], dict[tuple[int, int], list[float]]] = {}
    for key, rows in base.items():
        others = new.get(key, {})
        for number in rows.keys() & others.keys():
            one, two = getattr(rows[number], metric), getattr(others[number], metric)
            if one > 0 and two > 0:
                held.setdefault(key[:3], {}).setdefault(number, []).append(math.log(two / one))
    return {place: [float(np.median(ratios)) for ratios in rounds.values()] for place, rounds in held.items()}


def _beyond(ratio: Estimate) -> bool:
    return judge(ratio.low, ratio.high, floor_log(STABLE)) in ("regressed", "improved")


def _apart(about: tuple[str, str, str, str], log: float) -> str:
    metric, strategy, index, build = about
    where = " ".join(filter(None, (strategy, index, plain_parameters(build))))
    return (
        f"two copies of the same index differ from each other by {math.expm1(abs(log)):.1%} in {metric} ({where}): "
        "something else used the machine, or memory lay differently"
    )


def _grouped(rows: Sequence[RoundLike], sides: Sides, selector: Selector) -> Grouped:
    groups: dict[Key, dict[tuple[int, int], RoundLike]] = {}
    for row in one_each(rows, sides, selector, _number):
        groups.setdefault(sides.key(row), {})[_number(row)] = row
    return groups


def _number(row: RoundLike) -> tuple[int, int]:
    """Tell rounds apart; pairs are made of equal numbers, so they never cross a resume."""
    return row.session, row.round


def _estimates(base: Grouped, new: Grouped, policy: Policy, level: float) -> list[Paired]:
    found = []
    for key, rows in base.items():
        both = [(rows[number], other) for number, other in new.get(key, {}).items() if number in rows]
        for metric in TIMES:
            known = policy.metric(metric)
            if known is not None and both:
                values = np.array([[getattr(one, metric), getattr(two, metric)] for one, two in both], np.float64)
                values = values[(values > 0).all(axis=1)]
                if len(values):
                    found.append(_paired(key, metric, values, known.direction, level))
    return found


def _paired(key: Key, metric: str, values: NDArray[np.float64], direction: Direction, level: float) -> Paired:
    base, new = values.T
    ratios = np.log(new / base) if direction == "lower" else np.log(base / new)
    middle = median_interval(ratios, level=level)
    return Paired(key, metric, float(np.median(base)), float(np.median(new)), middle, sign_test(ratios))
