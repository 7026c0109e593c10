"""``idxbench convert``: any readable file to any writable format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from idxbench.records import Notice


@dataclass(frozen=True)
class ConvertSummary:
    """What a conversion read and wrote.

    Parameters
    ----------
    source, target
        The two files.
    shape
        Rows and columns, the same in both.
    source_dtype, target_dtype
        The value types in the files (of the ids, for ground truth).
    target_bytes
        Size of the file written.
    notices
        What changed on the way, if anything did.
    """

    source: Path
    target: Path
    shape: tuple[int, ...]
    source_dtype: str
    target_dtype: str
    target_bytes: int
    notices: tuple[Notice, ...] = ()

    def __str__(self) -> str:
        size = " x ".join(f"{length:,}" for length in self.shape)
        kinds = (
            self.source_dtype
            if self.source_dtype == self.target_dtype
            else f"{self.source_dtype} as {self.target_dtype}"
        )
        lines = [f"{self.source} -> {self.target}: {size} {kinds}, {self.target_bytes:,} bytes"]
        for notice in self.notices:
            lines += [notice.text, *([f"  {notice.advice}"] if notice.advice else [])]
        return "\n".join(lines)


def convert_file(
    src: Path,
    dst: Path,
    *,
    key: str | None = None,
    role: Literal["items", "queries"] = "items",
    groundtruth: bool = False,
    overwrite: bool = False,
) -> ConvertSummary:
    """Read vectors or ground truth from one format and write them to another, both told by their suffix.

    Parameters
    ----------
    src, dst
        The files; ``dst`` is written under a temporary name first.
    key
        Which array of ``src``, as in ``read_vectors`` and ``read_groundtruth``.
    role
        Which array of a file with several, where ``key`` is None.
    groundtruth
        Whether the files hold neighbour ids rather than vectors.
    overwrite
        Whether ``dst`` may exist already.

    Raises
    ------
    DataError
        ``src`` can't be read, or ``dst`` can't be written or can't hold the values.
    """
    # Imported here: the readers and writers of every format build on the blocks above.
    from idxbench.data.groundtruth import read_groundtruth, write_groundtruth
    from idxbench.data.vectors import describe, read_vectors, write_vectors

    if groundtruth:
        truth = read_groundtruth(src, key=key)
        shape, source_dtype, target_dtype = truth.ids.shape, str(truth.ids.dtype), "int32"
        notice = write_groundtruth(dst, truth.ids, truth.distances, overwrite=overwrite)
    else:
        vectors = read_vectors(src, key, role=role)
        shape, source_dtype = vectors.shape, str(vectors.dtype)
        notice = write_vectors(dst, vectors, role=role, overwrite=overwrite)
        target_dtype = next(array.dtype for array in describe(dst) if len(array.shape) == 2)
    notices = () if notice is None else (notice,)
    return ConvertSummary(src, dst, shape, source_dtype, target_dtype, dst.stat().st_size, notices)
