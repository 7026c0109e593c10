"""The page of one run: what it was, what was decided, its pictures and its tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from idxbench.records import Run
from idxbench.report.html.heatmaps import heatmap_pictures
from idxbench.report.html.items import item_pictures
from idxbench.report.html.page import Page, Section, Statement, write_page
from idxbench.report.html.probes import probe_pictures
from idxbench.report.html.retrieve import retrieve_pictures
from idxbench.report.html.samples import sample_pictures
from idxbench.report.html.tables import html_tables
from idxbench.report.html.vectors import vector_pictures
from idxbench.report.items import cluster_table, similar_table
from idxbench.report.lookup import Figures
from idxbench.report.probes import probe_tables
from idxbench.report.recovery import recovery_table
from idxbench.report.retrieve import cells_table, indexes_table, speeds_table, strategies_table, tails_table
from idxbench.report.style import significant
from idxbench.report.validation import validation_table, verdict_line
from idxbench.report.verdict import decision_lines, diagnosis_lines
from idxbench.verdicts.decision import Decision
from idxbench.verdicts.validation import judge

# Its name in a run directory.
PAGE = "report.html"


def write_run_page(run: Run, decisions: Sequence[Decision], path: Path) -> None:
    """Write the page of a run.

    Parameters
    ----------
    run
        Read back from its directory, which also holds the samples of its queries.
    decisions
        What was decided from it.
    path
        The file.

    Raises
    ------
    ResultError
        It can't be written, or a file of the run can't be read.
    """
    write_page(run_page(run, decisions), path)


def run_page(run: Run, decisions: Sequence[Decision]) -> Page:
    """Gather what the page of a run says."""
    strategies = tuple(dict.fromkeys(row.strategy for row in run.measurements if row.strategy))
    return Page(
        title=str(run.info["name"]),
        kind="idxbench run",
        lead=tuple(_lead(run)),
        heading=_heading(run),
        statements=tuple(_statements(run, decisions)),
        warnings=tuple(f"{_ended(notice.text)} {_ended(_capital(notice.advice))}".strip() for notice in run.notices),
        facts=tuple(_facts(run)),
        sections=tuple(section for section in _sections(run, decisions) if section.pictures or section.tables),
        strategies=strategies,
        origin=str(run.path),
    )


def _heading(run: Run) -> str:
    if run.info["status"] != "finished":
        return "Not complete"
    return "Diagnosis and decision" if "diagnosis" in run.info else "Decision"


def _lead(run: Run) -> Iterator[str]:
    data = run.info["data"]
    queries = f", {data['queries']['n_rows']:,} queries" if "queries" in data else ", no queries"
    yield f"{data['name']}: {data['items']['n_rows']:,} items x {data['items']['n_dims']}{queries}"
    known = data["trained_with"]
    training = "training unknown, dot assumed" if known == "unknown" else f"trained with {known}"
    yield f"{training} ({'two towers' if data['towers'] == 2 else 'one tower'})"
    yield f"tasks: {', '.join(run.info['tasks'])}" if run.info.get("tasks") else ""


def _statements(run: Run, decisions: Sequence[Decision]) -> Iterator[Statement]:
    status = run.info["status"]
    if status != "finished":
        yield Statement(f"This run is not complete ({status}): what was measured is below, without a decision.")
        decisions = ()
    for first, *rest in filter(None, map(tuple, (diagnosis_lines(run), *map(decision_lines, decisions)))):
        yield Statement(first, tuple(rest))
    if status != "finished":
        return
    for one in judge(run):
        yield Statement(verdict_line(one))
    if not decisions:
        yield Statement(
            "Nothing was retrieved, so there is no index to decide on: the tables below say what was found."
        )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    info, machine = run.info, run.info["environment"]
    yield "started", str(info.get("started", ""))
    compiled = next((row.value for row in run.measurements if row.metric == "compile_time"), None)
    yield "took", f"{info['seconds']:.0f} s, of which {significant(compiled)} s compiling kernels"
    yield "processor", f"{machine['processor']}, {machine['threads']} threads"
    if machine.get("memory_bytes"):
        yield "memory", f"{machine['memory_bytes'] / 1e9:.1f} GB"
    yield "system", str(machine.get("platform", ""))
    versions = {"python": machine.get("python", ""), **machine.get("versions", {})}
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    commit = str(info.get("git_commit") or "")
    yield "commit", commit[:12] + ("+ (changed files)" if commit.endswith("+") else "")
    prints = info["data"].get("fingerprints", {})
    yield "data", ", ".join(f"{side} {str(known)[:12]}" for side, known in prints.items())


def _sections(run: Run, decisions: Sequence[Decision]) -> Iterator[Section]:
    asked = run.info["config"]["k"]
    if Figures(run, "retrieve").rows:
        tables = [strategies_table(run), *(cells_table(run, k) for k in asked), indexes_table(run)]
        queued = any(row.metric == "response_p50" for row in run.measurements)
        tails = (
            *html_tables([speeds_table(run)], folded=not queued),
            *html_tables((tails_table(run, k) for k in asked), folded=True),
        )
        pictures = (*retrieve_pictures(run, decisions), *sample_pictures(run, decisions))
        yield Section("retrieve", "Retrieve", pictures, (*html_tables(tables), *tails))
    tables = [similar_table(run)] if Figures(run, "similar").rows else []
    tables += [cluster_table(run)] if Figures(run, "cluster").rows else []
    yield Section("items", "Items among themselves", tuple(item_pictures(run)), html_tables(tables))
    judged = judge(run)
    yield Section(
        "validate",
        "Validation",
        tables=html_tables(validation_table(run, one) for one in judged),
        lines=tuple(verdict_line(one) for one in judged),
    )
    recovered = [recovery_table(run)] if Figures(run, "recover").rows else []
    heatmaps = tuple(heatmap_pictures(run.path))
    yield Section("classes", "Known classes", heatmaps, html_tables(recovered))
    yield Section("vectors", "The vectors", tuple(vector_pictures(run)))
    yield Section(
        "probes", "Changed coordinates, same scores", tuple(probe_pictures(run)), html_tables(probe_tables(run))
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(text: str) -> str:
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."
