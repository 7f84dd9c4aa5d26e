"""Open and closed: the cuts, their scales, and the form of the result."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, logit

_ATAC = {"source": "rna", "target": "atac"}


@pytest.fixture(scope="module")
def scores(trained):
    data = trained.adata
    return {
        score: trained.get_generated(data, **_ATAC, threshold=None, score=score).X for score in ("probability", "raw")
    }


def test_none_returns_all_scores_dense(scores, trained):
    for score, values in scores.items():
        assert isinstance(values, np.ndarray)
        assert values.dtype == np.float32
        assert 0 <= values.min() < values.max() <= 1
        note = trained.get_generated(trained.adata, **_ATAC, threshold=None, score=score).uns["scmog"]
        assert note["unit"] == {"probability": "probability to be open", "raw": "raw score"}[score]
        assert "cut" not in note


@pytest.mark.parametrize("preset", ["default", "paper", "authors"])
def test_probability_is_the_closed_form_of_the_raw_score_recalibrated(paired, make_model, preset):
    model = make_model(paired, directions=[("rna", "atac")], preset=preset)
    line = model.module.translator("rna_to_atac").recalibration
    w1, w0, g = {"default": (0.5, 0.5, 1.0), "paper": (0.93, 0.07, 2.0), "authors": (0.07, 0.93, 2.0)}[preset]
    raw = model.get_generated(paired, threshold=None, score="raw").X.astype(np.float64)
    # each peak has a number of its own on top
    p = expit(logit(raw) + model.module.translator("rna_to_atac").logit_move.numpy())
    q = model.get_generated(paired, threshold=None).X
    a = (1 - p) ** g / p - g * (1 - p) ** (g - 1) * np.log(p)
    b = p**g / (1 - p) - g * p ** (g - 1) * np.log(1 - p)
    closed_form = w0 * b / (w1 * a + w0 * b)
    # in the default preset each cell has a shift, the same for all of its peaks
    shift = np.zeros((len(q), 1))
    if preset == "default":
        shift = np.median((logit(q) - line.intercept.item()) / line.slope.item() - logit(closed_form), axis=1)[:, None]
        assert np.ptp(shift) > 0
    expected = expit(line.slope.item() * (logit(closed_form) + shift) + line.intercept.item())
    np.testing.assert_allclose(q, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_density_opens_as_many_as_measured_in_training_cells(paired, make_model, share):
    model = make_model(paired, train={"train_size": share, "max_epochs": 3})
    train = np.sort(model.train_indices_)
    measured = (paired["atac"].X[train] > 0).sum()
    generated = model.get_generated(paired, **_ATAC, indices=train)
    assert abs(generated.X.nnz - measured) <= 0.01 * measured
    # one cut for all cells, kept in the model
    probabilities = model.get_generated(paired, **_ATAC, threshold=None).X
    cut = generated.uns["scmog"]["cut"]
    everywhere = model.get_generated(paired, **_ATAC)
    np.testing.assert_array_equal(everywhere.X.toarray(), probabilities > np.float32(cut))


@pytest.mark.parametrize(
    ("options", "score", "cut"),
    [
        pytest.param({"threshold": "paper"}, "raw", 0.1, id="paper"),
        pytest.param({"threshold": 0.2}, "probability", 0.2, id="number on the probability"),
        pytest.param({"threshold": 0.2, "score": "raw"}, "raw", 0.2, id="number on the raw score"),
        pytest.param({"threshold": 0}, "probability", 0.0, id="0"),
        pytest.param({"threshold": 1}, "probability", 1.0, id="1"),
        pytest.param({"threshold": np.float32(0.25)}, "probability", 0.25, id="NumPy number"),
    ],
)
def test_cuts_on_both_scales(trained, scores, options, score, cut):
    generated = trained.get_generated(trained.adata, **_ATAC, **options)
    np.testing.assert_array_equal(generated.X.toarray(), scores[score] > cut)
    # the sigmoid of a few entries and of all differ in the last digit on some builds of PyTorch
    expected = np.where(scores[score] > cut, scores[score], 0)
    np.testing.assert_allclose(generated.layers[score].toarray(), expected, rtol=1e-6)
    note = generated.uns["scmog"]
    assert note["score"] == score
    assert note["cut"] == pytest.approx(cut)
    assert [name for name in generated.layers if name] == [score]  # anndata 0.13 lists .X as None


def test_form_of_a_cut_result(trained, query):
    trained.generate(query, **_ATAC)
    generated = query["atac_generated"]
    matrix, layer = generated.X, generated.layers["probability"]
    assert sp.issparse(matrix)
    assert matrix.format == layer.format == "csr"
    assert matrix.dtype == layer.dtype == np.float32
    assert set(np.unique(matrix.data)) == {1.0}
    assert matrix.has_sorted_indices
    np.testing.assert_array_equal(matrix.indices, layer.indices)
    np.testing.assert_array_equal(matrix.indptr, layer.indptr)


def test_nothing_is_shared(trained, query):
    """A matrix that the user changes in place leaves the other one as it is."""
    for generated in (trained.get_generated(query, **_ATAC), _generate(trained, query)):
        for part in ("data", "indices", "indptr"):
            assert not np.shares_memory(getattr(generated.X, part), getattr(generated.layers["probability"], part))


def _generate(model, query):
    model.generate(query, **_ATAC)
    return query["atac_generated"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"threshold": 1.5}, id="above 1"),
        pytest.param({"threshold": -0.1}, id="below 0"),
        pytest.param({"threshold": float("nan")}, id="NaN"),
        pytest.param({"threshold": True}, id="bool"),
        pytest.param({"threshold": np.bool_(False)}, id="NumPy bool"),
        pytest.param({"threshold": "0.5"}, id="number as text"),
        pytest.param({"threshold": "dense"}, id="unknown name"),
        pytest.param({"threshold": [0.1]}, id="list"),
    ],
)
def test_bad_thresholds(trained, query, snapshot, options):
    before = snapshot(query)
    words = r"threshold must be 'density', 'paper', None or a number in \[0, 1\], got"
    with pytest.raises(ValueError, match=words):
        trained.generate(query, target="atac", **options)
    with pytest.raises(ValueError, match=words):
        trained.get_generated(query, target="atac", **options)
    assert snapshot(query) == before


@pytest.mark.parametrize("target", ["rna", "protein"])
@pytest.mark.parametrize("options", [{"threshold": 0.5}, {"threshold": None}, {"score": "raw"}], ids=str)
def test_thresholds_for_other_targets_are_refused(trained, paired, snapshot, target, options):
    before = snapshot(paired)
    with pytest.raises(ValueError, match=rf"threshold and score apply to the targets \['atac'\] only.*{target!r}"):
        trained.generate(paired, target=target, **options)
    assert snapshot(paired) == before
    trained.get_generated(paired, target=target, threshold="density")  # the default is ignored


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"score": "logit"}, r"score must be 'probability'.*'raw'.*got 'logit'"),
        ({"score": "raw"}, r"threshold='density'.*give a number with score='raw'"),
    ],
)
def test_bad_scores(trained, query, options, words):
    with pytest.raises(ValueError, match=words):
        trained.get_generated(query, target="atac", **options)
