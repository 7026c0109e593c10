"""Content hashes of arrays: what a cached ground truth is keyed by, never a name or a row count."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import row_blocks


def fingerprint(array: NDArray[Any]) -> str:
    """Hash dtype, shape and values of an array, whatever its layout in memory or on disk.

    BLAKE2b with a digest of 16 bytes, over the little-endian dtype, the shape
    and the values in row-major order.

    Parameters
    ----------
    array
        Any shape and any type but Python objects, possibly a memory map; read block by block.

    Returns
    -------
    str
        32 hexadecimal digits: equal for memory maps, column-major and
        byte-swapped copies; different where type, shape or one bit of a value
        differs (so -0.0 and 0.0 differ).

    Raises
    ------
    TypeError
        The array holds Python objects, whose bytes are addresses.
    """
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} has no content to hash")
    dtype = array.dtype.newbyteorder("<")
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{dtype.str} {tuple(array.shape)}\n".encode())
    rows_of = array.reshape(1) if array.ndim == 0 else array
    for rows in row_blocks(len(rows_of), rows_of[:1].nbytes):
        digest.update(np.ascontiguousarray(rows_of[rows], dtype).tobytes())
    return digest.hexdigest()
