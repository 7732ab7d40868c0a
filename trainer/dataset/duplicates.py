"""Clips that sound nearly the same: re-encoded, trimmed, made louder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trainer.dataset.measures import FINGERPRINT_BYTES

LEAST_COSINE = 0.985
"""Two fingerprints at least this alike count as the same recording."""
DIMENSIONS = 16
_AT_ONCE = 2048


def near(fingerprints: Sequence[bytes]) -> NDArray[np.int64]:
    """A number for each clip [n]: the same for clips that sound nearly the same, -1 for a clip that is alone.

    Fingerprints are compared by the cosine of the angle between them. Pairs are first sought among projections onto
    their principal components, which can only bring them closer, so none is missed. Complexity: n log n and the pairs.
    """
    count = len(fingerprints)
    if count < 2:
        return np.full(count, -1, np.int64)
    cells = np.frombuffer(b"".join(fingerprints), np.int8).reshape(count, FINGERPRINT_BYTES).astype(np.float32)
    length = np.linalg.norm(cells, axis=1, keepdims=True)
    cells /= np.maximum(length, 1e-6)
    tree_points = _projected(cells)
    tree = cKDTree(tree_points)
    reach = float(np.sqrt(2 - 2 * LEAST_COSINE))
    parent = np.arange(count)
    for first in range(0, count, _AT_ONCE):
        for row, found in enumerate(tree.query_ball_point(tree_points[first : first + _AT_ONCE], reach), first):
            others = np.array([other for other in found if other > row and length[row] > 0], dtype=np.int64)
            for other in others[cells[others] @ cells[row] >= LEAST_COSINE].tolist():
                _join(parent, row, other)
    return _numbers(parent)


def _projected(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows on their first principal components [n, DIMENSIONS]; distances only shrink."""
    _, axes = np.linalg.eigh(np.cov(cells, rowvar=False))
    return np.asarray(cells @ axes[:, -DIMENSIONS:].astype(np.float32))


def _root(parent: NDArray[np.int64], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = int(parent[item])
    return item


def _join(parent: NDArray[np.int64], a: int, b: int) -> None:
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


def _numbers(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first member's place for sets of two and more, -1 for the others."""
    roots = np.array([_root(parent, item) for item in range(len(parent))], dtype=np.int64)
    sizes = np.bincount(roots, minlength=len(parent))
    return np.where(sizes[roots] > 1, roots, -1)
