"""Inputs and targets against scanpy, muon and formulas in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pytest
import scanpy as sc
import torch
from anndata import AnnData
from scipy import stats
from torch import Tensor

from scmog.nn import (
    REPRESENTATIONS,
    BinaryRepresentation,
    CountRepresentation,
    ProportionRepresentation,
    Representation,
    compensate,
)

N_CELLS, N_FEATURES = 90, 12
CONSTANT_GENE, SILENT_GENE, ZERO_CELL = 3, 7, 11
STYLES = [
    pytest.param(cls, style, id=f"{name}-{style}") for name, cls in REPRESENTATIONS.items() for style in cls.styles
]


def counts() -> np.ndarray:
    """Counts of unequal depth, with a gene that is never seen and a cell without counts; an even number of others."""
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.7, (N_CELLS, 1))
    x = rng.negative_binomial(2, 2 / (2 + depth * rng.gamma(1, 3, N_FEATURES))).astype(np.float32)
    x[:, SILENT_GENE] = 0
    x[ZERO_CELL] = 0
    x[x.sum(axis=1) == 0, 0] = 1
    x[ZERO_CELL] = 0
    return x


def in_blocks(x: np.ndarray, size: int) -> Callable[[], Iterable[Tensor]]:
    return lambda: torch.as_tensor(x).split(size)


def fitted(cls: type[Representation], x: np.ndarray | None = None, size: int = N_CELLS) -> Representation:
    x = counts() if x is None else x
    representation = cls(x.shape[1])
    representation.fit(in_blocks(x, size))
    return representation


def inputs_of(representation: Representation, x: Tensor, style: str, missing: Tensor | None = None) -> Tensor:
    return representation.encoder_input(x, style, missing).dense()


def normalised_by_scanpy(x: np.ndarray) -> np.ndarray:
    adata = AnnData(x.astype(np.float64))
    with pytest.warns(UserWarning, match="Some cells have zero counts"):
        sc.pp.normalize_total(adata)
    return adata.X


def present_and_missing() -> tuple[np.ndarray, Tensor]:
    missing = np.zeros(N_FEATURES, dtype=bool)
    missing[[1, 4, 9]] = True
    return ~missing, torch.as_tensor(missing)


# ---------------------------------------------------------------------- RNA
def test_target_is_scanpys_normalize_total() -> None:
    x = counts()
    target = fitted(CountRepresentation).target(torch.as_tensor(x))
    np.testing.assert_allclose(target.numpy(), normalised_by_scanpy(x), rtol=1e-5)


def test_median_is_over_cells_with_counts() -> None:
    """Most cells are empty, so a median over all cells would be 0; of an even number it is the middle of two."""
    x = np.zeros((7, 2), dtype=np.float32)
    x[:4, 0] = [2, 4, 8, 100]
    assert fitted(CountRepresentation, x).median_total.item() == 6


def test_zscore_is_scanpys_scale() -> None:
    x = counts()
    adata = AnnData(np.log1p(normalised_by_scanpy(x)))
    sc.pp.scale(adata)
    z = inputs_of(fitted(CountRepresentation), torch.as_tensor(x), "zscore")
    np.testing.assert_allclose(z.numpy(), adata.X, rtol=1e-4, atol=1e-5)


def test_counts_and_log_styles() -> None:
    x = counts()
    rna, normalised = fitted(CountRepresentation), normalised_by_scanpy(x)
    np.testing.assert_allclose(inputs_of(rna, torch.as_tensor(x), "counts").numpy(), normalised, rtol=1e-5)
    logs = np.log1p(normalised)
    centred = inputs_of(rna, torch.as_tensor(x), "log").numpy()
    np.testing.assert_allclose(centred, logs - logs.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rna.average.numpy(), normalised.mean(axis=0), rtol=1e-5)


def test_log_depth_keeps_the_depth_and_tells_it() -> None:
    x = counts()
    rna = fitted(CountRepresentation)
    assert rna.n_input("log_depth") == N_FEATURES + 1
    inputs = inputs_of(rna, torch.as_tensor(x), "log_depth").numpy()
    logs = np.log1p(x.astype(np.float64))
    np.testing.assert_allclose(inputs[:, :-1], logs - logs.mean(axis=0), rtol=1e-4, atol=1e-5)
    log_total = np.log1p(x.sum(axis=1, dtype=np.float64))
    depth = (log_total - log_total.mean()) / log_total.std(ddof=1)
    has_counts = x.sum(axis=1) > 0
    np.testing.assert_allclose(inputs[has_counts, -1], depth[has_counts], rtol=1e-4, atol=1e-5)
    assert inputs[ZERO_CELL, -1] == 0


def test_constant_gene_stays_at_zero() -> None:
    """Two genes that share each cell's counts evenly are constant after normalisation; so is a silent one."""
    x = np.repeat(np.arange(1, 9, dtype=np.float32)[:, None], 2, axis=1)
    x = np.concatenate([x, np.zeros((8, 1), dtype=np.float32)], axis=1)
    z = inputs_of(fitted(CountRepresentation, x), torch.as_tensor(x), "zscore")
    np.testing.assert_allclose(z.numpy(), 0, atol=1e-3)


