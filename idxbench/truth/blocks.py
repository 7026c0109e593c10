"""Items made ready for the kernels, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite
from idxbench.kernels.codes import CodeBlock
from idxbench.kernels.encode import encode_panels, row_sums
from idxbench.kernels.floats import FloatBlock
from idxbench.kernels.heaps import Exact
from idxbench.kernels.lanes import LANES
from idxbench.pool import Crew
from idxbench.truth.coder import Coder
from idxbench.truth.mapping import Mapping, power_of_two, refuse_extreme

# Rows handled by one call of a kernel: threads share the work of a block in such pieces.
PIECE_BYTES = 1 << 22
# Norms that float32 products can do with as they are.
ORDINARY = 1e-6, 1e6
# Items are read from the largest norm down where the 99.9th percentile is this many times the median: the
# sort costs more than it saves where norms hardly spread.
SPREAD = 1.5


@dataclass(frozen=True)
class Items:
    """A block of items, checked, as every engine needs them.

    Mapped items are ``(row - center) * factor``, ``scale`` times those of the table in `mapping`:
    their norms are at most 1, or ordinary.

    Parameters
    ----------
    first
        Id of the first item.
    exact
        For the float64 score.
    exact_scale
        The power of two that ``exact`` was multiplied by, to fit float32: 1 but for extreme float64 items.
    center
        (d,) subtracted from the rows of ``exact``.
    factors
        (n,) float64: a power of two, over the norm of the row where items are divided by their norms.
    norms
        (n,) float64 norms of the mapped items.
    scale
        The power of two of the block; 1 where items are divided by their norms, or ordinary as they are.
    largest
        The largest of ``norms``.
    plain
        Whether the rows of ``exact`` are the mapped items already.
    """

    first: int
    exact: Exact
    exact_scale: float
    center: NDArray[np.float64]
    factors: NDArray[np.float64]
    norms: NDArray[np.float64]
    scale: float
    largest: float
    plain: bool

    def __len__(self) -> int:
        """Count the items."""
        return len(self.norms)

    @property
    def rows(self) -> NDArray[np.float32]:
        """The (n, d) rows of ``exact``."""
        return self.exact.rows


def read_only(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a view that can't be written: to Numba a type of its own, which memory maps have anyway."""
    view = rows.view()
    view.flags.writeable = False
    return view


