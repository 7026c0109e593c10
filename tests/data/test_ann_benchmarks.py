import errno
import hashlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from idxbench.data.sources import ann_benchmarks
from idxbench.data.sources.ann_benchmarks import DISTANCES, fetch
from idxbench.errors import DataError

NAME = "glove-25-angular"
CONTENT = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 1200
OTHER = CONTENT[:8] + CONTENT[:7:-1]
HALF = len(CONTENT) // 2


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Web:
    """A server whose every answer a test can bend, and what it was asked."""

    content: bytes = CONTENT
    etag: str | None = '"v1"'
    ranges: bool = True
    check_if_range: bool = True
    shift: int = 0  # how far before the byte asked for the next partial answers begin
    drops: list[int] = field(default_factory=list)  # bytes after which the next connections break
    statuses: list[int] = field(default_factory=list)  # answers of the next requests
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    on_drop: Callable[[], None] | None = None
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        web = self.web
        wanted = self.headers.get("Range")
        web.asked.append((self.path, wanted))
        if web.statuses:
            self.send_error(web.statuses.pop(0))
            return
        if self.path != f"/{NAME}.hdf5":
            self.send_error(404)
            return
        start, total = 0, len(web.content)
        same = not web.check_if_range or self.headers.get("If-Range") == web.etag
        if wanted and web.ranges and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            start -= web.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        if web.etag:
            self.send_header("ETag", web.etag)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        body = web.content[start:]
        if web.drops:
            body = body[: web.drops.pop(0)]
            if web.on_drop:
                web.on_drop()
        self.wfile.write(body)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(ann_benchmarks, "_RETRY_WAIT_S", 0.0)
    bent = Web()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": bent})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        bent.url = f"http://127.0.0.1:{server.server_port}"
        yield bent
        server.shutdown()
        thread.join()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def break_off(web: Web, cache: Path, after: int = HALF) -> None:
    """Leave the first bytes of a download behind, as a killed process would."""
    web.drops = [after] + [0] * ann_benchmarks.RETRIES
    with pytest.raises(DataError, match=f"run again to resume after {after} bytes"):
        fetch(NAME, base_url=web.url, cache_dir=cache, timeout_s=5)
    assert (cache / f"{NAME}.hdf5.part").stat().st_size == after
    web.asked.clear()


def test_a_download_is_whole_recorded_and_reported(web: Web, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    cache = tmp_path / "a" / "b"
    path = fetch(NAME, base_url=web.url + "/", cache_dir=cache, on_progress=lambda *state: told.append(state))
    assert path == cache / f"{NAME}.hdf5"
    assert path.read_bytes() == CONTENT
    assert names(cache) == {f"{NAME}.hdf5", f"{NAME}.hdf5.sha256"}
    assert f"{sha256(CONTENT)}  {NAME}.hdf5\n" in (cache / f"{NAME}.hdf5.sha256").read_text()
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert web.asked == [(f"/{NAME}.hdf5", None)]


def test_a_cached_file_asks_nobody_and_hashes_nothing(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    monkeypatch.setattr(ann_benchmarks, "_hash_file", lambda path: pytest.fail("hashed again"))
    fetch(NAME, base_url=web.url, cache_dir=tmp_path, sha256=sha256(CONTENT).upper())
    assert len(web.asked) == 1


def test_the_given_hash_is_checked(web: Web, tmp_path: Path) -> None:
    wrong = sha256(OTHER)
    with pytest.raises(DataError, match=rf"expected: SHA-256 {wrong}\n.*SHA-256 {sha256(CONTENT)}\n.*\.bad"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path, sha256=wrong)
    assert names(tmp_path) == {f"{NAME}.hdf5.bad"}
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path, sha256=sha256(CONTENT)).read_bytes() == CONTENT
    # Another hash asked for later: the cached file goes, and the next run looks again.
    with pytest.raises(DataError, match=f"expected: SHA-256 {wrong}"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path, sha256=wrong)
    web.content = OTHER
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path, sha256=wrong).read_bytes() == OTHER


