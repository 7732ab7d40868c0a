"""Finds clips whose fingerprints (see `measures`) are near duplicates of each other.

It is apart from `measures` because the processes that read clips need no scipy, whose import takes half of their start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from trainer.dataset.measures import FINGERPRINT_BYTES

LEAST_COSINE = 0.985
"""Cosine similarity from which two fingerprints are near duplicates."""
DIMENSIONS = 16
_ROWS_PER_QUERY = 2048


def near(fingerprints: Sequence[bytes]) -> NDArray[np.int64]:
    """The number of the set of near duplicates of each clip [n]; -1 for a clip without any.

    Fingerprints are compared by cosine similarity. Candidate pairs come from a k-d tree over principal components,
    which misses none, because projections only reduce distances. Complexity: n log n plus the number of pairs.
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
    for first in range(0, count, _ROWS_PER_QUERY):
        neighbours = tree.query_ball_point(tree_points[first : first + _ROWS_PER_QUERY], reach)
        for row, near_rows in enumerate(neighbours, first):
            others = np.array([other for other in near_rows if other > row and length[row] > 0], dtype=np.int64)
            for other in others[cells[others] @ cells[row] >= LEAST_COSINE].tolist():
                _join(parent, row, other)
    return _numbers(parent)


def _projected(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first principal components of the rows [n, DIMENSIONS]."""
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
    """The index of the first member for sets of two or more, else -1."""
    roots = np.array([_root(parent, item) for item in range(len(parent))], dtype=np.int64)
    sizes = np.bincount(roots, minlength=len(parent))
    return np.where(sizes[roots] > 1, roots, -1)
