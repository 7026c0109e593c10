"""Datasets of ann-benchmarks, downloaded by name, resumed where they broke off, and checked by SHA-256."""

import difflib
import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from idxbench.errors import DataError, Problem

BASE_URL = "http://ann-benchmarks.com"

# Name -> what "near" means. Checksums are not published with the files: the
# first download is recorded beside the file, and a config may name one.
DISTANCES: Mapping[str, str] = MappingProxyType(
    {
        "coco-i2i-512-angular": "angular",
        "coco-t2i-512-angular": "angular",
        "deep-image-96-angular": "angular",
        "fashion-mnist-784-euclidean": "euclidean",
        "gist-960-euclidean": "euclidean",
        "glove-100-angular": "angular",
        "glove-200-angular": "angular",
        "glove-25-angular": "angular",
        "glove-50-angular": "angular",
        "lastfm-64-dot": "dot",
        "mnist-784-euclidean": "euclidean",
        "nytimes-256-angular": "angular",
        "sift-128-euclidean": "euclidean",
    }
)

RETRIES = 3
_RETRY_WAIT_S = 1.0
_CHUNK = 1 << 20
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

Progress = Callable[[int, int | None], None]


class _DroppedError(Exception):
    """The connection broke, or the server stumbled: worth another try."""


@dataclass(frozen=True)
class _Job:
    """One download: from where, to where, and what to tell."""

    name: str
    url: str
    path: Path
    on_progress: Progress | None
    timeout_s: float

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def part_info(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part.json")


def fetch(
    name: str,
    *,
    base_url: str = BASE_URL,
    sha256: str | None = None,
    cache_dir: Path,
    on_progress: Progress | None = None,
    timeout_s: float = 30,
) -> Path:
    """Return the path of a dataset, downloading ``<base_url>/<name>.hdf5`` unless it is there already.

    A download goes to ``<name>.hdf5.part`` and takes its name once it is whole.
    One that broke off is resumed, here up to three times and again by the next
    call, provided that the server says by ETag or date that the file is still the same.

    Parameters
    ----------
    name
        Of letters, digits, dots, dashes and underscores; ``DISTANCES`` lists the well-known ones.
    base_url
        An http or https address.
    sha256
        What the file must hash to, 64 hexadecimal digits. None takes the first
        download at its word and records its hash in ``<name>.hdf5.sha256``.
    cache_dir
        Created where missing.
    on_progress
        Told (bytes so far, bytes in all or None) after each MiB.
    timeout_s
        Seconds without a byte after which a connection counts as broken.

    Returns
    -------
    Path
        ``<cache_dir>/<name>.hdf5``, whole and checked.

    Raises
    ------
    DataError
        The name or address is malformed, the server is out of reach (says where
        to put the file by hand) or has no such file (says the nearest known
        name), the disk is full, or the hash is another one.

    Notes
    -----
    A cached file is hashed again only when its size or modification time is no
    longer what ``.sha256`` recorded: hashing gigabytes on each run would cost
    more than the search. A file put there by hand is hashed once, and recorded.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise DataError(Problem("data.name", "a dataset name such as glove-100-angular", repr(name), _nearest(name)))
    if not re.match(r"https?://[^/]", base_url):
        raise DataError(Problem("data.base_url", "an address that begins with http:// or https://", repr(base_url)))
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise DataError(Problem("data.sha256", "64 hexadecimal digits", repr(sha256)))
    wanted = sha256.lower() if sha256 else None
    path = cache_dir / f"{name}.hdf5"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _download(_Job(name, f"{base_url.rstrip('/')}/{name}.hdf5", path, on_progress, timeout_s), wanted)
        else:
            _verify_cached(path, wanted)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, DISTANCES, n=3, cutoff=0.4)
    known = f"known names: {', '.join(DISTANCES)}"
    return f"did you mean {' or '.join(close)}? {known}" if close else known


def _unwritable(path: Path, error: OSError) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "free some space and run again: what is there already is kept"
        return DataError(Problem(str(path), "space for the download", error.strerror or "a full disk", fix))
    reason = error.strerror or str(error)
    return DataError(Problem(str(path), "a cache that can be written", reason, "choose another cache_dir"))


# --- the cached file -------------------------------------------------------------------------------------------------


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _record(path: Path, digest: str) -> None:
    """Write what ``sha256sum --check`` reads, and size and time behind a comment sign."""
    info = path.stat()
    text = f"# size {info.st_size} mtime_ns {info.st_mtime_ns}\n{digest}  {path.name}\n"
    _sidecar(path).write_text(text, encoding="utf-8")


def _recorded(path: Path) -> tuple[str | None, bool]:
    """Return the recorded hash, and whether size and time are still those it was recorded for."""
    try:
        text = _sidecar(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None, False
    digest = re.search(r"^([0-9a-f]{64}) ", text, re.MULTILINE)
    info = path.stat()
    fresh = f"# size {info.st_size} mtime_ns {info.st_mtime_ns}\n" in text
    return (digest[1], fresh) if digest else (None, False)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify_cached(path: Path, wanted: str | None) -> None:
    recorded, fresh = _recorded(path)
    digest = recorded if recorded and fresh else _hash_file(path)
    if wanted is not None and digest != wanted:
        raise _set_aside(path, path, wanted, digest)
    if wanted is None and recorded is not None and digest != recorded:
        raise DataError(
            Problem(
                str(path),
                f"SHA-256 {recorded}, as downloaded",
                f"SHA-256 {digest}: the file was changed since",
                f"delete it to download it again, or delete {_sidecar(path).name} beside it to accept it",
            )
        )
    if not fresh or recorded != digest:
        _record(path, digest)


def _set_aside(path: Path, wrong: Path, wanted: str, digest: str) -> DataError:
    """Rename a file that is not the one asked for, so that the next run downloads it again."""
    aside = path.with_name(f"{path.name}.bad")
    wrong.replace(aside)
    _sidecar(path).unlink(missing_ok=True)
    fix = f"check the sha256 of the config; the file was renamed to {aside.name}, and the next run downloads it again"
    return DataError(Problem(str(path), f"SHA-256 {wanted}", f"SHA-256 {digest}", fix))


# --- the download ----------------------------------------------------------------------------------------------------


def _download(job: _Job, wanted: str | None) -> None:
    with os.fdopen(os.open(job.part, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0) as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                Problem(str(job.path), "one download at a time", "another process is downloading it", "wait for it")
            ) from None
        if job.path.exists():  # another process finished it between our look and our lock
            job.part.unlink(missing_ok=True)
            return
        failures = 0
        while True:
            try:
                _transfer(job, part)
                break
            except _DroppedError as error:
                failures += 1
                if failures > RETRIES:
                    raise _unreachable(job, f"{error} ({failures} times)") from None
                time.sleep(_RETRY_WAIT_S * failures)
        _accept(job, part, wanted)


def _accept(job: _Job, part: IO[bytes], wanted: str | None) -> None:
    """Check a whole download, and give it its name."""
    part.seek(0)
    head = part.read(len(_HDF5_MAGIC))
    digest = _hash_file(job.part)
    job.part_info.unlink(missing_ok=True)
    if wanted is not None and digest != wanted:
        raise _set_aside(job.path, job.part, wanted, digest)
    if head != _HDF5_MAGIC:
        job.part.unlink()
        fix = f"check base_url; or put the file there yourself: {job.path}"
        raise DataError(Problem(job.url, "an HDF5 file", f"a file that begins with {head!r}", fix))
    job.part.replace(job.path)
    _record(job.path, digest)


def _transfer(job: _Job, part: IO[bytes]) -> None:
    """Bring the rest of the file, or all of it where the rest would not fit what is there."""
    have, info = _resumable(job, part)
    try:
        with _request(job, have, info.get("validator")) as response:
            total = _total_size(response)
            if response.status == 206 and _continues(response, have, total, info):
                part.seek(have)
            else:
                if response.status == 206:  # a piece of another file, or not the piece asked for
                    _start_afresh(job, part)
                    raise _DroppedError("the server sent another piece than the one asked for")
                have = 0
                _rewind(part)
            validator = _validator(response.headers)
            job.part_info.write_text(json.dumps({"url": job.url, "validator": validator, "total": total}))
            _need_space(job, None if total is None else total - have)
            _copy(job, response, part, have, total)
    except urllib.error.HTTPError as error:
        with error:
            _refused(job, part, error, have, info)
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _classified(job, error) from None


def _resumable(job: _Job, part: IO[bytes]) -> tuple[int, dict[str, Any]]:
    """Return the bytes that may be built on, and what is known of the file they belong to."""
    have = part.seek(0, os.SEEK_END)
    try:
        info = json.loads(job.part_info.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0, {}
    if not isinstance(info, dict) or info.get("url") != job.url or not info.get("validator"):
        return 0, {}  # without an ETag or a date, nothing tells whether the file changed
    return have, info


def _rewind(part: IO[bytes]) -> None:
    part.truncate(0)
    part.seek(0)


def _start_afresh(job: _Job, part: IO[bytes]) -> None:
    _rewind(part)
    job.part_info.unlink(missing_ok=True)


def _validator(headers: Any) -> str | None:
    """Return what If-Range takes: a strong ETag, or else the date."""
    etag: str | None = headers.get("ETag")
    dated: str | None = headers.get("Last-Modified")
    return etag if etag and not etag.startswith("W/") else dated


def _request(job: _Job, have: int, validator: str | None) -> Any:
    headers = {"User-Agent": "idxbench", "Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    return urllib.request.urlopen(urllib.request.Request(job.url, headers=headers), timeout=job.timeout_s)


def _total_size(response: Any) -> int | None:
    length = response.headers.get("Content-Length")
    if response.status == 206:
        match = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return int(match[1]) if match else None
    return int(length) if length and length.isdigit() else None


def _continues(response: Any, have: int, total: int | None, info: Mapping[str, Any]) -> bool:
    """Tell whether a partial answer begins where the file on disk ends, and belongs to the same file."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    validator = _validator(response.headers)
    same = validator in (None, info.get("validator")) and (total is None or info.get("total") in (None, total))
    return begins and same


def _copy(job: _Job, response: Any, part: IO[bytes], have: int, total: int | None) -> None:
    while chunk := response.read(_CHUNK):
        view = memoryview(chunk)
        while view:  # an unbuffered file may take less than it is given
            view = view[part.write(view) :]
        have += len(chunk)
        if job.on_progress is not None:
            job.on_progress(have, total)
    if total is not None and have != total:
        raise _DroppedError(f"the connection ended after {have} of {total} bytes")


def _need_space(job: _Job, n_bytes: int | None) -> None:
    free = shutil.disk_usage(job.path.parent).free
    if n_bytes is not None and n_bytes > free:
        raise DataError(
            Problem(
                str(job.path),
                f"{n_bytes} bytes of free space",
                f"{free} bytes",
                "free some, or choose another cache_dir",
            )
        )


def _refused(job: _Job, part: IO[bytes], error: urllib.error.HTTPError, have: int, info: Mapping[str, Any]) -> None:
    """Make sense of an answer that is no file; returns only where the file was whole already."""
    if error.code == 416:
        # Nothing after what we have: it is all there if the sizes agree.
        if error.headers.get("Content-Range") == f"bytes */{have}" and info.get("total") == have:
            return
        _start_afresh(job, part)
        raise _DroppedError("the server has nothing after what was downloaded before")
    if error.code >= 500 or error.code in (408, 429):
        raise _DroppedError(f"HTTP {error.code} {error.reason}")
    by_hand = f"or put the file there yourself: {job.path}"
    if error.code in (403, 404, 410):  # object stores answer 403 for a name they don't have
        raise DataError(
            Problem(
                job.url,
                "a dataset of that name",
                f"HTTP {error.code} {error.reason}",
                f"{_nearest(job.name)}; {by_hand}",
            )
        )
    raise DataError(Problem(job.url, "a download", f"HTTP {error.code} {error.reason}", by_hand))


def _classified(job: _Job, error: Exception) -> Exception:
    """Tell a broken connection, worth another try, from a server that can't be reached at all."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror | ConnectionRefusedError):
        return _unreachable(job, str(reason))
    return _DroppedError(str(reason) or type(reason).__name__)


def _unreachable(job: _Job, reason: str) -> DataError:
    kept = job.part.stat().st_size if job.part.exists() else 0
    resume = f"run again to resume after {kept} bytes, " if kept else "connect and run again, "
    return DataError(
        Problem(job.url, "a server that answers", reason, f"{resume}or put the file there yourself: {job.path}")
    )
