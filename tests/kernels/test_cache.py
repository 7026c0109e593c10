"""Compiled kernels on disk: found by the next process, and never those of other sources, settings or CPUs.

Most cases run processes of their own on a copy of the package, with a kernel of one line and a helper in another file.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import pytest

import idxbench
from idxbench.kernels import cache, jit

PARTS = '''"""A helper in a file of its own."""
from idxbench.kernels.jit import helper

FACTOR = 2.0


@helper
def scaled(x):
    return FACTOR * x
'''

KERNEL = '''"""A kernel that calls a helper of another file."""
from idxbench.kernels.parts import scaled
from idxbench.kernels.jit import kernel


@kernel
def total(a, b):
    return scaled(a) + scaled(b)
'''

PROGRAM = """
import sys, warnings
warnings.simplefilter("error")
import numba, numpy as np
before = numba.config.CACHE_DIR
from idxbench.kernels.tiny import total
one, two = np.array([1, 2], sys.argv[1])
print(total(one, two), sum(total.stats.cache_hits.values()), total.stats.cache_path)
assert numba.config.CACHE_DIR == before
"""


@pytest.fixture
def copy(tmp_path):
    """The package with two more files of kernels, somewhere else."""
    source = Path(idxbench.__file__).parent
    shutil.copytree(source, tmp_path / "copy" / "idxbench", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = tmp_path / "copy" / "idxbench" / "kernels"
    (kernels / "parts.py").write_text(PARTS)
    (kernels / "tiny.py").write_text(KERNEL)
    return kernels


@pytest.fixture
def call(copy, tmp_path):
    """Return a function that runs the kernel in a fresh process: its result, whether it was loaded, its folder."""

    def run(program=PROGRAM, kind="float64", **settings):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "IDXBENCH_"))}
        # Sources edited within a second have the same time stamp: no bytecode, so that Python sees the edit, too.
        fixed = {"PYTHONPATH": str(copy.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, kind],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=inherited | fixed | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")} | settings,
        )
        assert done.stderr == ""
        result, hits, *folder = done.stdout.split(maxsplit=2)
        return float(result), int(hits), folder[0].strip() if folder else None

    return run


def test_the_next_process_loads_and_an_edit_elsewhere_is_seen(call, copy, tmp_path):
    result, hits, folder = call()
    assert (result, hits) == (6.0, 0)
    assert Path(folder).parent == tmp_path / "cache" / "idxbench"
    assert Path(folder).name.startswith(f"{idxbench.__version__}-")
    assert call() == (6.0, 1, folder)
    (copy / "parts.py").write_text(PARTS.replace("2.0", "5.0"))
    result, hits, other = call()
    assert (result, hits) == (15.0, 0)
    assert other != folder
    (copy / "parts.py").write_text(PARTS)
    assert call() == (6.0, 1, folder)
    assert not list(copy.rglob("*.nb?")), "nothing beside the sources"
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    "setting", [{"CPU_NAME": "nehalem"}, {"CPU_FEATURES": "+sse2"}, {"CPU_FEATURES": ""}, {"OPT": 1}]
)
def test_other_processors_and_settings_have_folders_of_their_own(monkeypatch, setting):
    monkeypatch.setattr(cache, "_source_digest", lambda: cache._LOADED)  # whatever is edited while tests run
    folders = {cache.kernel_folder(cache.cpu_features)}
    for name, value in setting.items():
        monkeypatch.setattr(numba.config, name, value)
    folders.add(cache.kernel_folder(cache.cpu_features))
    assert len(folders) == 2
    assert None not in folders


def test_functions_from_elsewhere_have_none():
    """The folder's key says nothing of their sources."""
    assert cache.kernel_folder(test_functions_from_elsewhere_have_none) is None


def test_the_processor_is_taken_from_the_environment(call):
    _, _, folder = call()
    assert call(NUMBA_CPU_NAME="generic")[:2] == (6.0, 0)
    assert call() == (6.0, 1, folder)


