"""Which strategies a diagnosis gives a reason to run."""

from idxbench.bench.diagnose_job import Examined
from idxbench.verdicts.findings import Finding, Suggestion


def suggest(e: Examined, findings: tuple[Finding, ...]) -> tuple[Suggestion, ...]:
    """Return strategies worth running, the one the model was trained for first; none twice."""
    codes = {finding.code for finding in findings}
    if "too-few-items" in codes:
        return ()
    return (*_trained(e), *(_free(e, codes) if e.patient.dual else _fixed(e, codes)))


def _trained(e: Examined) -> tuple[Suggestion, ...]:
    trained = e.patient.trained_with
    if trained == "cosine":
        return (Suggestion(("normalized",), "cosine", "what the model was trained with"),)
    if trained == "l2":
        return (Suggestion(("raw",), "l2", "what the model was trained with"),)
    why = "what the model was trained with" if trained == "dot" else "what the model was probably trained with"
    return (Suggestion(("raw",), "dot", why),)


def _free(e: Examined, codes: set[str]) -> list[Suggestion]:
    """For two towers and dot: gauges that keep every score, then other similarities."""
    found = []
    with_queries = e.near is not None and e.near.probe is not None
    if with_queries and "gauge-balanced" not in codes:
        why = "every score kept, items and queries spread alike: the repair" if "gauge-hurts-index" in codes else (
            "every score kept, items and queries spread alike"
        )  # fmt: skip
        found.append(Suggestion(("balanced",), "dot", why))
    if not with_queries:
        found.append(Suggestion(("item_white",), "dot", "every score kept, and it needs no queries to fit"))
    if "unreachable-risk" in codes:
        found.append(Suggestion(("augmented",), "l2", "links items of small norm, often at a price in recall"))
    if with_queries:
        found.append(Suggestion(("score_corr",), "cosine", "the item-item similarity that training determines"))
        if "common-shift" in codes:
            found.append(Suggestion(("centered",), "dot", "every ranking kept, the common shift gone"))
    found.append(Suggestion(("normalized",), "cosine", "what a cosine index would return: the loss is the metric's"))
    return found


def _fixed(e: Examined, codes: set[str]) -> list[Suggestion]:
    """For determined similarities: the others, and a common direction taken away."""
    trained, found = e.patient.trained_with, []
    if trained in ("dot", "unknown"):
        if "unreachable-risk" in codes:
            found.append(Suggestion(("augmented",), "l2", "links items of small norm, often at a price in recall"))
        found.append(Suggestion(("normalized",), "cosine", "determined, too: another question"))
    if trained == "unknown":
        found.append(Suggestion(("raw",), "l2", "determined, too: another question"))
    if "common-vector" in codes and trained != "l2":
        found.append(Suggestion(("centered", "normalized"), "cosine", "the direction that all items share, gone"))
    return found


def strategies_toml(suggestions: tuple[Suggestion, ...]) -> str:
    """Write suggestions as ``[[strategy]]`` tables, ready to paste into a config."""
    blocks = []
    for one in suggestions:
        names = ", ".join(f'"{name}"' for name in one.transform)
        transform = names if len(one.transform) == 1 else f"[{names}]"
        blocks.append(f'[[strategy]]  # {one.why}\ntransform = {transform}\nsimilarity = "{one.similarity}"\n')
    return "\n".join(blocks)
