"""The diagnosis: findings in the order of their weight, a headline, and what to run next."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.diagnose_write import Manifest
from idxbench.verdicts.findings import SEVERITIES, Finding, Suggestion
from idxbench.verdicts.suggestions import suggest
from idxbench.verdicts.training_rules import labels, training_findings
from idxbench.verdicts.vector_rules import vector_findings
from idxbench.version import __version__

DIAGNOSIS_VERSION = 1


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and what to do.

    Parameters
    ----------
    headline
        The verdict in a sentence or two.
    findings
        What rules said, gravest first.
    strategies
        Worth running with ``idxbench run``.
    examined
        The figures behind it.
    written
        Where balanced vectors were written and what is there; None where that was not asked for.
    """

    headline: str
    findings: tuple[Finding, ...]
    strategies: tuple[Suggestion, ...]
    examined: Examined
    written: tuple[Path, Manifest] | None = None

    def __str__(self) -> str:
        said = (f"- {one.title} ({one.severity}, {one.code}). {one.text}" for one in self.findings)
        return "\n".join([self.headline, *said])

    def finding(self, code: str) -> Finding | None:
        """Return the finding of a code, or None."""
        return next((one for one in self.findings if one.code == code), None)


def conclude(examined: Examined, written: tuple[Path, Manifest] | None = None) -> Diagnosis:
    """Apply every rule."""
    # Of one severity: what training determined, then the vectors, then what labels say.
    found = [*training_findings(examined), *vector_findings(examined), labels(examined)]
    found.sort(key=lambda one: SEVERITIES.index(one.severity))
    findings = tuple(found)
    return Diagnosis(headline(examined, findings), findings, suggest(examined, findings), examined, written)


def headline(e: Examined, findings: tuple[Finding, ...]) -> str:
    """Say in a sentence or two what to serve, and what not to believe."""
    codes = {finding.code: finding for finding in findings}
    if "too-few-items" in codes:
        return f"Too little to diagnose: {codes['too-few-items'].text}"
    parts = []
    if "cannot-assess" in codes:
        parts.append(
            "Cannot assess whether item-item similarity or an index of these items can be trusted: that takes queries."
        )
    elif e.patient.dual:
        ranked = "Rank items for queries by dot"
        if "gauge-hurts-index" in codes:
            ranked += ", in balanced coordinates: an index of the vectors as they are would miss what the scores hold"
        parts.append(f"{ranked}.")
        if "not-identifiable" in codes:
            balanced = codes["not-identifiable"].severity == "note"
            unless = ", unless both towers were regularised by L2" if balanced else ""
            parts.append(
                f"Don't read item-item cosine as likeness: the training did not determine it{unless}. "
                "score_corr is determined."
            )
    else:
        known = {"cosine": "cosine, and only cosine,", "l2": "l2, and only l2,"}
        what = known.get(e.patient.trained_with, "dot, cosine and l2 between these items")
        are = "are" if what.startswith("dot") else "is"
        parts.append(f"Fine: {what} {are} determined by the training.")
    if "rank-deficient" in codes and codes["rank-deficient"].severity == "warning":
        parts.append(f"{codes['rank-deficient'].title}.")
    if "labels-better" in codes:
        parts.append(f"{codes['labels-better'].title}.")
    if e.patient.trained_with == "unknown" and e.patient.dual:
        parts.insert(0, "Training unknown, taken for dot.")
    return " ".join(parts)


def diagnosis_to_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """Turn a diagnosis into plain JSON values; NaN becomes None, pairs of names ``one-other``."""
    e = diagnosis.examined
    patient = e.patient
    written = None
    if diagnosis.written is not None:
        written = {"folder": str(diagnosis.written[0]), **asdict(diagnosis.written[1])}
    return {
        "schema_version": DIAGNOSIS_VERSION,
        "idxbench": __version__,
        "name": patient.name,
        "training": {"trained_with": patient.trained_with, "loss": patient.loss, "towers": patient.towers},
        "headline": diagnosis.headline,
        "findings": [_plain(finding) for finding in diagnosis.findings],
        "strategies": [_plain(one) for one in diagnosis.strategies],
        "figures": {
            "items": _plain(e.items),
            "queries": _plain(e.queries),
            "gauge_imbalance": _plain(e.imbalance),
            "rank_scores": e.score_rank,
            "directions_99": e.directions,
            "samples": _plain(e.near),
        },
        "settings": patient.settings.model_dump(),
        "seed": patient.seed,
        "threads": e.threads,
        "seconds": e.seconds,
        "notices": [_plain(notice) for notice in patient.notices],
        "written": written,
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {"-".join(key) if isinstance(key, tuple) else str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
