"""A child does one thing at a time, and one that dies says why."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import idxbench
from idxbench.indexes.catalogue import make_index
from idxbench.timing import child
from idxbench.timing.child import Child, ChildError
from idxbench.timing.worker import PROTOCOL, Job, write_job
from idxbench.version import __version__

KINDS = {"hnswlib": {"M": 8, "ef_construction": 50}, "exact": {}, "numpy": {}, "sklearn": {}}


@pytest.fixture
def job(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("items", 200), ("queries", 10)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 8)).astype(np.float32))
    out = tmp_path / "out"
    out.mkdir()
    return Job(
        mode="build",
        items=str(tmp_path / "items.npy"),
        queries=str(tmp_path / "queries.npy"),
        out=str(out),
        saved=str(tmp_path / "saved"),
        kind="hnswlib",
        parameters=KINDS["hnswlib"],
        searches=[{"ef": 10}, {"ef": 50}],
        similarity="dot",
        k=5,
        seed=0,
        build_threads=1,
        search_threads=2,
    )


@pytest.fixture
def saved(job):
    """Return the job that loads what the other has built."""
    with Child(job, Path(job.out)) as process:
        process.build(quiet)
    return replace(job, mode="load")


def quiet(n):
    """Ignore progress."""


def start(job):
    return Child(job, Path(job.out))


def test_a_child_builds_and_saves_and_ends(job):
    told = []
    with start(job) as process:
        built = process.build(told.append)
        assert process._process.wait(timeout=60) == 0
    assert sum(told) == 200
    assert built.build_s > 0
    assert built.index_bytes > 200 * 8 * 4
    assert built.index_bytes == Path(job.saved).stat().st_size
    assert built.reachable.all()
    assert built.batch_threads == 2
    assert built.library[0] == "hnswlib"
    assert built.library[1][0].isdigit()
    assert built.protocol == PROTOCOL


def test_another_child_loads_and_measures(saved):
    with start(replace(saved, rate=5000.0)) as process:
        process.load()
        for round_, searches in enumerate(((0, 1), (1, 0))):
            for search in searches:
                turn = process.turn(search, round_)
                assert turn.batch_s > 0
                assert turn.single_s.shape == (10,)
                assert (turn.single_s > 0).all()
                assert turn.threads_s > 0
                assert turn.threads_queries >= 10
                assert turn.response_s.shape == (100,)
                assert turn.reading.wall_s > turn.batch_s
        answers = process.answers()
    assert [one.ids.shape for one in answers] == [(10, 5)] * 2
    assert [one.n_short for one in answers] == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_answers_as_what_was_built(job, kind):
    """Whatever the library saves; an exact search is built again from its items. No search need have had a turn."""
    searches = [{"ef": 10}, {"ef": 50}] if kind == "hnswlib" else [{}]
    job = replace(job, kind=kind, parameters=KINDS[kind], searches=searches)
    with start(job) as process:
        process.build(quiet)
    index = make_index(kind, KINDS[kind], "dot")
    index.build(np.load(job.items), seed=0, threads=1, progress=quiet)
    queries = index.prepare(np.load(job.queries))
    with start(replace(job, mode="load")) as process:
        process.load()
        process.turn(0, 0)
        answers = process.answers()
    for search, found in zip(searches, answers, strict=True):
        index.set_search(search)
        np.testing.assert_array_equal(found.ids, index.search(queries, 5, threads=2).ids)


def test_a_saved_index_is_loaded_without_its_items(saved):
    Path(saved.items).unlink()
    with start(saved) as process:
        process.load()
        assert process.turn(0, 0).batch_s > 0


def test_an_index_that_is_not_there_or_broken_is_the_reason(saved):
    Path(saved.saved).write_bytes(b"torn")
    with start(saved) as process, pytest.raises(ChildError, match="expected: an index saved by idxbench") as told:
        process.load()
    assert "\n" not in str(told.value)
    Path(saved.saved + ".json").unlink()
    with start(saved) as process, pytest.raises(ChildError, match="No such file"):
        process.load()


def test_more_queries_than_a_round_asks_alone(saved):
    np.save(saved.queries, np.random.default_rng(1).normal(size=(2500, 8)).astype(np.float32))
    with start(saved) as process:
        process.load()
        turn = process.turn(0, 2)
        assert turn.single_s.shape == (1000,)
        assert turn.threads_queries % 1000 == 0
        assert process.answers()[0].ids.shape == (2500, 5)


def test_small_batches_are_known_to_use_one_thread(job):
    with start(replace(job, search_threads=3)) as process:
        assert process.build(quiet).batch_threads == 1


def test_what_a_child_raised_is_the_reason(job):
    with start(replace(job, parameters={"M": 8})) as process:
        with pytest.raises(ChildError, match=r"^KeyError: 'ef_construction'$"):
            process.build(quiet)
        with pytest.raises(ChildError, match="KeyError: 'ef_construction'"):
            process.turn(0, 0)


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_killed_child_is_named(job, tmp_path):
    die = script(tmp_path / "die", f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), {int(signal.SIGKILL)})\n")
    with start(replace(job, python=die)) as process:
        for step in (lambda: process.build(quiet), process.load, lambda: process.turn(0, 0), process.answers):
            with pytest.raises(ChildError, match="killed by SIGKILL, perhaps for want of memory"):
                step()


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


def test_threads_are_told_their_number_and_not_to_spin_for_long(job, monkeypatch):
    """Unless the user has said how long: then that holds. The number of threads is ours to say."""
    environments = []
    monkeypatch.setattr(child.subprocess, "Popen", lambda *_, env, **options: environments.append(env))
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    start(job)
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    start(job)
    assert [one["GOMP_SPINCOUNT"] for one in environments] == ["1000", "5"]
    assert [one["OMP_NUM_THREADS"] for one in environments] == ["2", "2"]


def test_the_end_of_the_block_ends_the_process(saved):
    with start(saved) as waiting:
        waiting.load()
        assert waiting._process.poll() is None
    assert waiting._process.returncode == -signal.SIGKILL

    def interrupt():
        with start(saved) as process:
            started.append(process._process)
            raise KeyboardInterrupt

    started = []
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert started[0].returncode == -signal.SIGKILL


def test_ctrl_c_is_for_the_parent(saved):
    """In a terminal it goes to the whole group of processes; a child is in another, and does not listen anyway."""
    with start(saved) as process:
        process.load()
        pid = process._process.pid
        assert os.getpgid(pid) != os.getpgid(0)
        os.kill(pid, signal.SIGINT)
        assert process.turn(0, 0).batch_s > 0
        os.killpg(os.getpgid(pid), signal.SIGINT)
        assert process.turn(1, 0).batch_s > 0


# A worker that stands in the middle of a long build for ever: it has said its first message and looks at nothing.
BUILDING = """\
import sys, time
from idxbench.indexes.hnsw import HnswIndex
from idxbench.timing import worker

