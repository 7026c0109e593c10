import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data.npy import choose_key, npy_header, npz_headers, read_npy, read_npz, write_npy, write_npz
from idxbench.errors import DataError

ROWS = np.arange(6, dtype="<f4").reshape(2, 3)


def npy_bytes(descr: str, order: bool, shape: tuple[int, ...], values: bytes) -> bytes:
    """Build an .npy file by hand, from the published layout."""
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values


def test_a_file_built_by_hand_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy_bytes("<f4", False, (2, 3), ROWS.tobytes()))
    vectors = read_npy(path)
    assert isinstance(vectors, np.memmap)
    assert not vectors.flags.writeable
    np.testing.assert_array_equal(vectors, ROWS)
    assert npy_header(path) == ((2, 3), np.dtype("<f4"))


def test_column_major_and_big_endian_files_keep_their_values(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy_bytes(">f8", True, (2, 3), ROWS.T.astype(">f8").tobytes()))
    vectors = read_npy(path)
    assert vectors.flags.f_contiguous
    np.testing.assert_array_equal(vectors, ROWS)


def test_a_file_cut_short_says_how_many_bytes_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    whole = npy_bytes("<f4", False, (2, 3), ROWS.tobytes())
    path.write_bytes(whole[:-5])
    with pytest.raises(DataError, match=rf"expected: {len(whole)} bytes[^\n]*\n.*{len(whole) - 5} bytes, 5 too few"):
        read_npy(path)


def test_bytes_behind_the_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy_bytes("<f4", False, (2, 3), ROWS.tobytes() * 2))
    with pytest.raises(DataError, match="24 too many"):
        read_npy(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"an empty file \(0 bytes\)"),
        (b"\x93NUMPY", "a NumPy .npy header"),
        (b"\x93NUMPY\x09\x00" + bytes(20), r"version 9\.0"),
        (b"\x80\x04K\x01.", "a NumPy .npy header"),
    ],
)
def test_what_is_no_npy_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_npy(path)


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("unpickled",))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([_Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", items=np.array([_Trap()], dtype=object))
    with pytest.raises(DataError, match="never unpickled"):
        read_npy(tmp_path / "x.npy")
    with pytest.raises(DataError, match=r"x.npz\[items\][\s\S]*never unpickled"):
        read_npz(tmp_path / "x.npz", "items")


def test_a_missing_file_offers_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "items.npy").write_bytes(b"x")
    with pytest.raises(DataError, match=r"nothing by that name[\s\S]*did you mean .*items\.npy"):
        read_npy(tmp_path / "itens.npy")
    with pytest.raises(DataError, match="a folder"):
        read_npy(tmp_path)


def test_npz_arrays_are_listed_and_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    member = npy_bytes("<f4", False, (2, 3), ROWS.tobytes())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("items.npy", member)
        archive.writestr("labels.npy", npy_bytes("<i8", False, (2,), bytes(16)))
        archive.writestr("README", b"not an array")
    assert npz_headers(path) == {"items": ((2, 3), "float32"), "labels": ((2,), "int64")}
    np.testing.assert_array_equal(read_npz(path, "items"), ROWS)
    with pytest.raises(DataError, match=r"named 'query'\n.*items \(2, 3\) float32, labels \(2,\) int64"):
        read_npz(path, "query")


def test_a_broken_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    whole = io.BytesIO()
    np.savez(whole, items=ROWS)
    path.write_bytes(whole.getvalue()[:-30])
    with pytest.raises(DataError, match=f"{len(whole.getvalue()) - 30} bytes that do not read as one"):
        npz_headers(path)
    # One value changed: the checksum of the archive no longer fits.
    broken = whole.getvalue().replace(np.float32(4).tobytes(), np.float32(5).tobytes())
    path.write_bytes(broken)
    with pytest.raises(DataError, match="Bad CRC-32"):
        read_npz(path, "items")


def test_the_key_is_chosen_by_name_or_being_the_only_matrix() -> None:
    described = {"a": ((3, 2), "float32"), "labels": ((3,), "int64")}
    assert choose_key("x", described, "items") == "a"
    assert choose_key("x", described | {"items": ((1, 1), "float32")}, "items") == "items"
    with pytest.raises(DataError, match=r"b \(4, 2\) float32\n  fix: .*'a'"):
        choose_key("x", described | {"b": ((4, 2), "float32")}, "items")
    with pytest.raises(DataError, match="a single 2-D array"):
        choose_key("x", described, "queries", ("a",))
    with pytest.raises(DataError, match="no array"):
        choose_key("x", {}, "items")


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from(["<f2", "<f4", "<f8", "u1", "<i8"]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
    ),
    st.booleans(),
)
def test_what_is_written_numpy_reads(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, turn: bool) -> None:
    folder = tmp_path_factory.mktemp("npy")
    vectors = np.asfortranarray(array) if turn else array
    write_npy(folder / "x.npy", vectors)
    np.testing.assert_array_equal(np.load(folder / "x.npy"), array)
    assert np.load(folder / "x.npy").dtype == array.dtype
    write_npz(folder / "x.npz", {"items": vectors, "queries": vectors})
    with np.load(folder / "x.npz") as archive:
        np.testing.assert_array_equal(archive["items"], array)
        np.testing.assert_array_equal(archive["queries"], array)
