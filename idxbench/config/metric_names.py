"""The metrics that a policy may name: those of ``measurements.csv``, with ``@reference`` where one has several."""

from collections.abc import Iterator

from idxbench.config.messages import dotted, nearest
from idxbench.config.policy import DEFAULT_METRICS, Policy, measure_name
from idxbench.errors import Problem

_GRADED = ("own", "task", "labels")
_SETS = ("pairs", "relevant", "interactions", "chance")
_NEIGHBORS = ("score_corr", "cosine", "dot", "floor", "chance", "as given")
_PLAIN = (
    "antihub_share", "ari_seed_floor", "batch_threads", "build_time", "compile_time", "gauge_imbalance", "hub_gini",
    "index_bytes", "largest_cluster_share", "latency_p50", "latency_p95", "latency_p99", "memory_peak", "qps_batch",
    "qps_single", "qps_threads", "response_p50", "response_p95", "response_p99", "short_results",
    "unreachable_share",
)  # fmt: skip

# The references a metric is graded against; "" is none.
KNOWN_METRICS: dict[str, tuple[str, ...]] = dict.fromkeys(_PLAIN, ("",)) | {
    "ami": ("labels", "score_corr"),
    "antihub_share": ("", "chance"),
    "ari": ("labels", "score_corr", "chance"),
    "auc": ("labels", "chance"),
    "cluster_drift": ("score_corr", "as given"),
    "control_ratio": ("latency_p50", "qps_batch"),
    "discordant_share": ("task",),
    "exact_overlap": ("task",),
    "hit_rate": _SETS,
    "hub_gini": ("", "chance"),
    "index_loss": ("task",),
    "label_agreement": ("labels", "chance"),
    "memory_peak": ("", "inexact"),
    "metric_loss": ("task",),
    "moved_share": ("score_corr",),
    "ndcg": _SETS,
    "neighbor_overlap": _NEIGHBORS,
    "neighbor_overlap_in_50": _NEIGHBORS,
    "purity": ("labels", "chance"),
    "recall": _GRADED,
    "recall_build_floor": ("own", "task"),
    "recall_ceiling": ("own", "task"),
    "recall_p05": _GRADED,
    "score_change": ("task",),
    "spearman": ("pairs", "chance"),
    "truth_time": ("own", "task"),
    "zero_recall_share": _GRADED,
}


def known_measures() -> tuple[str, ...]:
    """Return every name that a policy may use: ``recall@task``, ``qps_batch``."""
    return tuple(measure_name(name, reference) for name, refs in KNOWN_METRICS.items() for reference in refs)


def metric_problems(policy: Policy, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the metrics of a policy: names that nothing has, and new ones without what they need.

    Parameters
    ----------
    policy
        Checked by its schema.
    where
        The file, and the table in it: ``nightly.toml: gate``.
    """
    known = known_measures()
    for name, change in policy.metrics.items():
        here = f"{where}{'' if where.endswith(': ') else '.'}{dotted(('metrics', name))}"
        if name not in known:
            yield _unknown(here, name, known)
        elif name not in DEFAULT_METRICS:
            lacking = [key for key in ("direction", "floor") if getattr(change, key) is None]
            if lacking:
                found = f"no {' and no '.join(lacking)}"
                fix = 'direction = "higher" or "lower", whichever is better; floor: worse by more is a regression'
                yield Problem(here, f"direction and floor: {name} has no defaults", found, fix)


def _unknown(where: str, name: str, known: tuple[str, ...]) -> Problem:
    stem = name.split("@", maxsplit=1)[0]
    several = [measure_name(stem, reference) for reference in KNOWN_METRICS.get(stem, ())]
    if several:
        return Problem(where, f"{stem} with what it is graded against", repr(name), f"write {' or '.join(several)}")
    close = nearest(name, known)
    fix = f"did you mean {close!r}?" if close else f"those with defaults: {', '.join(DEFAULT_METRICS)}"
    return Problem(where, "a metric of measurements.csv", f"the unknown metric {name!r}", fix)