def pieces(n_rows: int, row_bytes: int, n_bytes: int = PIECE_BYTES) -> Iterator[slice]:
    """Cut rows into pieces of some bytes."""
    step = max(1, n_bytes // row_bytes)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def prepare_items(rows: NDArray[Any], first: int, mapping: Mapping, crew: Crew) -> Items:
    """Check a block of items and compute their norms.

    Parameters
    ----------
    rows
        (n, d) numbers of any real type; float32 in C order is used as it lies.
    first
        Id of the first.

    Raises
    ------
    DataError
        NaN or infinity, or squares that leave float64.
    """
    n_items, center = len(rows), mapping.center
    if mapping.metric == "covariance":
        single, rest, exact_scale = _split_weighted(rows, first, mapping, crew)
    else:
        single, rest, exact_scale = _split(rows)
        center = center * exact_scale
    single = read_only(single)
    sums = np.empty(n_items)

    def measure(part: slice) -> None:
        row_sums(single[part], center, sums[part])

    crew.map(measure, pieces(n_items, 4 * single.shape[1]))
    if not np.isfinite(sums.sum()):
        bad = int(np.flatnonzero(~np.isfinite(sums))[0])
        refuse_non_finite(np.asarray(rows[bad:], np.float64), "items", first + bad)
    norms = np.sqrt(sums)
    largest = float(norms.max(initial=0.0))
    refuse_extreme(largest / exact_scale)
    none = np.zeros(0)
    if mapping.unit:
        inverse = np.divide(1.0, norms, out=np.zeros(n_items), where=norms > 0)
        exact = Exact(single, rest, inverse if mapping.metric == "cosine" else none, False)
        return Items(first, exact, exact_scale, center, inverse, np.where(norms > 0, 1.0, 0.0), 1.0, 1.0, False)
    undo = none if exact_scale == 1.0 else np.full(n_items, exact_scale ** -(2.0 if mapping.by_distance else 1.0))
    scale = float(power_of_two(np.array([largest]))[0])
    if not mapping.by_distance and (largest == 0.0 or ORDINARY[0] < largest < ORDINARY[1]):
        scale = 1.0  # left alone: then the tile reads rows as they lie
    exact = Exact(single, rest, undo, mapping.by_distance)
    factors = np.full(n_items, scale)
    plain = scale == 1.0 and not center.any()
    return Items(first, exact, exact_scale, center, factors, norms * scale, scale * exact_scale, largest * scale, plain)


def _split(rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Write rows as one float32 array, or two whose sum has 48 bits, times a power of two."""
    none = np.zeros((0, rows.shape[1]), np.float32)
    if rows.dtype == np.float32 or np.can_cast(rows.dtype, np.float32):
        return np.ascontiguousarray(rows, np.float32), none, 1.0
    values = np.asarray(rows, np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    scale = 1.0
    if np.isfinite(largest) and not (largest == 0.0 or 1e-15 < largest < 1e15):
        scale = float(power_of_two(np.array([largest]))[0])
        values = values * scale
    single = values.astype(np.float32)
    with np.errstate(invalid="ignore"):
        rest = (values - single).astype(np.float32)
    return np.ascontiguousarray(single), np.ascontiguousarray(rest) if rest.any() else none, scale


def _split_weighted(
    rows: NDArray[Any], first: int, mapping: Mapping, crew: Crew
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Do what `_split` does for rows mapped by the factor of the weight."""
    single = np.empty((len(rows), len(mapping.center)), np.float32)
    rest = np.empty_like(single)

    def one(part: slice) -> None:
        values = np.asarray(rows[part], np.float64)
        refuse_non_finite(values, "items", first + part.start)
        mapped = mapping.weighted(values)
        single[part] = mapped
        rest[part] = mapped - single[part]

    crew.map(one, pieces(len(rows), 8 * rows.shape[1]))
    return single, rest, 1.0


def read_order(items: Items, sort: bool) -> NDArray[np.int32]:
    """Return the order in which items are looked at: as they lie, or from the largest norm down."""
    if not sort:
        return np.arange(len(items), dtype=np.int32)
    return np.argsort(-items.norms.astype(np.float32), kind="stable").astype(np.int32)


def norms_spread(norms: NDArray[np.float64]) -> bool:
    """Tell whether sorting by norm pays: see `SPREAD`."""
    middle, high = np.quantile(norms, [0.5, 0.999])
    return bool(high > SPREAD * middle)


def float_block(items: Items, sort: bool, crew: Crew) -> FloatBlock:
    """Map items for the float32 tile; those that need no change are used as they lie."""
    norms = (items.norms * 1.000001).astype(np.float32)
    order = read_order(items, sort)
    if not sort and items.plain:
        return FloatBlock(items.rows, np.zeros(0, np.float32), norms, order)
    rows = np.empty_like(items.rows)
    bias = np.empty(len(items) if items.exact.squared_distance else 0, np.float32)

    def one(part: slice) -> None:
        chosen = order[part]
        mapped = items.rows[chosen].astype(np.float64)
        mapped -= items.center
        mapped *= items.factors[chosen, None]
        rows[part] = mapped
        if len(bias):
            bias[part] = -0.5 * np.einsum("ij,ij->i", mapped, mapped)

    crew.map(one, pieces(len(items), 8 * rows.shape[1]))
    return FloatBlock(read_only(rows), bias, norms[order], order)


def code_block(items: Items, coder: Coder, sort: bool, crew: Crew) -> CodeBlock:
    """Encode items."""
    n_items, n_dims = len(items), coder.n_dims
    n_panels, n_steps = -(-n_items // LANES), -(-n_dims // 4)
    order = read_order(items, sort)
    norms = items.norms[order]
    bias = np.zeros((0, LANES), np.float32)
    if items.exact.squared_distance:
        # Rounded towards zero: an item may look nearer than it is, never farther.
        bias = in_panels(-0.5 * norms**2 * 0.999999, 0.0).astype(np.float32)
    panels = in_panels(norms, norms[-1])
    ranges = np.stack([panels.min(axis=1) * 0.999999, panels.max(axis=1) * 1.000001], axis=1).astype(np.float32)
    codes, bounds = np.empty((n_panels, n_steps, LANES, 4), np.uint8), np.empty((n_panels, 4), np.float32)
    block = CodeBlock(codes, bounds, ranges, bias, order)
    nothing = np.zeros(0)

    def one(part: slice) -> None:
        if coder.basis is None:
            axes = coder.item_axes
            encode_panels(items.rows, items.center, axes, items.factors, nothing, part.start, part.stop, block)
            return
        chosen = order[part.start * LANES : part.stop * LANES]
        rows, rest = coder.project(items, chosen)
        own = block._replace(codes=codes[part], bounds=bounds[part], order=np.arange(len(chosen), dtype=np.int32))
        ones = np.ones(max(n_dims, len(chosen)))
        encode_panels(
            read_only(rows), np.zeros(n_dims), ones[:n_dims], ones[: len(chosen)], rest, 0, len(own.codes), own
        )

    row_bytes = 16 * LANES * items.rows.shape[1]
    crew.map(one, pieces(n_panels, row_bytes))
    return block


def in_panels(values: NDArray[np.float64], filler: float) -> NDArray[np.float64]:
    """Lay values of items out as (p, LANES), filled up at the end."""
    n_panels = -(-len(values) // LANES)
    padded = np.concatenate([values, np.full(n_panels * LANES - len(values), filler)])
    return np.asarray(padded.reshape(n_panels, LANES))
