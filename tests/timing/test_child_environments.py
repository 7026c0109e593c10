"""Children of other environments: whose packages count, and what is said where one can't be used."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import idxbench
from idxbench.timing.child import ChildError
from idxbench.timing.worker import PROTOCOL
from idxbench.version import __version__
from tests.timing.children import quiet, script, start


def another(path, search_path):
    """Write an interpreter of another environment: this one, with another place for its packages."""
    ours = '[ -z "$PYTHONPATH$PYTHONHOME" ] || exit 9'
    return script(path, f'#!/bin/sh\n{ours}\nPYTHONPATH="{search_path}" exec "{sys.executable}" "$@"\n')


def test_an_index_of_another_environment(job, tmp_path, monkeypatch):
    """Its own packages count, not ours, and not those of the folder that we were started in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "ours"))
    for place in ("ours/idxbench", "idxbench"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").write_text("raise SystemExit('the wrong idxbench')\n")
    python = another(tmp_path / "python", Path(idxbench.__file__).parents[1])
    job = replace(job, python=python)
    with start(job) as process:
        assert process.build(quiet).protocol == PROTOCOL
    with start(replace(job, mode="load")) as process:
        process.load()
        assert process.turn(0, 0).batch_s > 0


def test_an_environment_without_idxbench(job, tmp_path):
    bare = script(tmp_path / "bare", f'#!/bin/sh\nexec "{sys.executable}" -S -E -P "$@"\n')
    with (
        start(replace(job, python=bare)) as process,
        pytest.raises(ChildError, match="has no idxbench: install") as told,
    ):
        process.build(quiet)
    assert f"{bare} -m pip install" in str(told.value)
    assert __version__ in str(told.value)


def test_an_environment_with_an_idxbench_from_before(job, tmp_path):
    old = tmp_path / "packages" / "idxbench"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("")
    python = another(tmp_path / "python", old.parent)
    with (
        start(replace(job, python=python)) as process,
        pytest.raises(ChildError, match="has an idxbench too old to be"),
    ):
        process.build(quiet)


def test_an_environment_that_lacks_the_library(job, tmp_path):
    """What it lacks is said, and where."""
    place = tmp_path / "packages"
    shutil.copytree(Path(idxbench.__file__).parent, place / "idxbench", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "hnswlib.py").write_text("raise ModuleNotFoundError(\"No module named 'hnswlib'\")\n")
    python = another(tmp_path / "python", place)
    with (
        start(replace(job, python=python)) as process,
        pytest.raises(ChildError, match=rf"^in {python}: ModuleNotFoundError: No module named 'hnswlib'$"),
    ):
        process.build(quiet)


def speaking(tmp_path, *messages):
    lines = "".join(f"print({message!r}, flush=True)\n" for message in messages)
    return script(tmp_path / "speaks", f"#!{sys.executable}\n{lines}input()\n")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (['{"hello": {"protocol": 99, "idxbench": "9.9"}}'], rf"has idxbench 9.9, with protocol 99 .* {PROTOCOL}:"),
        (['{"built": 5}'], "of an unknown version, with protocol unknown"),
        (["Welcome!"], "the child process said 'Welcome!', which is no message"),
        (["[1]"], "which is no message"),
    ],
)
def test_an_environment_that_speaks_otherwise(job, tmp_path, messages, told):
    python = speaking(tmp_path, *messages)
    with start(replace(job, python=python)) as process, pytest.raises(ChildError, match=told):
        process.build(quiet)


@pytest.mark.parametrize("content", [None, "not executable", "#!/nowhere/python\n"])
def test_an_interpreter_that_cant_be_started(job, tmp_path, content):
    path = tmp_path / "python"
    if content is not None:
        path.write_text(content)
        path.chmod(0o755 if content.startswith("#!") else 0o644)
    with pytest.raises(ChildError, match=rf"^{path} can't be started: "):
        start(replace(job, python=str(path)))
