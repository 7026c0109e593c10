"""A gate as JSON: everything it was decided from, for programs."""

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import Any

from idxbench.records import SCHEMA_VERSION
from idxbench.verdicts.changes import Change, Matched
from idxbench.verdicts.gate.outcome import every_change
from idxbench.verdicts.gate.records import VERDICTS, Gate

SCHEMA = "idxbench-gate/1"


def gate_json(gate: Gate) -> str:
    """Write a gate as one JSON object; null stands for what is not a number, and for an interval's open end."""
    return json.dumps(_finite(_whole(gate)), indent=1, allow_nan=False) + "\n"


def _whole(gate: Gate) -> dict[str, Any]:
    outcome, compared = gate.outcome, gate.comparison
    whole: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "exit_code": outcome.code,
        "status": outcome.status,
        "reasons": outcome.reasons,
        "advice": outcome.advice,
        "counts": _counts(gate),
        "base": {"name": gate.base, "runs": 0 if compared is None else compared.base_runs},
        "new": {"name": gate.new, "runs": 0 if compared is None else compared.new_runs},
        "policy": None if gate.policy is None else gate.policy.model_dump(mode="json"),
        "policy_source": gate.policy_source,
        "failures": gate.failures,
        "alarms": [asdict(alarm) for alarm in gate.alarms],
        "problems": [asdict(problem) for problem in gate.problems],
    }
    if compared is None:
        return whole | {"differences": [], "changes": [], "matched": [], "notices": []}
    return whole | {
        "paired": compared.paired,
        "one_machine": compared.machine,
        "unstable": compared.unstable,
        "differences": [asdict(one) for one in compared.differences],
        "changes": [change_dict(one) for one in compared.changes],
        "matched": [_matched_dict(one) for one in compared.matched],
        "notices": list(compared.notices),
    }


def _counts(gate: Gate) -> dict[str, dict[str, int]]:
    changes = () if gate.comparison is None else every_change(gate.comparison)
    every, gated = (Counter(one.verdict for one in changes if one.gated or not only) for only in (False, True))
    return {
        "all": {verdict: every[verdict] for verdict in VERDICTS},
        "gated": {verdict: gated[verdict] for verdict in VERDICTS},
    }


def change_dict(change: Change) -> dict[str, Any]:
    """Turn a change into plain values, its cell's columns beside the others."""
    fields = {name: getattr(change, name) for name in change.__dataclass_fields__ if name != "cell"}
    return {**asdict(change.cell), "measure": change.cell.measure, **fields}


def _matched_dict(one: Matched) -> dict[str, Any]:
    names = ("strategy", "index", "build", "k", "recall", "base_search", "new_search")
    return {name: getattr(one, name) for name in names} | {"change": change_dict(one.change)}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
