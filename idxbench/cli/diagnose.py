"""``idxbench diagnose``: what can be trusted, in seconds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idxbench.cli.stop import stop_as_after_ctrl_c
from idxbench.errors import ConfigError, Problem

if TYPE_CHECKING:
    from idxbench.bench.patient import Patient

SCORERS = ("dot", "cosine", "l2")


def command(
    config: Annotated[
        Path | None,
        typer.Argument(help="A run config, in place of --items: its [data] and [diagnose] count.", metavar="[CONFIG]"),
    ] = None,
    items: Annotated[Path | None, typer.Option(help="Item vectors, of any known format.", metavar="FILE")] = None,
    queries: Annotated[Path | None, typer.Option(help="Query vectors.", metavar="FILE")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="One label per item; without, nothing is called better.", metavar="FILE")
    ] = None,
    items_key: Annotated[
        str | None, typer.Option(help="Which array of --items: npz array, hdf5 dataset or column.", metavar="NAME")
    ] = None,
    queries_key: Annotated[str | None, typer.Option(help="The same for --queries.", metavar="NAME")] = None,
    labels_key: Annotated[str | None, typer.Option(help="The same for --labels.", metavar="NAME")] = None,
    trained_with: Annotated[
        str | None,
        typer.Option(help="dot, cosine, l2 or unknown.", show_default="the config's, or unknown", metavar="WORD"),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="pointwise, ranking (softmax, BPR) or unknown.",
            show_default="the config's, or unknown",
            metavar="WORD",
        ),
    ] = None,
    towers: Annotated[
        int | None,
        typer.Option(
            help="1 if one model makes items and queries, else 2.",
            show_default="2 where there are queries",
            min=1,
            max=2,
        ),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="What scores a pair when served: dot, cosine, l2 or other.",
            show_default="as trained",
            metavar="WORD",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads to use, 0 for every usable core.", show_default="the config's", min=0)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    write: Annotated[
        Path | None,
        typer.Option(help="Write balanced vectors, which keep every score, to a new folder.", metavar="DIR"),
    ] = None,
) -> int:
    """Say what can be trusted about vectors, without an index.

    Looks at norms, zeros, duplicates, columns and rank of all rows, and searches samples exactly: whether item-item
    cosine is determined by the training, whether the coordinates will hurt an index, what another similarity would
    return, and which strategies are worth running. Thresholds stand under [diagnose] in a config.

    Exits with 0 whatever it finds: it is no gate.
    """
    from idxbench.cli.progress import Bars
    from idxbench.verdicts.diagnose import LOSSES, TRAINED, check_choice, diagnose_patient, with_words

    check_choice("--trained-with", trained_with, TRAINED)
    check_choice("--loss", loss, LOSSES)
    _check_scorer(scorer, trained_with)
    stop_as_after_ctrl_c()
    tables = {
        "items": _file(items, items_key, "items"),
        "queries": _file(queries, queries_key, "queries"),
        "labels": _file(labels, labels_key, "labels"),
    }
    patient, config_threads = _load(config, {name: file for name, file in tables.items() if file}, towers)
    patient = with_words(patient, trained_with or (None if patient.trained_with != "unknown" else scorer), loss)
    _check_scorer(scorer, patient.trained_with)
    used = config_threads if threads is None else threads
    diagnosis = diagnose_patient(patient, threads=used, write=write, progress=Bars())
    if as_json:
        from idxbench.verdicts.diagnosis import diagnosis_to_dict

        typer.echo(json.dumps(diagnosis_to_dict(diagnosis), indent=2, allow_nan=False))
    else:
        from idxbench.report.diagnosis import show_diagnosis

        show_diagnosis(diagnosis)
    return 0


def _check_scorer(scorer: str | None, trained_with: str | None) -> None:
    """Refuse scorers that items and queries alone do not say: their geometry is not what is served."""
    if scorer is None:
        return
    if scorer not in SCORERS:
        raise ConfigError(
            Problem(
                "--scorer",
                "dot, cosine or l2: one score from one item vector and one query vector",
                repr(scorer),
                "no diagnosis: under an MLP, MaxSim or cross-encoder the score is not in the geometry of the vectors, "
                "so neither their neighbours nor their coordinates say what is served; measure recall against your "
                "own scorer's answers instead ([data] neighbors, idxbench run)",
            )
        )
    if trained_with not in (None, "unknown", scorer):
        fix = "a model answers what it was trained for: name one of the two"
        raise ConfigError(Problem("--scorer", f"{trained_with}, as --trained-with says", scorer, fix))


def _file(path: Path | None, key: str | None, name: str) -> dict[str, str] | None:
    if path is None:
        if key is not None:
            raise ConfigError(Problem(f"--{name}-key", f"--{name} beside it", f"{key!r} alone"))
        return None
    return {"path": str(path)} | ({} if key is None else {"key": key})


def _load(config: Path | None, files: dict[str, dict[str, str]], towers: int | None) -> tuple["Patient", int]:
    from idxbench.bench.patient import patient_from
    from idxbench.config.load import load_config, parse_config

    if (config is None) == ("items" not in files) or (config is not None and files):
        found = f"{config} and {', '.join(f'--{name}' for name in files)}" if config else "neither"
        if config is None and files:
            found = f"{', '.join(f'--{name}' for name in files)} alone"
        raise ConfigError(Problem("diagnose", "a CONFIG, or --items FILE (and --queries FILE)", found))
    given: dict[str, Any] = {"data": files}
    parsed = load_config(config) if config is not None else parse_config(given, "diagnose")
    return patient_from(parsed, towers=towers), parsed.threads
