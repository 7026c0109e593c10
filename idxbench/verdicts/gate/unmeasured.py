"""What a policy gates by name and nothing was there for: silence about it would look like a pass."""

from collections.abc import Iterator

from idxbench.config.policy import DEFAULT_METRICS, Policy, measure_name
from idxbench.records import Run
from idxbench.verdicts.changes import Comparison

# What makes a run measure them, by the beginning of their names.
_HINTS = {"response_": ": set measure.rate", "qps_threads": ": set threads to 2 or more"}


def asked_for(policy: Policy) -> tuple[str, ...]:
    """Return the metrics that a policy gates by name: those it turns on, and those it adds."""
    return tuple(
        name
        for name, change in policy.metrics.items()
        if change.gate or (name not in DEFAULT_METRICS and change.gate is None)
    )


def unmeasured(policy: Policy, compared: Comparison, run: Run) -> Iterator[str]:
    """Yield a line for every metric that a policy gates by name and no figure of both sides has.

    Parameters
    ----------
    policy, compared
        What is gated, and what was there.
    run
        The newest of the new side: where it has the metric, the base is what lacks it.
    """
    there = {change.cell.measure for change in compared.changes}
    measured = {measure_name(row.metric, row.reference) for row in run.measurements}
    for name in asked_for(policy):
        if name in there:
            continue
        if name in measured:
            yield f"nothing to compare for {name}: the base has none, or both sides share what was measured"
        else:
            hint = next((text for start, text in _HINTS.items() if name.startswith(start)), "")
            yield f"nothing measured for {name}{hint}"