def test_constant_gene_is_harmless_when_a_query_differs() -> None:
    x = np.arange(1, 301, dtype=np.float32)[:, None] * np.array([1, 2, 3], dtype=np.float32)  # one profile, 300 depths
    z = inputs_of(fitted(CountRepresentation, x), torch.tensor([[9.0, 4.0, 1.0]]), "zscore")
    assert z.abs().max() < 100


def test_silent_gene_is_harmless_when_a_query_has_it() -> None:
    rna, x = fitted(CountRepresentation), torch.as_tensor(counts())
    x[:, SILENT_GENE] = 5
    assert inputs_of(rna, x, "zscore").abs().max() < 50


def test_size_factor_of_missing_genes_is_over_the_present_ones() -> None:
    x = counts()
    rna = fitted(CountRepresentation)
    present, missing = present_and_missing()
    average = normalised_by_scanpy(x).mean(axis=0)
    totals = x.sum(axis=1)
    share = average[present].sum() / average.sum()
    query = np.where(present, x, 0)
    expected = query.sum(axis=1) / (np.median(totals[totals > 0]) * share)
    expected[query.sum(axis=1) == 0] = 1
    np.testing.assert_allclose(rna.size_factors(torch.as_tensor(query), missing)[:, 0], expected, rtol=1e-5)


def test_an_average_cell_keeps_its_size_factor_and_depth_when_genes_go_missing() -> None:
    rna = fitted(CountRepresentation)
    present, missing = present_and_missing()
    cell = 7 * rna.average.unsqueeze(0)
    query = torch.where(missing, 0, cell)
    torch.testing.assert_close(rna.size_factors(query, missing), rna.size_factors(cell))
    for style in ("counts", "log", "zscore", "log_depth"):
        whole, partial = inputs_of(rna, cell, style), inputs_of(rna, query, style, missing)
        centre = rna.average[present] if style == "counts" else 0
        ratio = (partial[:, :N_FEATURES][:, present] - centre) / (whole[:, :N_FEATURES][:, present] - centre)
        ratio = ratio[:, rna.log_sd[present] > 0]
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-3)  # one factor for all
        assert ratio[0, 0] > 1
        torch.testing.assert_close(partial[:, N_FEATURES:], whole[:, N_FEATURES:])


# ---------------------------------------------------------------------- ATAC
def test_binary_and_centred() -> None:
    x = counts()
    atac = fitted(BinaryRepresentation)
    is_open = (x > 0).astype(np.float64)
    np.testing.assert_array_equal(atac.target(torch.as_tensor(x)).numpy(), is_open)
    np.testing.assert_array_equal(inputs_of(atac, torch.as_tensor(x), "binary").numpy(), is_open)
    np.testing.assert_allclose(atac.average.numpy(), is_open.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        inputs_of(atac, torch.as_tensor(x), "centred").numpy(), is_open - is_open.mean(axis=0), atol=1e-6
    )


