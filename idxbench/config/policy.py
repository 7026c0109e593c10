"""What counts as worse: the table ``[gate]`` of a config, or a policy file of the same keys."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from idxbench.config.base import PositiveInt, Table, one_or_many

Direction = Literal["higher", "lower"]
Kind = Literal["ratio", "difference"]


class Metric(Table):
    """How one metric is judged.

    ``direction``: which way is better. ``floor``: worse by more than this is a regression; a share of the base for a
    ``ratio``, in the metric's own unit for a ``difference``. ``exact``: the figure repeats to the last digit where
    builds do, by one version of the index's library, so that between two runs of the same cell any change at all is
    real: the floor is 0 there unless a policy declares one. ``gate``: false shows it and never decides.
    """

    direction: Direction
    floor: Annotated[float, Field(ge=0, lt=10)]
    kind: Kind = "ratio"
    exact: bool = False
    gate: bool = True


class MetricChange(Table):
    """What a policy changes of a metric's defaults, or all it says of a metric that has none."""

    direction: Direction | None = None
    floor: Annotated[float, Field(ge=0, lt=10)] | None = None
    kind: Kind | None = None
    gate: bool | None = None


def _share(direction: Direction, floor: float, *, exact: bool = False, gate: bool = True) -> Metric:
    return Metric(direction=direction, floor=floor, kind="difference", exact=exact, gate=gate)


def _times(direction: Direction, floor: float, *, gate: bool = True) -> Metric:
    return Metric(direction=direction, floor=floor, gate=gate)


def measure_name(metric: str, reference: str) -> str:
    """Return a metric as policies name it: ``recall@task``, ``qps_batch``."""
    return f"{metric}@{reference}" if reference else metric


# Keys are metrics of measurements.csv, named so.
DEFAULT_METRICS: dict[str, Metric] = {
    "recall@task": _share("higher", 0.005, exact=True),
    "recall@own": _share("higher", 0.005, exact=True),
    "exact_overlap@task": _share("higher", 0.005, exact=True),
    "recall@labels": _share("higher", 0.005, exact=True, gate=False),
    "unreachable_share": _share("lower", 0.005, exact=True, gate=False),
    "qps_batch": _times("higher", 0.05),
    "qps_single": _times("higher", 0.05, gate=False),
    "qps_threads": _times("higher", 0.05, gate=False),
    "latency_p50": _times("lower", 0.05),
    "latency_p95": _times("lower", 0.05, gate=False),
    "latency_p99": _times("lower", 0.05, gate=False),
    "response_p50": _times("lower", 0.05, gate=False),
    "response_p95": _times("lower", 0.05, gate=False),
    "response_p99": _times("lower", 0.05, gate=False),
    "build_time": _times("lower", 0.10),
    "index_bytes": _times("lower", 0.02),
    "memory_peak": _times("lower", 0.02),
}


class Policy(Table):
    """What is compared, and what counts as worse.

    ``base`` and ``new`` select two sides of one run (``"raw"``, ``"environment=release"``, ``"M=16"``): rounds are
    added while they are inconclusive, and ``gate RUN`` compares them. ``level``: of intervals. ``min_runs``: fewer runs
    a side support no verdict on times. ``metrics`` changes the defaults, by metric, with ``@reference`` where it has
    one. ``strategies`` and ``k`` keep only those; empty keeps all.
    """

    base: str = ""
    new: str = ""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    min_runs: Annotated[int, Field(ge=4)] = 6
    strategies: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()
    k: Annotated[tuple[PositiveInt, ...], BeforeValidator(one_or_many)] = ()
    metrics: dict[str, MetricChange] = Field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        """Return how a metric (``recall@task``) is judged; None where nobody said."""
        default, change = DEFAULT_METRICS.get(name), self.metrics.get(name)
        if change is None:
            return default
        given = {key: value for key, value in change.model_dump().items() if value is not None}
        if default is None and not {"direction", "floor"} <= given.keys():
            return None
        return Metric.model_validate((default.model_dump() if default else {}) | given)
