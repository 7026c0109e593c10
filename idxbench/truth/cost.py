"""Which engine a search takes: a cost in nanoseconds of one thread for each, from its shape and a sample.

The constants are of one machine; only their ratios matter, and ``python -m tests.kernels.bench_engines``
prints what the choice cost against the better engine on the machine it runs on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.kernels.codes import BYTE_DOT, MAX_DIMS
from idxbench.kernels.lanes import GROUP, LANES, VECTOR
from idxbench.kernels.waiting import SHALLOWEST
from idxbench.truth.coder import Coder

# Nanoseconds for a product of one number by one, in float32 and in codes, by what the CPU has.
FLOAT_PRODUCT = 0.0125 if VECTOR == 16 else 0.022
CODE_PRODUCT = {(16, True): 0.0023, (8, True): 0.0046, (16, False): 0.0055, (8, False): 0.011}[VECTOR, bool(BYTE_DOT)]
# For a pair, whatever its width: thresholds, comparisons.
FLOAT_PAIR, CODE_PAIR = 0.10, 0.04
# For a pair that passes: its float64 score and its place in a heap; the codes' rows come from far away.
SCORED, SCORED_NUMBER, FETCHED_NUMBER = 35.0, 0.08, 0.14
# For a pair that only waits for a score, and one that is kept where answers are too deep for a heap.
NOTED, BUFFERED, DEEP = 6.0, 30.0, 128
# To make an item ready, per number.
ENCODE, MAP = 1.2, 1.0
# To read a byte that is in no cache, the bus shared by the threads.
READ = 0.06

# Below these, a sample costs more than a wrong choice.
SAMPLED_QUERIES, SAMPLED_PRODUCTS = 64, 3e10
ASKED = 32
# The bound on Gaussian data, over the deviation of scores and the root of the width, as survivors show it.
GAUSSIAN_ERROR = 0.010
# Shares below this are not told apart by a sample.
LEAST_REACH = 0.002
# Sampled scores above this rank describe the tail beyond them.
TAIL = 64
# Rotation to fewer dimensions is considered for widths from here to here: its matrix takes width cubed.
NARROWEST, WIDEST = 16, 1024


@dataclass(frozen=True)
class Work:
    """What is to be searched.

    Parameters
    ----------
    n_items, n_dims, n_queries, k
        The shape.
    encoded
        How the items are encoded already; None where they are not.
    mapped
        Whether the float32 tile can read the items as they lie.
    sorted
        Whether items are looked at from the largest norm down.
    """

    n_items: int
    n_dims: int
    n_queries: int
    k: int
    encoded: Coder | None = None
    mapped: bool = True
    sorted: bool = False


@dataclass(frozen=True)
class Sample:
    """Some items and queries, mapped.

    Parameters
    ----------
    items, bias
        (m, d) and (m,), the bias 0 but under l2.
    queries, bias_units
        (q, d) and (q,): what a bias is multiplied by.
    """

    items: NDArray[np.float64]
    bias: NDArray[np.float64]
    queries: NDArray[np.float64]
    bias_units: NDArray[np.float64]

    def scores(self) -> NDArray[np.float64]:
        """Score every pair, (q, m)."""
        return np.asarray(self.queries @ self.items.T + self.bias_units[:, None] * self.bias)


@dataclass(frozen=True)
class Choice:
    """The engine to take.

    Parameters
    ----------
    engine
        ``codes`` or ``floats``.
    coder
        For ``codes``.
    costs
        Predicted nanoseconds of one thread, by engine.
    """

    engine: str
    coder: Coder
    costs: dict[str, float]


def worth_sampling(work: Work) -> bool:
    """Tell whether a search is long enough to look at a sample of its data first."""
    return work.n_queries >= SAMPLED_QUERIES and work.n_queries * work.n_items * work.n_dims >= SAMPLED_PRODUCTS


def choose(work: Work, sample: Sample | None, axes: Coder) -> Choice:
    """Choose an engine, from the shape alone or with a sample; ``axes`` is how items would be encoded."""
    first = work.encoded or axes
    if work.n_dims > MAX_DIMS:
        return Choice("floats", first, {"floats": 0.0})
    options, share = [first], work.k / work.n_items
    reach, reach_of_tiles = 1.0, 1.0
    scores, limits = np.ones((0, 0)), np.ones(0)
    if sample is not None and len(sample.items) > TAIL:
        scores = sample.scores()
        limits = kth_scores(scores, share)
        if work.sorted and not sample.bias.any():
            reach, reach_of_tiles = reachable_shares(sample, limits)
        if work.encoded is None:
            options += rotations(sample.items)
    costs = {"floats": _floats_cost(work, reach_of_tiles)}
    best, coder = np.inf, first
    for option in options:
        if sample is not None and len(limits):
            growth = inflation_of(option, sample, scores, limits, share)
        else:
            # Scores of deviation 1 thin out by their height; the bound grows with the root of the width.
            height = np.sqrt(2 * np.log(work.n_items / work.k))
            growth = float(np.exp(GAUSSIAN_ERROR * np.sqrt(work.n_dims) * height))
        cost = _codes_cost(work, option, reach, growth)
        if cost < best:
            best, coder = cost, option
    costs["codes"] = float(best)
    return Choice(min(costs, key=lambda name: costs[name]), coder, costs)


def _kept(work: Work) -> float:
    """Return how many items of a random order pass through a heap of k."""
    return float(work.k * (1 + np.log(work.n_items / work.k)))


def _floats_cost(work: Work, reach: float) -> float:
    width = -(-work.n_queries // LANES) * LANES
    cost = reach * work.n_items * width * (FLOAT_PRODUCT * work.n_dims + FLOAT_PAIR)
    cost = max(cost, READ * 4 * work.n_items * work.n_dims)
    waits = work.k >= SHALLOWEST
    scored = work.k if waits else _kept(work)
    cost += work.n_queries * (NOTED * _kept(work) * waits + scored * (SCORED + SCORED_NUMBER * work.n_dims))
    return cost if work.mapped else cost + MAP * work.n_items * work.n_dims


def _codes_cost(work: Work, coder: Coder, reach: float, inflation: float) -> float:
    rows = -(-work.n_queries // GROUP) * GROUP
    cost = reach * work.n_items * rows * (CODE_PRODUCT * coder.n_dims + CODE_PAIR)
    cost = max(cost, READ * work.n_items * coder.n_dims)
    cost += (
        work.n_queries
        * min(_kept(work) * inflation + LANES, work.n_items)
        * (SCORED + FETCHED_NUMBER * work.n_dims + BUFFERED * (work.k > DEEP))
    )
    if work.encoded is not None:
        return cost
    if coder.basis is not None:
        cost += work.n_items * work.n_dims * (4 * FLOAT_PRODUCT * coder.n_dims + 2 * MAP)
    return cost + ENCODE * work.n_items * coder.n_dims


def reachable_shares(sample: Sample, limits: NDArray[np.float64]) -> tuple[float, float]:
    """Estimate the share of items, sorted by norm, that a pass of each engine looks at: codes and floats.

    A query is dropped where no norm left can reach its k-th score: one by one from the groups of the codes, but
    the float32 tile goes on until the last of its `LANES` queries is done.
    """
    asked = np.sqrt((sample.queries**2).sum(axis=1))
    norms = np.sort(np.sqrt((sample.items**2).sum(axis=1)))
    needed = np.divide(limits, asked, out=np.full(len(asked), np.inf), where=asked > 0)
    shares = 1 - np.searchsorted(norms, needed) / len(norms)
    return max(float(shares.mean()), LEAST_REACH), max(float(np.quantile(shares, 1 - 1 / LANES)), LEAST_REACH)


def tails(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Describe the upper tail of each row of a sample: a high score, and how fast scores thin out above it.

    Beyond rank `TAIL` the tail is taken to fall exponentially, ``exp(-x / decay)``, decay the mean excess (peaks
    over threshold, Pickands 1975).

    Parameters
    ----------
    scores
        (q, n), n above `TAIL`.

    Returns
    -------
    starts, decays
        (q,) each: the score of that rank, and the decay, above 0.
    """
    top = np.partition(scores, scores.shape[1] - TAIL - 1, axis=1)[:, -(TAIL + 1) :]
    starts = top.min(axis=1)
    return starts, np.maximum((top.sum(axis=1) - starts * (TAIL + 1)) / TAIL, 1e-12)