def test_number_of_open_peaks_as_an_input() -> None:
    x = counts()
    atac = fitted(BinaryRepresentation)
    assert atac.n_input("centred_depth") == N_FEATURES + 1
    inputs = inputs_of(atac, torch.as_tensor(x), "centred_depth").numpy()
    np.testing.assert_array_equal(inputs[:, :-1], inputs_of(atac, torch.as_tensor(x), "centred").numpy())
    n_open = (x > 0).sum(axis=1)
    expected = np.where(n_open > 0, stats.zscore(np.log1p(n_open), ddof=1), 0)
    np.testing.assert_allclose(inputs[:, -1], expected, rtol=1e-4, atol=1e-5)


def test_number_of_open_peaks_is_that_of_a_whole_cell_where_peaks_are_missing() -> None:
    x = counts()
    atac = fitted(BinaryRepresentation)
    present, missing = present_and_missing()
    frequency = (x > 0).mean(axis=0)
    n_open = (x[:, present] > 0).sum(axis=1) * frequency.sum() / frequency[present].sum()
    logs = np.log1p((x > 0).sum(axis=1))
    expected = np.where(n_open > 0, (np.log1p(n_open) - logs.mean()) / logs.std(ddof=1), 0)
    query = torch.where(missing, 0, torch.as_tensor(x))
    np.testing.assert_allclose(
        inputs_of(atac, query, "centred_depth", missing)[:, -1].numpy(), expected, rtol=1e-4, atol=1e-5
    )


def test_the_target_times_the_exposure_is_what_was_counted() -> None:
    x = torch.as_tensor(counts())
    rna = fitted(CountRepresentation)
    torch.testing.assert_close(rna.target(x) * rna.exposure(x), x)
    assert rna.exposure(x)[ZERO_CELL] == 0
    assert fitted(BinaryRepresentation).exposure(x) is fitted(ProportionRepresentation).exposure(x) is None


# ---------------------------------------------------------------------- protein
def test_clr_is_muons() -> None:
    muon = pytest.importorskip("muon")
    x = counts()
    expected = muon.prot.pp.clr(AnnData(x.astype(np.float64)), inplace=False, axis=1, flavor="stoeckius").X
    np.testing.assert_allclose(
        ProportionRepresentation(N_FEATURES).target(torch.as_tensor(x)).numpy(), expected, atol=1e-5
    )


