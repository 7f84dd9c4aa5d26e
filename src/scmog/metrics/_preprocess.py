"""Scales on which scores and baseline predictors work: log-normalised counts, TF-IDF and CLR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import as_floating, check_finite, stored_values


def log_normalize(counts: Any, median_total: float) -> Any:
    """Logarithm of size-normalised counts: ln(1 + x / total * median_total).

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_features), dense or sparse.
    median_total
        Total to which every cell is scaled: the median total of the training cells (paper, Datasets and
        Pre-Processing).

    Returns
    -------
    New matrix of the same shape, CSR when `counts` is sparse. Cells without counts stay zero.

    Raises
    ------
    ValueError
        If counts are negative, NaN or infinite, or `median_total` is not a positive number.
    """
    if not (np.isfinite(median_total) and median_total > 0):
        message = (
            f"median_total must be a positive number, got {median_total}. Use the median total of the training cells."
        )
        raise ValueError(message)
    counts = _checked_counts(counts, name="counts")
    scaled = _scale_rows(counts, _divide(median_total, counts.sum(axis=1, dtype=np.float64)))
    return scaled.log1p() if sparse.issparse(scaled) else np.log1p(scaled)


def inverse_document_frequency(counts: Any) -> np.ndarray:
    """Inverse document frequency of peaks: n_cells / (cells in which the peak is open).

    Parameters
    ----------
    counts
        Counts or 0/1 of the training cells, shape (n_cells, n_peaks), dense or sparse.

    Returns
    -------
    float64 array of shape (n_peaks,); 0 for peaks that are open in no cell, so that they carry no weight.

    Raises
    ------
    ValueError
        If counts are negative, NaN or infinite.
    """
    opened = _opened(_checked_counts(counts, name="counts"))
    return _divide(opened.shape[0], np.asarray(opened.sum(axis=0), dtype=np.float64).ravel())


def tfidf(binary: Any, idf: np.ndarray) -> Any:
    """Term frequency - inverse document frequency of peaks, ln(1 + TF * IDF * 1e4), the input of LSI.

    TF is 1 / (open peaks of the cell) for an open peak. This is the form of Stuart et al. 2021 (Signac, method 1).

    Parameters
    ----------
    binary
        Counts or 0/1, shape (n_cells, n_peaks), dense or sparse; entries above 0 count as 1.
    idf
        Inverse document frequencies of the training cells, shape (n_peaks,): see :func:`inverse_document_frequency`.

    Returns
    -------
    New matrix of the same shape, CSR when `binary` is sparse. Cells without open peaks stay zero.

    Raises
    ------
    ValueError
        If `idf` does not match the peaks, or values are negative, NaN or infinite.
    """
    binary = _checked_counts(binary, name="binary")
    idf = np.asarray(idf, dtype=np.float64)
    if idf.shape != (binary.shape[1],):
        message = f"idf must have one value for each of the {binary.shape[1]} peaks of binary, got shape {idf.shape}."
        raise ValueError(message)
    if not np.isfinite(idf).all() or (idf < 0).any():
        message = "idf must hold finite values of 0 or more. Compute it with inverse_document_frequency."
        raise ValueError(message)
    opened = _opened(binary)
    frequency = _scale_rows(opened, _divide(1e4, opened.sum(axis=1, dtype=np.float64)))
    if sparse.issparse(frequency):
        weights = idf.astype(frequency.dtype)[frequency.indices]
        weighted = sparse.csr_array((frequency.data * weights, frequency.indices, frequency.indptr), frequency.shape)
        return weighted.log1p()
    return np.log1p(frequency * idf.astype(frequency.dtype))


def clr(counts: Any) -> np.ndarray:
    """Centred log-ratio of the proteins of each cell: ln((x + 1) / gmean(x + 1)).

    The paper (Expansion to Proteomics, eq. 7) prints no pseudo-count; without one a protein that was not seen has no
    value.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_proteins), dense or sparse.

    Returns
    -------
    Dense array of the same shape; every cell has mean 0.

    Raises
    ------
    ValueError
        If counts are negative, NaN or infinite.
    """
    counts = _checked_counts(counts, name="counts")
    dense = counts.toarray() if sparse.issparse(counts) else counts
    logs = np.log1p(dense)
    return logs - logs.mean(axis=1, keepdims=True)


def _checked_counts(counts: Any, *, name: str) -> Any:
    """Return finite, non-negative counts with a floating-point type; the caller's data stay as they are."""
    counts = check_finite(counts, name=name)
    values = stored_values(counts)
    if values.size and values.min() < 0:
        message = f"{name} must be 0 or more, got {values.min()}. Pass raw counts, not scaled or centred values."
        raise ValueError(message)
    return as_floating(counts)


def _opened(counts: Any) -> Any:
    """Return 0/1 of the same type, sparse without stored zeros."""
    if not sparse.issparse(counts):
        return (counts > 0).astype(counts.dtype)
    opened = counts.copy()
    opened.eliminate_zeros()
    opened.data[:] = 1
    return opened


def _divide(numerator: float, denominators: np.ndarray) -> np.ndarray:
    """`numerator / denominators`, 0 where the denominator is 0."""
    return np.divide(numerator, denominators, out=np.zeros(len(denominators)), where=denominators > 0)


def _scale_rows(matrix: Any, factors: np.ndarray) -> Any:
    """Rows times factors in the type of the matrix."""
    factors = factors.astype(matrix.dtype)
    if not sparse.issparse(matrix):
        return matrix * factors[:, None]
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr))
    return sparse.csr_array((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
