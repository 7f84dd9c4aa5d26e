"""Features whose inner products are a Gaussian kernel, so that kernel ridge is ridge on orthogonal columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import euclidean_distances

from scmog.metrics._arrays import blocks
from scmog.metrics._baselines import draw
from scmog.metrics._components import RANK_TOLERANCE

_MEDIAN_CELLS = 500


@dataclass(frozen=True)
class KernelFeatures:
    """Features of cells, centred and orthogonal over the training cells.

    Parameters
    ----------
    landmarks
        Cells at which kernels are centred, shape (m, k).
    length_scale
        Distance at which the kernel has fallen to exp(-1/2).
    basis, mean
        The features are `kernel(z, landmarks) @ basis - mean`, shapes (m, r) and (r,).
    """

    landmarks: np.ndarray
    length_scale: float
    basis: np.ndarray
    mean: np.ndarray

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return the float32 features, shape (n_cells, r), of cells at `z`, shape (n_cells, k)."""
        features = np.empty((len(z), self.basis.shape[1]), dtype=np.float32)
        for rows in blocks(len(z), len(self.landmarks)):
            features[rows] = _gaussian(z[rows], self.landmarks, self.length_scale) @ self.basis - self.mean
        return features


def kernel_features(z: np.ndarray, *, landmarks: np.ndarray, length_scale: float) -> KernelFeatures:
    """Fit features to the training cells at `z`, shape (n_cells, k); exact when the landmarks are those cells."""
    basis = _inverse_root(_gaussian(landmarks, landmarks, length_scale))
    total, gram = np.zeros(basis.shape[1]), np.zeros((basis.shape[1], basis.shape[1]))
    for rows in blocks(len(z), len(landmarks)):
        block = _gaussian(z[rows], landmarks, length_scale) @ basis
        total += block.sum(axis=0)
        gram += block.T @ block
    mean = total / len(z)
    values, rotation = np.linalg.eigh(gram - len(z) * np.outer(mean, mean))
    rotation = rotation[:, values > len(z) * RANK_TOLERANCE]
    return KernelFeatures(landmarks, length_scale, basis @ rotation, mean @ rotation)


def median_distance(z: np.ndarray, *, seed: int) -> float:
    """Median distance between 500 of the cells at `z`; 1 where that is 0 or there is one cell only."""
    drawn = draw(len(z), _MEDIAN_CELLS, seed=seed)
    median = np.median(pdist(z[drawn])) if len(drawn) > 1 else 0.0
    return float(median) if median > 0 else 1.0


def _gaussian(a: np.ndarray, b: np.ndarray, length_scale: float) -> np.ndarray:
    """Gaussian kernel of two sets of cells, float64, in the memory of one matrix."""
    kernel = euclidean_distances(a, b, squared=True)
    kernel *= -0.5 / length_scale**2
    return np.exp(kernel, out=kernel)


def _inverse_root(kernel: np.ndarray) -> np.ndarray:
    """Columns B (m, r) with B B^T the pseudo-inverse of the kernel matrix (m, m), whose diagonal is 1."""
    values, vectors = np.linalg.eigh(kernel)
    kept = values > len(kernel) * RANK_TOLERANCE
    return vectors[:, kept] / np.sqrt(values[kept])
