"""The diagnosis and the decisions of a run in words."""

from collections.abc import Iterable, Iterator

from idxbench.records import Run
from idxbench.report.lookup import index_name, search_name
from idxbench.report.style import megabytes, microseconds, share, significant, thousands
from idxbench.verdicts.decision import Candidate, Decision, Miss

# Findings that ask for something; the others are for those who ask 'idxbench diagnose'.
_TOLD = ("problem", "warning")


def diagnosis_lines(run: Run) -> Iterator[str]:
    """Yield the lines of a run's diagnosis: what can be trusted, and what asks for something; nothing without one."""
    told = run.info.get("diagnosis")
    if told is None:
        return  # an older idxbench wrote the run
    yield told["headline"]
    for one in told["findings"]:
        if one["severity"] in _TOLD:
            yield f"{one['title']} ({one['severity']}): {one['advice'] or one['text']}"


def decision_lines(decision: Decision) -> Iterator[str]:
    """Yield the lines of one decision: what to serve at a depth, its ties, and what can't be served."""
    head = f"Recall@{decision.k} of at least {share(decision.target, 2)} against the task reference: "
    if decision.best is None:
        yield head + "none, because"
    else:
        yield head + candidate_text(decision.best)
    if decision.searched > decision.k:
        yield f"searched {decision.searched} deep, as k asks: a config with k = {decision.k} alone can be cheaper"
    for tie in decision.ties:
        yield f"tied with it: {candidate_text(tie)}"
    for other in decision.others:
        factor = significant(other.latency.value / decision.best.latency.value) if decision.best else ""
        yield f"{factor} times slower: {candidate_text(other)}"
    for (strategy, reason), misses in _by_reason(decision.misses).items():
        indexes = ", ".join(index_name(miss.index, miss.build) for miss in misses)
        yield f"{strategy} in {indexes}: {'' if decision.best is None else 'no, '}{reason}"


def _by_reason(misses: Iterable[Miss]) -> dict[tuple[str, str], list[Miss]]:
    """Group what fails for one reason, so that it is said once."""
    groups: dict[tuple[str, str], list[Miss]] = {}
    for miss in misses:
        groups.setdefault((miss.strategy, miss.reason), []).append(miss)
    return groups


def candidate_text(one: Candidate) -> str:
    """Write a candidate with the figures that made it one."""
    ef = f" at ef {search_name(one.search)}" if one.search else ""
    return (
        f"{one.strategy} by {one.similarity} in {index_name(one.index, one.build)}{ef} "
        f"(recall {share(one.recall.value)} {share(one.recall.low)}–{share(one.recall.high)}, "
        f"p50 {microseconds(one.latency.value)} µs, {thousands(one.qps.value)} QPS, "
        f"{megabytes(one.index_bytes)} MB)"
    )
