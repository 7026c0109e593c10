"""The diagnosis of a run: what ``idxbench diagnose`` says of its vectors, kept with its figures."""

from collections.abc import Callable, Mapping
from typing import Any

from idxbench.bench.diagnose_job import Examined, examine
from idxbench.bench.inputs import Inputs
from idxbench.bench.patient import patient_of
from idxbench.bench.session import Finding, Session

# From what was measured to what is kept of it: plain JSON values. Rules and words live above this room.
Conclude = Callable[[Examined], Mapping[str, Any]]


def diagnose_inputs(session: Session, inputs: Inputs, conclude: Conclude) -> None:
    """Examine the vectors of a run, and keep under ``diagnosis`` what is concluded."""
    session.once({"kind": "diagnosis"}, lambda: _diagnosis(session, inputs, conclude))


def _diagnosis(session: Session, inputs: Inputs, conclude: Conclude) -> Finding:
    patient = patient_of(session.config, inputs)
    examined = examine(patient, threads=session.threads, progress=session.progress)
    session.facts["diagnosis"] = dict(conclude(examined))
    return Finding()