def kth_scores(scores: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Estimate the score that a share of all items reaches, from a sample of them, (q, n): (q,)."""
    n_sampled = scores.shape[1]
    wanted = share * n_sampled
    if wanted >= TAIL:
        rank = min(n_sampled, int(wanted))
        return np.asarray(np.partition(scores, n_sampled - rank, axis=1)[:, n_sampled - rank])
    starts, decays = tails(scores)
    return np.asarray(starts + decays * np.log(TAIL / wanted))


def passing_share(scores: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the share of all items that reach a limit, from a sample of them, (q, n) and (q,): (q,)."""
    starts, decays = tails(scores)
    beyond = TAIL / scores.shape[1] * np.exp(-np.maximum(limits - starts, 0.0) / decays)
    return np.asarray(np.where(limits <= starts, (scores >= limits[:, None]).mean(axis=1), beyond))


def inflation(coder: Coder, sample: Sample, share: float) -> float:
    """Estimate how many times more pairs pass the bound of the codes than reach the k-th score.

    ``share`` is k over the number of all items.
    """
    scores = sample.scores()
    return inflation_of(coder, sample, scores, kth_scores(scores, share), share)


def inflation_of(
    coder: Coder, sample: Sample, scores: NDArray[np.float64], limits: NDArray[np.float64], share: float
) -> float:
    """Do what `inflation` does with scores and k-th scores at hand."""
    order = np.argsort(-np.einsum("ij,ij->i", sample.items, sample.items))
    items, queries = sample.items[order], sample.queries
    lost_items, lost = np.zeros(len(items)), np.zeros(len(queries))
    if coder.basis is None:
        kept, asked = items * coder.item_axes, queries / coder.item_axes
    else:
        kept, asked = items @ coder.basis, queries @ coder.basis
        lost_items, lost = (
            np.sqrt(np.maximum(np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", part, part), 0.0))
            for rows, part in ((items, kept), (queries, asked))
        )
    starts, panels = np.arange(0, len(items), LANES), np.arange(len(items)) // LANES

    def largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give every item the largest value of its panel, which is what the bound knows."""
        return np.asarray(np.maximum.reduceat(values, starts)[panels])

    errors = largest(_rounding(kept, largest(np.abs(kept).max(axis=1))))
    asked_errors = _rounding(asked, np.abs(asked).max(axis=1))
    bounds = np.sqrt((asked**2).sum(axis=1))[:, None] * errors + lost[:, None] * largest(lost_items)
    bounds += asked_errors[:, None] * largest(np.sqrt((kept**2).sum(axis=1)))
    return max(1.0, float(passing_share(scores[:, order] + bounds, limits).mean()) / share)


def _rounding(rows: NDArray[np.float64], tops: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the norm of what codes leave of each row, (n, d), with ``tops``, (n,), as the largest numbers."""
    scales = np.where(tops > 0, tops, 1.0)[:, None] / 127
    return np.asarray(np.sqrt(((rows - np.round(rows / scales) * scales) ** 2).sum(axis=1)))


def rotations(items: NDArray[np.float64]) -> list[Coder]:
    """Propose the principal axes of the items, cut to an eighth, a quarter, half of them.

    Not of the queries as well: the few that are sampled would lie in axes made of them, and look held.
    """
    n_dims = items.shape[1]
    if not NARROWEST <= n_dims <= WIDEST:
        return []
    some = items[:: max(1, len(items) // n_dims // 2)]
    moment = some.T @ some
    # Participation: how many dimensions hold the variance; no cut pays where it is most of them.
    if float(np.trace(moment)) ** 2 > 0.5 * n_dims * float((moment**2).sum()):
        return []
    _, vectors = np.linalg.eigh(moment)
    widths = sorted({max(4, n_dims // part // 4 * 4) for part in (8, 4, 2)})
    return [Coder(np.ones(n_dims), np.ascontiguousarray(vectors[:, ::-1][:, :width])) for width in widths]
