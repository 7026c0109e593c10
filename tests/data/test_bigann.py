import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data.bigann import BIGANN_DTYPES, bigann_layout, read_bigann, write_bigann
from idxbench.errors import DataError

CODES = {".fbin": "f", ".u8bin": "B", ".i8bin": "b", ".f16bin": "e", ".dbin": "d"}


@pytest.mark.parametrize("suffix", sorted(CODES))
@pytest.mark.parametrize(("counts", "offset"), [("<II", 8), ("<QQ", 16)])
def test_both_headers_of_every_type_are_told_by_size(tmp_path: Path, suffix: str, counts: str, offset: int) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(struct.pack(counts, 2, 3) + struct.pack(f"<6{CODES[suffix]}", 0, 1, 2, 3, 4, 127))
    assert bigann_layout(path) == (2, 3, offset)
    vectors = read_bigann(path)
    assert isinstance(vectors, np.memmap)
    assert vectors.dtype == BIGANN_DTYPES[suffix]
    assert vectors.tolist() == [[0, 1, 2], [3, 4, 127]]


def test_a_file_cut_short_says_after_which_row(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(struct.pack("<II", 5, 3) + bytes(40))
    message = r"68 bytes: 8 \+ 5 rows x 3 dimensions x 4.*\n.*48 bytes, 20 too few\n.*after 3 whole rows"
    with pytest.raises(DataError, match=message):
        read_bigann(path)
    path.write_bytes(struct.pack("<II", 5, 3) + bytes(61))
    with pytest.raises(DataError, match="69 bytes, 1 too many"):
        read_bigann(path)


def test_a_wrong_suffix_is_recognized_by_the_size(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(struct.pack("<II", 5, 3) + bytes(15))
    with pytest.raises(DataError, match=r"the size is that of a \.u8bin file"):
        read_bigann(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\x01\x00\x00", "header of 8 bytes.*\n.*3 bytes in all"),
        (struct.pack("<II", 0, 3), "0 rows x 3 dimensions in a file of 8 bytes"),
        (struct.pack("<II", 3, 0), "3 rows x 0 dimensions"),
        (struct.pack("<QQ", 0, 0), "at least 1 row and 1 dimension"),
    ],
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.fbin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_bigann(path)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda suffix: st.tuples(
            st.just(suffix),
            hnp.arrays(BIGANN_DTYPES[suffix], hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)),
        )
    )
)
def test_round_trip_and_bytes_as_published(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, np.ndarray]
) -> None:
    suffix, vectors = case
    path = tmp_path_factory.mktemp("bigann") / f"x{suffix}"
    write_bigann(path, np.asfortranarray(vectors), vectors.dtype)
    assert path.read_bytes() == struct.pack("<II", *vectors.shape) + vectors.tobytes()
    np.testing.assert_array_equal(read_bigann(path), vectors)


def test_counts_beyond_32_bits_get_the_wide_header(tmp_path: Path) -> None:
    write_bigann(tmp_path / "x.u8bin", np.zeros((0, 2**32), np.uint8), np.dtype("u1"))
    assert (tmp_path / "x.u8bin").read_bytes() == struct.pack("<QQ", 0, 2**32)
