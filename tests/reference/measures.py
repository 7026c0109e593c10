"""Slow, obvious twins of the measures: loops, sets and float64. Never imports idxbench."""

import itertools
import math

import numpy as np


def distinct(ids):
    """The ids of one row without repeats and padding, in order."""
    seen = []
    for one in ids:
        if one >= 0 and one not in seen:
            seen.append(int(one))
    return seen


def recall(found, truth, k, found_scores=None, truth_scores=None, query_scale=None, tolerance=1e-6):
    out = []
    for row in range(len(found)):
        true = distinct(truth[row][:k])
        if not true:
            out.append(math.nan)
            continue
        hits = 0
        limit = None
        if found_scores is not None:
            handed = [s for i, s in zip(found[row], found_scores[row], strict=True) if i >= 0]
            handed += [s for i, s in zip(truth[row], truth_scores[row], strict=True) if i >= 0]
            scale = max(handed) - min(handed) if query_scale is None else query_scale[row]
            limit = min(s for i, s in zip(truth[row][:k], truth_scores[row][:k], strict=True) if i >= 0)
            limit -= tolerance * scale
        for one in distinct(found[row][:k]):
            score = None if limit is None else found_scores[row][list(found[row]).index(one)]
            hits += one in true or (limit is not None and score >= limit)
        out.append(min(hits, len(true)) / len(true))
    return np.array(out)


def label_recall(found, k, item_codes, query_codes):
    out = []
    for row, code in zip(found, query_codes, strict=True):
        reachable = min(k, sum(int(c == code) for c in item_codes))
        if code < 0 or reachable == 0:
            out.append(math.nan)
        else:
            out.append(sum(int(item_codes[i] == code) for i in distinct(row[:k])) / reachable)
    return np.array(out)


def exclude_self(ids, own, k):
    out = []
    for row, me in zip(ids, own, strict=True):
        kept = [int(i) for i in row if i != me][:k]
        out.append(kept + [-1] * (k - len(kept)))
    return np.array(out)


def overlap(a, b):
    out = []
    for one, other in zip(a, b, strict=True):
        left, right = set(distinct(one)), set(distinct(other))
        size = max(len(left), len(right))
        out.append(len(left & right) / size if size else math.nan)
    return np.array(out)


def overlap_within(reference, found):
    out = []
    for one, other in zip(reference, found, strict=True):
        left = set(distinct(one))
        out.append(len(left & set(distinct(other))) / len(left) if left else math.nan)
    return np.array(out)


def label_agreement(ids, own, codes):
    out = []
    for row, me in zip(ids, own, strict=True):
        others = [codes[i] for i in distinct(row) if i != me and codes[i] != -1]
        out.append(math.nan if codes[me] == -1 or not others else sum(c == codes[me] for c in others) / len(others))
    return np.array(out)


def chance_label_agreement(codes):
    same = pairs = 0
    for i, j in itertools.permutations(range(len(codes)), 2):
        if codes[i] != -1 and codes[j] != -1:
            pairs += 1
            same += int(codes[i] == codes[j])
    return same / pairs if pairs else math.nan


def occurrences(ids, n_items):
    return np.array([sum(item in distinct(row) for row in ids) for item in range(n_items)])


def gini(counts):
    """Mean absolute difference of all ordered pairs over twice the mean."""
    differences = [abs(float(x) - float(y)) for x in counts for y in counts]
    return sum(differences) / len(counts) ** 2 / (2 * float(np.mean(counts)))


def ari(a, b):
    """From its definition by pairs of rows."""
    rows = [(x, y) for x, y in zip(a, b, strict=True) if x != -1 and y != -1]
    if not rows:
        return math.nan
    both = in_a = in_b = pairs = 0
    for (x, y), (u, v) in itertools.combinations(rows, 2):
        pairs += 1
        in_a += x == u
        in_b += y == v
        both += x == u and y == v
    expected = in_a * in_b / pairs if pairs else 0.0
    largest = (in_a + in_b) / 2
    return (both - expected) / (largest - expected) if largest != expected else 1.0


def moved_share(a, b):
    """The best of all ways to match cluster names."""
    rows = [(int(x), int(y)) for x, y in zip(a, b, strict=True) if x != -1 and y != -1]
    size = max(max(row) for row in rows) + 1
    best = max(sum(match[x] == y for x, y in rows) for match in itertools.permutations(range(size)))
    return 1 - best / len(rows)


def bounded_low(values, low=0.0, alpha=0.025, draws=4000, seed=1):
    """Lower end of Learned-Miller and Thomas: order statistics of uniforms cut [0, 1] among low and the values."""
    rng = np.random.default_rng(seed)
    ordered = [low, *sorted(values)]
    means = []
    for _ in range(draws):
        cuts = [0.0, *sorted(rng.random(len(values))), 1.0]
        means.append(sum((cuts[i + 1] - cuts[i]) * value for i, value in enumerate(ordered)))
    return float(np.quantile(means, alpha))


def sign_interval(values, level):
    """The narrowest pair of order statistics whose binomial tails stay within the level."""
    ordered, n = sorted(values), len(values)
    for j in range(n // 2, 0, -1):
        if sum(math.comb(n, i) for i in range(j)) / 2**n <= (1 - level) / 2:
            return ordered[j - 1], ordered[n - j]
    return math.nan, math.nan


def percentile(samples, share):
    """Linear interpolation between order statistics."""
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
