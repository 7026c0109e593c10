"""Files that are whole or not there: a disk that takes but a part leaves what stood."""

import errno
import os

import pytest

from idxbench.errors import ResultError
from idxbench.store import files
from idxbench.store.files import DiskFullError, append, replace, told_full, unwritable


@pytest.fixture
def small_disk(monkeypatch):
    """A disk with room for three more bytes."""
    real, room = os.write, [3]

    def write(file, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = data[: room[0]]
        room[0] -= len(taken)
        return real(file, taken)

    monkeypatch.setattr(files.os, "write", write)
    return room


def test_what_fits_is_appended(tmp_path):
    path = tmp_path / "x"
    append(path, b"one\n", sync=True)
    append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("room", [0, 3])
def test_what_does_not_fit_leaves_the_file_as_it_was(tmp_path, small_disk, room):
    path = tmp_path / "x"
    path.write_bytes(b"before\n")
    small_disk[0] = room
    with pytest.raises(OSError, match="No space left"):
        append(path, b"after\n")
    assert path.read_bytes() == b"before\n"
    with pytest.raises(OSError, match="No space left"):
        replace(path, b"instead\n")
    assert path.read_bytes() == b"before\n"
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_one_write_for_one_line(tmp_path, monkeypatch):
    """A reader, or a kill, between two writes would see half a line."""
    calls = []
    monkeypatch.setattr(files.os, "write", lambda file, data: calls.append(data) or len(data))
    append(tmp_path / "x", b"a" * 1_000_000)
    assert [len(data) for data in calls] == [1_000_000]


def test_words_for_a_full_disk_and_for_others(tmp_path):
    for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        error = unwritable(tmp_path, OSError(code, os.strerror(code)))
        assert isinstance(error, DiskFullError)
        assert error.problems[0].fix == "make room, then: the same command with --resume"
    error = unwritable(tmp_path, OSError(errno.EACCES, "Permission denied"))
    assert isinstance(error, ResultError)
    assert not isinstance(error, DiskFullError)
    assert "--out" in error.problems[0].fix


def test_what_a_process_says_that_died_on_a_full_disk(tmp_path):
    for text in ("OSError: [Errno 28] No space left on device", "OSError: [Errno 27] File too large: 'x'"):
        assert told_full(text, tmp_path) == text
    assert told_full("MemoryError", tmp_path) == ""
    assert told_full("MemoryError", tmp_path / "nowhere") == ""


def test_a_process_that_had_no_room_left_to_say_why_it_died(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    without = os.statvfs_result([*real[:4], 0, *real[5:]])  # f_bavail
    monkeypatch.setattr(files.os, "statvfs", lambda folder: without)
    assert told_full("it ended with exit code 1", tmp_path) == "No space left on device: it ended with exit code 1"