def test_clr_is_equation_7_with_a_pseudo_count() -> None:
    x = counts()
    expected = np.log((x + 1) / stats.gmean(x + 1.0, axis=1, keepdims=True))
    protein = fitted(ProportionRepresentation)
    np.testing.assert_allclose(protein.target(torch.as_tensor(x)).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(inputs_of(protein, torch.as_tensor(x), "clr").numpy(), expected, atol=1e-5)
    zscore = inputs_of(protein, torch.as_tensor(x), "zscore").numpy()
    np.testing.assert_allclose(zscore, stats.zscore(expected, axis=0, ddof=1), rtol=1e-3, atol=1e-4)


def test_present_proteins_keep_their_values_when_others_go_missing() -> None:
    """In a cell that is the training average up to its depth, centring over the present proteins changes nothing."""
    protein = fitted(ProportionRepresentation)
    present, missing = present_and_missing()
    cell = torch.expm1(protein.average + 3.0).unsqueeze(0)
    query = torch.where(missing, 0, cell)
    for style in protein.styles:
        torch.testing.assert_close(
            inputs_of(protein, query, style, missing), inputs_of(protein, cell, style), rtol=1e-4, atol=1e-4
        )


# ---------------------------------------------------------------------- missing features
def compensated(deviation: Tensor, missing: Tensor | None, variance: Tensor) -> Tensor:
    average = torch.arange(deviation.shape[1]).to(deviation)
    return compensate(deviation + average, average, missing, variance).dense()


def test_what_is_present_makes_up_for_what_is_missing() -> None:
    deviation = torch.tensor([[1.0, -2.0, 3.0, 0.0]])
    missing = torch.tensor([False, True, False, True])
    variance = torch.tensor([3.0, 4.0, 1.0, 0.0])  # half of it is present
    expected = torch.tensor([[2.0, 0.0, 6.0, 0.0]])
    torch.testing.assert_close(compensated(deviation, missing, variance), expected)
    torch.testing.assert_close(compensated(deviation, None, variance), deviation)
    # nothing is scaled for a feature that says nothing
    torch.testing.assert_close(compensated(deviation, variance == 0, variance), deviation)


def test_compensation_has_a_limit() -> None:
    deviation, variance = torch.ones(1, 1000), torch.ones(1000)
    present = torch.arange(1000) < 5
    assert compensated(deviation, ~present, variance).max() == 10
    constant = torch.zeros(1000)
    assert compensated(deviation, ~present, constant).isfinite().all()


def test_the_sum_of_the_inputs_keeps_its_size_on_average() -> None:
    """As with dropout: over random sets of missing features the weighted sum of the inputs is the whole one."""
    rng = np.random.default_rng(0)
    deviation, weight = torch.as_tensor(rng.normal(size=(1, 400))), torch.as_tensor(rng.normal(size=400))
    variance = torch.ones(400, dtype=torch.float64)
    sums = [
        (compensated(deviation, torch.as_tensor(rng.permutation(400) < 160), variance) @ weight).item()
        for _ in range(4000)
    ]
    standard_error = np.std(sums) / np.sqrt(len(sums))
    assert np.mean(sums) == pytest.approx((deviation @ weight).item(), abs=4 * standard_error)


# ---------------------------------------------------------------------- all of them
@pytest.mark.parametrize(("cls", "style"), STYLES)
def test_missing_features_enter_as_average(cls: type[Representation], style: str) -> None:
    representation, x = fitted(cls), torch.as_tensor(counts())
    _, missing = present_and_missing()
    inputs = inputs_of(representation, torch.where(missing, 0, x), style, missing)[:, :N_FEATURES]
    is_zero_average = style in ("log", "zscore", "log_depth", "centred", "centred_depth")
    expected = torch.zeros(N_FEATURES) if is_zero_average else representation.average
    torch.testing.assert_close(inputs[:, missing], expected[missing].expand(N_CELLS, 3))
    assert inputs.isfinite().all()


@pytest.mark.parametrize(("cls", "style"), STYLES)
def test_no_missing_feature_is_the_same_as_no_mask(cls: type[Representation], style: str) -> None:
    representation, x = fitted(cls), torch.as_tensor(counts())
    nothing = torch.zeros(N_FEATURES, dtype=torch.bool)
    torch.testing.assert_close(
        inputs_of(representation, x, style, nothing), inputs_of(representation, x, style), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("cls", [pytest.param(cls, id=name) for name, cls in REPRESENTATIONS.items()])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_fit_in_blocks_is_fit_at_once(cls: type[Representation], size: int) -> None:
    blocks, whole = fitted(cls, size=size).state_dict(), fitted(cls).state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(blocks[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("cls", "style"), STYLES)
def test_a_cell_does_not_depend_on_the_others(cls: type[Representation], style: str) -> None:
    representation, x = fitted(cls), torch.as_tensor(counts())
    before = x.clone()
    inputs, target = inputs_of(representation, x, style), representation.target(x)
    assert inputs.shape == (N_CELLS, representation.n_input(style))
    for cell in (0, ZERO_CELL):
        torch.testing.assert_close(inputs_of(representation, x[cell : cell + 1], style)[0], inputs[cell])
        torch.testing.assert_close(representation.target(x[cell : cell + 1])[0], target[cell])
    assert torch.equal(x, before)


@pytest.mark.parametrize(("cls", "style"), STYLES)
@pytest.mark.parametrize("some_missing", [False, True])
def test_sparse_rows_are_as_good_as_dense_ones(cls: type[Representation], style: str, some_missing: bool) -> None:
    x = torch.as_tensor(counts())
    missing = present_and_missing()[1] if some_missing else None
    x = x if missing is None else torch.where(missing, 0, x)
    rows, dense = x.to_sparse_csr(), fitted(cls)
    sparse = cls(N_FEATURES)
    sparse.fit(lambda: [part.to_sparse_csr() for part in torch.as_tensor(counts()).split(20)])
    for name, value in dense.state_dict().items():
        torch.testing.assert_close(sparse.state_dict()[name], value)
    torch.testing.assert_close(inputs_of(dense, rows, style, missing), inputs_of(dense, x, style, missing))
    torch.testing.assert_close(dense.target(rows).to_dense(), dense.target(x))
    is_count = cls is not ProportionRepresentation
    assert (dense.target(rows).layout == torch.sparse_csr) is is_count  # nothing was made dense on the way
    assert (dense.encoder_input(rows, style, missing).values.layout == torch.sparse_csr) is is_count
    if dense.exposure(x) is not None:
        torch.testing.assert_close(dense.exposure(rows), dense.exposure(x))


def _training_sets() -> dict[str, np.ndarray]:
    return {
        "some-zero-cells": counts(),
        "one-cell": counts()[:1],
        "one-zero-cell": np.zeros((1, N_FEATURES), dtype=np.float32),
        "all-zero": np.zeros((5, N_FEATURES), dtype=np.float32),
    }


@pytest.mark.parametrize("training", list(_training_sets()))
@pytest.mark.parametrize(("cls", "style"), STYLES)
def test_never_nan(cls: type[Representation], style: str, training: str) -> None:
    representation = fitted(cls, _training_sets()[training])
    query = torch.as_tensor(np.concatenate([counts(), np.full((1, N_FEATURES), 1e6, dtype=np.float32)]))
    _, some = present_and_missing()
    for missing in (None, some, torch.ones(N_FEATURES, dtype=torch.bool)):
        x = query if missing is None else torch.where(missing, 0, query)
        assert inputs_of(representation, x, style, missing).isfinite().all()
    assert representation.target(query).isfinite().all()


@pytest.mark.parametrize(
    ("cls", "style"),
    [
        pytest.param(cls, style, id=f"{name}-{style}")
        for (name, cls), style in product(REPRESENTATIONS.items(), ("log2", "counts", "binary", "clr"))
        if style not in cls.styles
    ],
)
def test_unknown_style(cls: type[Representation], style: str) -> None:
    representation = fitted(cls)
    with pytest.raises(ValueError, match=rf"has the inputs .*{cls.styles[0]}.*, got '{style}'"):
        inputs_of(representation, torch.as_tensor(counts()), style)
    with pytest.raises(ValueError, match=rf"got '{style}'"):
        representation.n_input(style)


@pytest.mark.parametrize(("cls", "style"), STYLES)
def test_statistics_are_saved(cls: type[Representation], style: str) -> None:
    representation, x = fitted(cls), torch.as_tensor(counts())
    loaded = cls(N_FEATURES)
    loaded.load_state_dict(representation.state_dict())
    assert torch.equal(inputs_of(loaded, x, style), inputs_of(representation, x, style))
    assert torch.equal(loaded.target(x), representation.target(x))
    assert list(representation.parameters()) == []  # statistics are not trained


@pytest.mark.parametrize("style", CountRepresentation.styles)
def test_genes_that_no_training_cell_expressed_tell_nothing_of_a_cell_s_size(style: str) -> None:
    representation = fitted(CountRepresentation, np.array([[0, 3, 2], [0, 1, 4], [0, 2, 5]], dtype=np.float32))
    missing = torch.tensor([False, True, True])
    query = torch.tensor([[7.0, 0.0, 0.0]])
    assert representation.size_factors(query, missing).tolist() == [[1.0]]
    depth = representation.encoder_input(query, style, missing).dense()[:, 3:]
    assert (depth.abs() < 1).all()  # about average, in standard deviations
