"""Which similarity the validation set prefers, what ties with it, or that none is better.

A strategy ties with the best where Holm's test over all pairs of strategies does not tell them apart at 5 %: however
many strategies a config lists, where all are alike they are called ties in 95 of 100 runs. "Better" also asks the
best to be above chance.
"""

from dataclasses import dataclass
from typing import Literal

from idxbench.records import Measurement, Run

LEVEL = 0.05
# The figure that decides, of each kind of validation set.
DECIDING = ("spearman", "ndcg", "purity")
Outcome = Literal["alone", "chance", "all tie", "best"]


@dataclass(frozen=True)
class Stand:
    """One strategy beside the best.

    Parameters
    ----------
    figure
        What it reached, with its interval.
    difference
        That minus the figure of the best, with its interval over the same observations; None for the best.
    p_value
        Adjusted; 1 for the best.
    """

    figure: Measurement
    difference: Measurement | None
    p_value: float

    @property
    def ties(self) -> bool:
        """Whether it can't be told from the best."""
        return self.p_value >= LEVEL


@dataclass(frozen=True)
class Judgement:
    """What one validation set says at one depth.

    Parameters
    ----------
    metric, kind, k
        ``spearman``, ``ndcg`` or ``purity``; by ``pairs``, ``relevant``, ``interactions`` or ``labels``; depth.
    stands
        All strategies, best first.
    chance
        What random answers reach.
    """

    metric: str
    kind: str
    k: int
    stands: tuple[Stand, ...]
    chance: Measurement | None

    @property
    def best(self) -> Measurement:
        """The figure of the best."""
        return self.stands[0].figure

    @property
    def ties(self) -> tuple[str, ...]:
        """Strategies that can't be told from the best."""
        return tuple(one.figure.strategy for one in self.stands[1:] if one.ties)

    @property
    def outcome(self) -> Outcome:
        """What can be said."""
        if self.chance is not None and not self.best.low > self.chance.value:
            return "chance"
        if len(self.stands) == 1:
            return "alone"
        return "all tie" if len(self.ties) == len(self.stands) - 1 else "best"


def judge(run: Run) -> tuple[Judgement, ...]:
    """Return what every validation set of a run says, depth by depth."""
    rows = [row for row in run.measurements if row.task == "validate"]
    found = []
    for metric in DECIDING:
        figures = [row for row in rows if row.metric == metric and row.strategy]
        for kind, k in dict.fromkeys((row.reference, row.k) for row in figures):
            stands = [_stand(row, rows) for row in figures if (row.reference, row.k) == (kind, k)]
            # The best first even where another shares its figure: differences are from it.
            stands.sort(key=lambda one: (one.difference is not None, -one.figure.value))
            chance = [row for row in rows if (row.metric, row.reference, row.k) == (metric, "chance", k)]
            found.append(Judgement(metric, kind, k, tuple(stands), chance[0] if chance else None))
    return tuple(found)


def _stand(figure: Measurement, rows: list[Measurement]) -> Stand:
    def of(metric: str) -> Measurement | None:
        place = (f"{figure.metric}_{metric}", figure.strategy, figure.k)
        return next((row for row in rows if (row.metric, row.strategy, row.k) == place), None)

    p_value = of("holm_p")
    return Stand(figure, of("difference"), 1.0 if p_value is None else p_value.value)
