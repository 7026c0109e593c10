import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data import files
from idxbench.data.texmex import TEXMEX_DTYPES, read_texmex, texmex_header, write_texmex
from idxbench.errors import DataError


def test_fvecs_built_by_hand_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(struct.pack("<i3f", 3, 1.5, -2, 3) + struct.pack("<i3f", 3, 4, 5, 6))
    vectors = read_texmex(path)
    assert isinstance(vectors, np.memmap)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1.5, -2, 3], [4, 5, 6]]
    assert texmex_header(path) == (2, 3)


def test_ivecs_and_bvecs_built_by_hand(tmp_path: Path) -> None:
    (tmp_path / "x.ivecs").write_bytes(struct.pack("<i2i", 2, -7, 2**31 - 1))
    (tmp_path / "x.BVECS").write_bytes(struct.pack("<i3B", 3, 0, 128, 255) * 2)
    assert read_texmex(tmp_path / "x.ivecs").tolist() == [[-7, 2**31 - 1]]
    vectors = read_texmex(tmp_path / "x.BVECS")
    assert vectors.dtype == np.uint8
    assert vectors.tolist() == [[0, 128, 255]] * 2


@pytest.mark.parametrize("small_blocks", [False, True])
def test_a_row_of_another_length_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: bool) -> None:
    if small_blocks:
        monkeypatch.setattr(files, "BLOCK_BYTES", 24)
    path = tmp_path / "x.fvecs"
    # Row 2 holds one value less, row 3 one more: the size divides all the same.
    rows = [struct.pack(f"<i{d}f", d, *range(d)) for d in (2, 2, 1, 3, 2)]
    path.write_bytes(b"".join(rows))
    assert texmex_header(path) == (5, 2)
    with pytest.raises(DataError, match=r"row 2 \(byte 24\)\n  expected: 2 dimensions, as in row 0\n.*1 dimensions"):
        read_texmex(path)
    path.with_suffix(".bvecs").write_bytes(b"".join(struct.pack("<i2B", d, 0, 0) for d in (2, 2, 2, 258)))
    with pytest.raises(DataError, match=r"row 3 \(byte 18\)[\s\S]*found:    258 dimensions"):
        read_texmex(path.with_suffix(".bvecs"))


def test_a_file_cut_short_counts_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes((struct.pack("<i2f", 2, 1, 2) * 3)[:-3])
    for read in (read_texmex, texmex_header):
        with pytest.raises(DataError, match=r"multiple of 12 bytes[\s\S]*33 bytes: 2 whole rows and 9 bytes more"):
            read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x02\x00", "2 bytes in all"),
        (struct.pack("<i", 0), "a row of 0 dimensions"),
        (struct.pack("<i", -4), "a row of -4 dimensions"),
        (struct.pack(">i2f", 2, 1, 2), r"row 0\n  expected: 134217732 bytes.*\n.*12 bytes in all"),
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.fvecs"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_texmex(path)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(TEXMEX_DTYPES)).flatmap(
        lambda suffix: st.tuples(
            st.just(suffix),
            hnp.arrays(TEXMEX_DTYPES[suffix], hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)),
        )
    )
)
def test_round_trip_and_bytes_as_published(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, np.ndarray]
) -> None:
    suffix, vectors = case
    path = tmp_path_factory.mktemp("texmex") / f"x{suffix}"
    write_texmex(path, vectors, vectors.dtype)
    assert path.read_bytes() == b"".join(struct.pack("<i", vectors.shape[1]) + row.tobytes() for row in vectors)
    np.testing.assert_array_equal(read_texmex(path), vectors)


def test_blocks_are_written_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    vectors = np.arange(200, dtype=np.float32).reshape(50, 4)
    write_texmex(tmp_path / "x.fvecs", vectors, np.dtype("<f4"))
    np.testing.assert_array_equal(read_texmex(tmp_path / "x.fvecs"), vectors)
