"""The records of a comparison: what was compared, how it changed, and the verdict."""

from dataclasses import dataclass
from typing import Literal

from idxbench.config.policy import measure_name

Verdict = Literal[
    "regressed",  # worse, beyond the floor
    "missing",  # the base has it, the new side has not, or it failed there
    "suspicious",  # more than three times faster: a bug until shown otherwise
    "unstable",  # the A/A control differs from itself tonight
    "inconclusive",  # could be either; says how large an effect it could have seen
    "incomparable",  # other data, other machine, another definition behind the name
    "traded",  # faster at lower recall: never improved
    "advisory",  # shown, decides nothing: too few runs, or a metric that is not gated
    "improved",
    "same",
]
Basis = Literal["exact", "rounds", "queries", "runs", "single"]


@dataclass(frozen=True)
class Cell:
    """What one figure is about: the columns of ``measurements.csv`` that both sides share.

    What the sides are selected by (a strategy's name, a parameter of ``build``) is left out, as it differs.
    """

    task: str
    strategy: str
    similarity: str
    index: str
    build: str
    search: str
    k: int
    metric: str
    reference: str

    @property
    def measure(self) -> str:
        """The metric as policies name it: ``recall@task``, ``qps_batch``."""
        return measure_name(self.metric, self.reference)


@dataclass(frozen=True)
class Change:
    """One figure of two sides.

    Parameters
    ----------
    cell
        What it is about.
    base, new
        The two figures: medians where there are several observations. NaN where a side has none.
    effect, low, high
        The change with its exact interval, positive being worse: the logarithm of the ratio for a ratio, the
        difference in the metric's unit for a difference. NaN ends where observations support no interval.
    kind
        ``ratio`` or ``difference``.
    n
        Observations: pairs of rounds, queries, or runs of the smaller side.
    basis
        ``exact`` (repeats to the last digit), ``rounds`` (paired, of one run), ``queries`` (the same ones asked on both
        sides), ``runs`` (several a side), ``single`` (one run a side: shown only).
    declared, floor
        The policy's floor, and the effective one: the largest of declared, twice tonight's A/A half-width and the
        noise of history. Of a ratio both are shares, as in the policy: 0.05 is 5 %.
    verdict
        See `Verdict`.
    gated
        Whether it takes part in the exit code.
    detectable
        The smallest worsening this comparison would have called regressed; NaN where it can't be said.
    why
        Half a sentence where the verdict needs one.
    unit
        Of base and new.
    """

    cell: Cell
    base: float
    new: float
    effect: float
    low: float
    high: float
    kind: Literal["ratio", "difference"]
    n: int
    basis: Basis
    declared: float
    floor: float
    verdict: Verdict
    gated: bool
    detectable: float
    why: str
    unit: str


@dataclass(frozen=True)
class Difference:
    """Something about the surroundings that differs between the sides: ``hnswlib`` 0.8.0 and 0.9.0."""

    what: str
    base: str
    new: str
    # Whether it makes times of the two sides no longer comparable (another machine, other threads).
    breaks_times: bool = False


@dataclass(frozen=True)
class Matched:
    """Speed at equal recall: each side's figure interpolated along its ef curve to the recall asked for.

    Parameters
    ----------
    strategy, index, build
        The curve.
    k, recall
        Depth, and the recall reached (``qps at recall >= .95``).
    change
        Of ``qps_batch`` at that recall; the ``reference`` of its cell says ``recall>=0.95``.
    base_search, new_search
        The smallest search of each side that reaches it; empty where none does.
    """

    strategy: str
    index: str
    build: str
    k: int
    recall: float
    change: Change
    base_search: str
    new_search: str


@dataclass(frozen=True)
class FrontPoint:
    """A search that no other of its side beats in both recall and speed.

    Parameters
    ----------
    side
        ``base`` or ``new``.
    strategy, index, build, search
        As in ``measurements.csv``.
    k, recall, qps
        Depth, recall against the task reference at it, and queries of a batch per second.
    """

    side: Literal["base", "new"]
    strategy: str
    index: str
    build: str
    search: str
    k: int
    recall: float
    qps: float


@dataclass(frozen=True)
class Comparison:
    """Two sides compared.

    Parameters
    ----------
    base, new
        Labels of the sides: paths of run directories, with the selector.
    base_runs, new_runs
        How many runs each side has.
    paired
        Whether both sides took turns in the same rounds.
    machine
        Whether both sides ran on one machine; where not, times are shown and never gated.
    differences
        Of the surroundings, those that matter most first.
    changes
        Every figure, worst first.
    matched
        Speed at equal recall.
    unstable
        Why the A/A control says that tonight's times can't be trusted; empty where it does not.
    notices
        What the reader must know besides: what only one side has, flagged rounds, interrupted runs.
    fronts
        The best trades of recall for speed on each side, by ascending recall.
    """

    base: str
    new: str
    base_runs: int
    new_runs: int
    paired: bool
    machine: bool
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    matched: tuple[Matched, ...]
    unstable: str
    notices: tuple[str, ...]
    fronts: tuple[FrontPoint, ...] = ()