def build(self, items, *, seed, threads, progress):
    progress(1)
    while True:
        time.sleep(1)

HnswIndex.build = build
worker.main(sys.argv[1])
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up where Linux shows them")
@pytest.mark.parametrize("step", ["building", "waiting"])
def test_a_child_whose_parent_is_killed_ends_by_itself(job, saved, tmp_path, step):
    """Killed without a word, a parent can't end its children."""
    write_job(job if step == "building" else saved, tmp_path / "job.json")
    (tmp_path / "building.py").write_text(BUILDING)
    command = [str(tmp_path / "building.py")] if step == "building" else ["-m", "idxbench.timing.worker"]
    word = "built" if step == "building" else "ready"
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, *{command!r}, {str(tmp_path / 'job.json')!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "for line in p.stdout:\n"
        f"    if {word!r} in line: break\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        alive = is_running(pid)
        parent.kill()
    assert alive
    assert ends(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills children with their parent")
def test_a_child_born_after_its_parent_died_does_not_begin(job, tmp_path):
    """Its input has ended before it could tie itself to anyone."""
    write_job(job, tmp_path / "job.json")
    command = [sys.executable, "-m", "idxbench.timing.worker", str(tmp_path / "job.json")]
    read, write = os.pipe()
    os.close(write)
    done = subprocess.run(command, stdin=read, capture_output=True, text=True, timeout=60, check=False)
    os.close(read)
    assert (done.returncode, done.stdout) == (1, "")
    assert not Path(job.saved).exists()


def ends(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and is_running(pid):
        time.sleep(0.01)
    return not is_running(pid)


def is_running(pid):
    """Whether a process runs: not one that has ended and waits for someone to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_kernel_that_is_compiled_while_timed_is_the_reason(saved, tmp_path, monkeypatch):
    """The 65th query in a row needs a kernel for numbers of another type; no warm-up asks more than 64."""
    np.save(saved.queries, np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32))
    patch_workers(
        tmp_path,
        monkeypatch,
        "    import numpy as np\n"
        "    from idxbench.indexes.hnsw import HnswIndex\n"
        "    from idxbench.kernels import heaps\n"
        "    real, alone = HnswIndex.search, []\n"
        "    def search(self, rows, *a, **o):\n"
        "        alone[:] = [*alone, 1] if len(rows) == 1 else []\n"
        "        if len(alone) == 65:\n"
        "            heaps.sort_heaps(np.ones((1, 1)), np.ones((1, 1), np.int64))\n"
        "        return real(self, rows, *a, **o)\n"
        "    HnswIndex.search = search\n",
    )
    with start(replace(saved, search_threads=1)) as process:
        process.load()
        with pytest.raises(ChildError, match=r"^kernels were compiled \(1\) while the search {'ef': 10} was timed"):
            process.turn(0, 0)


def patch_workers(tmp_path, monkeypatch, code):
    """Have every worker run some code when it starts."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('worker' in a for a in getattr(sys, 'orig_argv', [])):\n" + code
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)


def test_what_a_library_prints_or_reads_disturbs_nothing(saved, tmp_path, monkeypatch):
    """Code that writes to standard output, and even looks like us, and reads standard input, while it searches."""
    patch_workers(
        tmp_path,
        monkeypatch,
        "    from idxbench.indexes.hnsw import HnswIndex\n"
        "    real = HnswIndex.search\n"
        "    def search(self, *a, **o):\n"
        "        os.write(1, b'{\"ready\": 1}')\n"
        "        print('noise without an end', end='')\n"
        "        assert os.read(0, 10) == b''\n"
        "        return real(self, *a, **o)\n"
        "    HnswIndex.search = search\n",
    )
    with start(saved) as process:
        process.load()
        for search in (0, 1, 0, 1):
            process.turn(search, 0)
        assert all((answers.ids >= 0).all() for answers in process.answers())
    assert b"ready" in Path(saved.out, "stderr.txt").read_bytes()
