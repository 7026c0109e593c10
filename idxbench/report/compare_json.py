"""Runs compared, as JSON: every field, NaN as null."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from idxbench.verdicts.changes import Change, Comparison
from idxbench.verdicts.runs.wording import change_words, status_line

SCHEMA = "idxbench-comparison/1"


def comparisons_json(comparisons: Sequence[Comparison]) -> str:
    """Write comparisons of one base as one JSON object."""
    whole = {"schema": SCHEMA, "comparisons": [comparison_dict(one) for one in comparisons]}
    return json.dumps(whole, indent=2, allow_nan=False)


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """Return all fields of a comparison as plain JSON values, with its status line."""
    told: dict[str, Any] = plain(asdict(comparison))
    told["changes"] = [_change(one) for one in comparison.changes]
    for one, matched in zip(told["matched"], comparison.matched, strict=True):
        one["change"] = _change(matched.change)
    return {"status": status_line(comparison)} | told


def _change(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = plain(asdict(change))
    return told | {"words": change_words(change)}


def plain(value: Any) -> Any:
    """Replace what JSON has no word for: NaN and infinities become null."""
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
