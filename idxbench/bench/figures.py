"""Making rows of ``measurements.csv``: where a figure belongs is said once, the figures follow."""

import math
from dataclasses import dataclass, replace

from idxbench.measures.intervals import Estimate
from idxbench.records import Measurement


@dataclass(frozen=True)
class Where:
    """The columns that say what a figure is about."""

    task: str
    strategy: str = ""
    similarity: str = ""
    index: str = ""
    build: str = ""
    search: str = ""
    k: int = 0

    def at(self, k: int) -> "Where":
        """Return the same place at another depth."""
        return replace(self, k=k)

    def value(self, metric: str, value: float, unit: str = "share", *, n: int = 1, reference: str = "") -> Measurement:
        """Make a row without an interval."""
        return self._row(metric, reference, value, math.nan, math.nan, n, unit)

    def estimate(self, metric: str, estimate: Estimate, unit: str = "share", *, reference: str = "") -> Measurement:
        """Make a row with the interval of an estimate."""
        return self._row(metric, reference, estimate.value, estimate.low, estimate.high, estimate.n, unit)

    def _row(
        self, metric: str, reference: str, value: float, low: float, high: float, n: int, unit: str
    ) -> Measurement:
        return Measurement(
            self.task,
            self.strategy,
            self.similarity,
            self.index,
            self.build,
            self.search,
            self.k,
            metric,
            reference,
            float(value),
            float(low),
            float(high),
            int(n),
            unit,
        )
