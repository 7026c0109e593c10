"""Running from Python: what the command line does, as a function."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.progress import Progress
from idxbench.bench.runner import Request, Say, execute
from idxbench.config.load import load_config, parse_config
from idxbench.config.schema import Config
from idxbench.records import Run, load_run


def run(
    config: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    only: Sequence[str] = (),
    resume: bool = False,
    budget: float | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run a config and return its results.

    Parameters
    ----------
    config
        The path of a TOML config, or its content as a mapping.
    out
        Parent of run directories; ``results/<name>`` when None.
    threads
        None takes the config's, 0 every usable core.
    only
        Strategies or kinds of indexes to keep.
    resume
        Continue the newest unfinished run of this configuration; where there is none, begin afresh, and say so in the
        run's notices.
    budget
        Seconds that timed rounds may take, 0 for any; None takes the config's.
    progress
        Told how far the work is; silent when None.

    Raises
    ------
    ConfigError, DataError, ResultError
        Mistakes in config, data or output folder; data that changed since the run began; a run directory that another
        process writes; a full disk.
    KeyboardInterrupt
        After Ctrl-C, once what was measured is safe; its text says where it lies.

    Notes
    -----
    ``Run.info["exit_status"]`` is 0, or 4 when a cell failed: its row is there all the same.
    """
    request = make_request(config, out=out, threads=threads, only=only, resume=resume, budget=budget)
    path, _ = execute_request(request, progress)
    done = load_run(path)
    draw(done)
    return done


def execute_request(
    request: Request, progress: Progress | None = None, say: Say = lambda text: None
) -> tuple[Path, int]:
    """Run what was asked for, with the words of ``idxbench diagnose`` for its vectors; see `execute`."""
    from idxbench.verdicts.diagnosis import conclude, diagnosis_to_dict

    def told(examined: Examined) -> dict[str, Any]:
        whole = diagnosis_to_dict(conclude(examined))
        return {key: whole[key] for key in ("headline", "findings", "strategies", "figures")}

    return execute(request, told, progress, say)


def draw(run: Run) -> None:
    """Write the pictures of a run into its directory: ``report.html``, and ``heatmaps.png`` where ``[recover]`` asked.

    Raises
    ------
    ResultError
        They can't be written. The run is whole without them.
    """
    from idxbench.report.heatmaps import PICTURE, draw_heatmaps
    from idxbench.report.html.run_page import PAGE, write_run_page
    from idxbench.store.files import unwritable
    from idxbench.verdicts.decision import decide

    write_run_page(run, decide(run), run.path / PAGE)
    heatmaps = run.path / "heatmaps.npz"
    if (run.info["config"]["recover"] or {}).get("heatmaps") and heatmaps.is_file():
        try:
            draw_heatmaps(heatmaps, run.path / PICTURE)
        except OSError as error:
            raise unwritable(run.path, error) from None


def _plain(value: Any) -> Any:
    """Return what TOML can hold: paths as text, no None."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def make_request(
    config: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    only: Sequence[str] = (),
    resume: bool = False,
    budget: float | None = None,
) -> Request:
    """Read and check a config, and say where its results go (parameters as in `run`)."""
    parsed: Config
    if isinstance(config, Mapping):
        import tomli_w

        parsed, name, text = parse_config(config), "config", tomli_w.dumps(_plain(config))
        again = "the same call with resume=True"
    else:
        parsed, name = load_config(Path(config)), str(config)
        text = Path(config).read_text(encoding="utf-8")
        again = _again(name, out, threads, only, budget)
    if threads is not None:
        parsed = parsed.model_copy(update={"threads": threads})
    if budget is not None:
        parsed = parsed.model_copy(update={"measure": parsed.measure.model_copy(update={"budget": budget})})
    parent = Path(out) if out is not None else Path("results") / parsed.name
    return Request(parsed, name, text, parent, tuple(only), resume, again)


def _again(config: str, out: str | Path | None, threads: int | None, only: Sequence[str], budget: float | None) -> str:
    """Return the command that continues this one."""
    words = ["idxbench", "run", config, "--resume"]
    words += ["--out", str(out)] if out is not None else []
    words += ["--threads", str(threads)] if threads is not None else []
    words += ["--budget", f"{budget:g}"] if budget is not None else []
    for one in only:
        words += ["--only", one]
    return shlex.join(words)