def test_a_file_changed_since_the_download_is_noticed(web: Web, tmp_path: Path) -> None:
    path = fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    os.utime(path, ns=(1, 1))  # touched, not changed
    fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    assert "mtime_ns 1\n" in (tmp_path / f"{NAME}.hdf5.sha256").read_text()
    path.write_bytes(OTHER)
    with pytest.raises(DataError, match=rf"{sha256(CONTENT)}, as downloaded\n.*{sha256(OTHER)}: the file was changed"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    assert path.read_bytes() == OTHER


def test_a_file_put_there_by_hand_is_taken_and_recorded(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.hdf5").write_bytes(CONTENT)
    fetch(NAME, base_url="http://127.0.0.1:9", cache_dir=tmp_path)
    assert sha256(CONTENT) in (tmp_path / f"{NAME}.hdf5.sha256").read_text()


def test_a_dropped_connection_is_resumed(web: Web, tmp_path: Path) -> None:
    web.drops = [1000, 2000]
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [None, "bytes=1000-", "bytes=3000-"]


def test_a_later_call_resumes_too(web: Web, tmp_path: Path) -> None:
    break_off(web, tmp_path)
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert web.asked == [(f"/{NAME}.hdf5", f"bytes={HALF}-")]


def test_three_retries_and_no_more(web: Web, tmp_path: Path) -> None:
    web.drops = [10, 10, 10, 10, 10]
    with pytest.raises(DataError, match=rf"after 40 of {len(CONTENT)} bytes \(4 times\)\n.*resume after 40 bytes"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    assert len(web.asked) == 4


def test_a_server_that_ignores_ranges_sends_all_of_it_again(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    web.drops = [1000]
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [None, "bytes=1000-"]


@pytest.mark.parametrize("check_if_range", [True, False])
@pytest.mark.parametrize("content", [OTHER, OTHER[: HALF + 9], OTHER[:1000]], ids=["same", "shorter", "short"])
def test_a_file_that_changed_meanwhile_is_never_glued(
    web: Web, tmp_path: Path, content: bytes, check_if_range: bool
) -> None:
    break_off(web, tmp_path)
    web.content, web.etag, web.check_if_range = content, '"v2"', check_if_range
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == content


def test_a_piece_from_another_place_is_not_glued(web: Web, tmp_path: Path) -> None:
    break_off(web, tmp_path)
    web.shift = 8
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [f"bytes={HALF}-", None]


def test_a_change_between_two_tries_is_noticed(web: Web, tmp_path: Path) -> None:
    def change() -> None:
        web.content, web.etag = OTHER, '"v2"'

    web.drops, web.on_drop = [HALF], change
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == OTHER


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_it_starts_afresh(web: Web, tmp_path: Path, etag: str | None) -> None:
    web.etag = etag
    web.drops = [1000]
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [None, None]


def test_a_part_of_another_address_is_not_built_on(web: Web, tmp_path: Path) -> None:
    break_off(web, tmp_path)
    info = tmp_path / f"{NAME}.hdf5.part.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"url": "http://elsewhere/"}))
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert web.asked == [(f"/{NAME}.hdf5", None)]


def test_a_part_that_was_whole_already_is_taken(web: Web, tmp_path: Path) -> None:
    break_off(web, tmp_path)
    (tmp_path / f"{NAME}.hdf5.part").write_bytes(CONTENT)
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert web.asked == [(f"/{NAME}.hdf5", f"bytes={len(CONTENT)}-")]


def test_a_part_that_is_too_long_starts_afresh(web: Web, tmp_path: Path) -> None:
    break_off(web, tmp_path)
    (tmp_path / f"{NAME}.hdf5.part").write_bytes(CONTENT + b"more")
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.asked] == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_stumbling_server_is_asked_again(web: Web, tmp_path: Path) -> None:
    web.statuses = [503, 500]
    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path).read_bytes() == CONTENT
    assert len(web.asked) == 3


def test_an_unknown_name_offers_the_nearest(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"HTTP 404 Not Found\n.*did you mean glove-25-angular or") as caught:
        fetch("glove-25-angulr", base_url=web.url, cache_dir=tmp_path)
    assert f"put the file there yourself: {tmp_path / 'glove-25-angulr.hdf5'}" in str(caught.value)
    assert len(web.asked) == 1
    web.statuses = [401]
    with pytest.raises(DataError, match="HTTP 401 Unauthorized"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path)


def test_what_is_no_hdf5_file_is_thrown_away(web: Web, tmp_path: Path) -> None:
    web.content = b"<html>please log in</html>"
    with pytest.raises(DataError, match=r"an HDF5 file\n.*begins with b'<html>pl'"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    assert names(tmp_path) == set()


def test_offline_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(DataError, match=r"a server that answers\n.*refused\n") as caught:
            fetch(NAME, base_url=url, cache_dir=tmp_path)
    assert f"put the file there yourself: {tmp_path / NAME}.hdf5" in str(caught.value)


def test_a_silent_server_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(ann_benchmarks, "_RETRY_WAIT_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DataError, match=r"timed out \(4 times\)"):
            fetch(NAME, base_url=url, cache_dir=tmp_path, timeout_s=0.05)


def test_too_little_space_is_said_before_the_download(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann_benchmarks.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=rf"{len(CONTENT)} bytes of free space\n.*1000 bytes"):
        fetch(NAME, base_url=web.url, cache_dir=tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, a disk that is always full, on this system")
def test_a_disk_that_fills_up_is_said_so(web: Web, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.hdf5.part").symlink_to("/dev/full")
    monkey_truncate = pytest.MonkeyPatch()
    monkey_truncate.setattr(ann_benchmarks, "_rewind", lambda part: None)  # a device has no length to cut
    try:
        with pytest.raises(DataError, match=r"space for the download\n.*No space left on device\n.*free some space"):
            fetch(NAME, base_url=web.url, cache_dir=tmp_path)
    finally:
        monkey_truncate.undo()


def test_a_cache_that_can_not_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=rf"a cache that can be written\n.*{os.strerror(errno.ENOTDIR)}"):
        fetch(NAME, cache_dir=tmp_path / "file" / "cache")


def test_two_downloads_of_one_file_do_not_mix(web: Web, tmp_path: Path) -> None:
    seen: list[str] = []

    def second(done: int, total: int | None) -> None:
        with pytest.raises(DataError, match="another process is downloading it"):
            fetch(NAME, base_url=web.url, cache_dir=tmp_path)
        seen.append("refused")

    assert fetch(NAME, base_url=web.url, cache_dir=tmp_path, on_progress=second).read_bytes() == CONTENT
    assert seen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "../passwd"}, r"data\.name"),
        ({"name": "glove 25"}, "did you mean glove-25-angular"),
        ({"name": ""}, "known names: coco"),
        ({"base_url": "file:///etc"}, r"data\.base_url\n.*begins with http"),
        ({"sha256": "abc"}, r"data\.sha256\n.*64 hexadecimal digits"),
    ],
)
def test_malformed_requests_are_refused(tmp_path: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fetch(**({"name": NAME} | arguments), cache_dir=tmp_path / "never")  # type: ignore[arg-type]
    assert not (tmp_path / "never").exists()


def test_the_table_agrees_with_its_names() -> None:
    assert len(DISTANCES) == 13
    assert all(re.fullmatch(rf".*-\d+-{distance}", name) for name, distance in DISTANCES.items())
