"""Runs compared as most tests do, and the one change or the verdicts that a test asks for."""

from idxbench.config.policy import Policy
from idxbench.verdicts.runs.compare import compare_runs
from tests.verdicts.runs.examples import Arm

POLICY = Policy()
TWO = (Arm("raw"), Arm("normalized", "cosine"))


def sides(run, base="raw", new="normalized", policy=POLICY):
    return compare_runs([run], [run], base_selector=base, new_selector=new, policy=policy)


def of(comparison, measure, strategy=None, search='{"ef":20}'):
    """Return the one change of a measure."""
    found = [
        one
        for one in comparison.changes
        if one.cell.measure == measure
        and (strategy is None or one.cell.strategy == strategy)
        and one.cell.search in (search, "")
    ]
    assert len(found) == 1, found
    return found[0]


def verdicts(comparison, measure):
    return {one.verdict for one in comparison.changes if one.cell.measure == measure}