def test_folders_follow_the_caches_of_the_program(call, tmp_path):
    _, _, folder = call(NUMBA_CACHE_DIR="", IDXBENCH_CACHE_DIR=str(tmp_path / "ours"))
    assert Path(folder).parent == tmp_path / "ours" / "numba"


def test_numbas_own_switches_do_no_harm(call):
    """Disabled compilation has no cache; a list of locators, which would overrule a folder, is for others."""
    program = PROGRAM.replace("sum(total.stats.cache_hits.values()), total.stats.cache_path", "0")
    assert call(program, NUMBA_DISABLE_JIT="1") == (6.0, 0, None)
    _, _, folder = call(NUMBA_CACHE_LOCATOR_CLASSES="InTreeCacheLocator")
    assert call() == (6.0, 1, folder)


def test_a_folder_that_can_not_be_written_costs_time_only(call, tmp_path):
    (tmp_path / "file").write_text("")
    assert call(NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"))[:2] == (6.0, 0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_read(call, tmp_path):
    _, _, folder = call()
    Path(folder).chmod(0o500)
    try:
        assert call() == (6.0, 1, folder)
        assert call(kind="int64")[:2] == (6.0, 0)
    finally:
        Path(folder).chmod(0o700)


def test_a_damaged_file_is_compiled_again(call):
    _, _, folder = call()
    (stored,) = Path(folder).iterdir()
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    assert call() == (6.0, 0, folder)
    assert call() == (6.0, 1, folder)


def test_processes_that_start_at_once_do_not_mix_up_signatures(call):
    """Two processes that first meet different types: afterwards each type finds its own code."""
    kinds = ["float64", "int64"]
    with ThreadPoolExecutor(2) as pool:
        assert {one[0] for one in pool.map(lambda kind: call(kind=kind), kinds)} == {6.0}
    assert [call(kind=kind)[:2] for kind in kinds] == [(6.0, 1)] * 2


def test_sources_edited_under_a_running_process_are_not_taken_for_what_it_runs(call):
    """What was imported before an update and what comes after belong together in no folder."""
    program = PROGRAM.replace(
        "from idxbench.kernels.tiny",
        "import idxbench.kernels.jit, pathlib\n"
        "file = pathlib.Path(idxbench.kernels.jit.__file__).with_name('parts.py')\n"
        "file.write_text(file.read_text().replace('2.0', '7.0'))\n"
        "from idxbench.kernels.tiny",
    )
    assert call(program) == (21.0, 0, "None")
    assert call()[:2] == (21.0, 0)


def test_folders_long_unused_are_removed_and_nothing_else(tmp_path):
    root = tmp_path / "cache" / "idxbench"
    old = [root / f"0.0.{i}-{i:024x}" for i in range(20)]
    for i, folder in enumerate(old):
        folder.mkdir(parents=True)
        os.utime(folder, (1000 + i, 1000 + i))
    (root / "notes").mkdir()
    new = root / f"0.1.0-{'f' * 24}"
    new.mkdir()
    cache._prune(new)
    kept = ["notes", new.name, *(path.name for path in old[-cache.KEPT_FOLDERS + 1 :])]
    assert sorted(path.name for path in root.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CPU_FEATURES": "+avx512f,+avx512bw,+avx512vl,+avx512vnni"}, (True, True, False)),
        ({"CPU_FEATURES": "+avx512f,+avx512bw,+avx512vl,-avx512vnni"}, (True, False, False)),
        ({"CPU_FEATURES": "+avx2,+avxvnni,-avx512f"}, (False, False, True)),
        ({"CPU_FEATURES": "+avx512fp16"}, (False, False, False)),
        ({"CPU_FEATURES": ""}, (False, False, False)),
        ({"CPU_NAME": "nehalem"}, (False, False, False)),
        ({"ENABLE_AVX": 0}, (False, False, False)),
    ],
)
def test_features_are_those_numba_compiles_for(monkeypatch, settings, expected):
    for name, value in ({"CPU_NAME": None, "CPU_FEATURES": None} | settings).items():
        monkeypatch.setattr(numba.config, name, value)
    assert (jit.has_avx512(), jit.has_vnni(), jit.has_avxvnni()) == expected
