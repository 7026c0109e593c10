"""Transforms of single rows: ``raw`` and ``normalized``."""

from dataclasses import dataclass, field

from idxbench.config.transforms import Normalized, Raw
from idxbench.data.rows import normalized
from idxbench.strategies.transforms import Facts, FitContext, Rows


@dataclass(frozen=True)
class Identity:
    """Keeps every vector, so every score of every similarity."""

    facts: Facts = field(default_factory=dict)

    def items(self, rows: Rows) -> Rows:
        """Return the items."""
        return rows

    def queries(self, rows: Rows) -> Rows:
        """Return the queries."""
        return rows


@dataclass(frozen=True)
class UnitNorm:
    """Divides rows by their norms (zero rows stay zero): keeps cosines, and no ranking by dot or l2."""

    facts: Facts = field(default_factory=dict)

    def items(self, rows: Rows) -> Rows:
        """Return the items with norm 1."""
        return normalized(rows)

    def queries(self, rows: Rows) -> Rows:
        """Return the queries with norm 1."""
        return normalized(rows)


def fit_raw(spec: Raw, context: FitContext) -> Identity:
    """Fit ``raw``: nothing to fit."""
    return Identity()


def fit_normalized(spec: Normalized, context: FitContext) -> UnitNorm:
    """Fit ``normalized``: nothing to fit."""
    return UnitNorm()
