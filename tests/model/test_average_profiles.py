"""The average of what is generated for training cells, beside what was measured in them."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from mudata import MuData

import scmog
from scmog.model import _average_profiles
from scmog.model._average_profiles import fit_averages
from scmog.nn import shrunken_ratios

_RNA, _ATAC = {"source": "atac", "target": "rna"}, {"source": "rna", "target": "atac"}


@pytest.fixture(scope="module")
def data():
    mdata = scmog.datasets.simulate(600, 60, 80, 6, seed=5)
    mdata = mdata[np.asarray(mdata["rna"].X.sum(axis=1)).ravel() > 0].copy()  # scanpy warns of empty cells
    mdata.obs["split"] = np.resize(["train", "train", "train", "validation"], mdata.n_obs)
    return mdata


@pytest.fixture(scope="module")
def model(data, make_model):
    options = {"n_members": 2, "train": {"split_key": "split", "max_epochs": 3, "seed": 0}}
    return make_model(data.copy(), directions=[("rna", "atac"), ("atac", "rna")], **options)


def cells(data, part):
    return np.flatnonzero(data.obs["split"] == part)


# ------------------------------------------------------------------ RNA: the mean of logarithms
def test_expected_log1p_has_the_measured_mean(model, data):
    train = cells(data, "train")
    measured = data["rna"][train].copy()
    sc.pp.normalize_total(measured, target_sum=model.module.median_total)
    sc.pp.log1p(measured)
    logs = model.get_generated(data, **_RNA, log1p=True, indices=train).X
    np.testing.assert_allclose(logs.mean(axis=0), measured.X.toarray().mean(axis=0), rtol=1e-4, atol=1e-6)
    # Jensen: the logarithm of the expected counts of a noisy gene is more than that
    counts = model.get_generated(data, **_RNA, indices=train).X
    assert (np.log1p(counts).mean(axis=0) > logs.mean(axis=0)).mean() > 0.9


def scaled_and_measured(model, data, part):
    """Generated log1p with the measured average of training cells, and measured log1p, of cells of a part."""
    measured = data["rna"].copy()
    sc.pp.normalize_total(measured, target_sum=model.module.median_total)
    sc.pp.log1p(measured)
    logs = np.log1p(model.get_generated(data, **_RNA).X.astype(float))
    train, chosen = cells(data, "train"), cells(data, part)
    average = measured.X[train].toarray().mean(axis=0)
    return logs[chosen] * average / logs[train].mean(axis=0), measured.X[chosen].toarray(), average


def test_validation_cells_say_how_far_log1p_is_from_its_average(model, data):
    """One least-squares slope for all genes, ten cells' worth of it at 1; nothing is below 0."""
    scaled, measured, average = scaled_and_measured(model, data, "validation")
    deviation = scaled - average
    penalty = 10 * np.square(deviation).sum() / len(deviation)
    slope = ((deviation * (measured - average)).sum() + penalty) / (np.square(deviation).sum() + penalty)
    logs = model.get_generated(data, **_RNA, log1p=True, indices=cells(data, "validation")).X
    np.testing.assert_allclose(logs, np.maximum(average + slope * deviation, 0), rtol=1e-3, atol=1e-5)
    assert abs(slope - 1) > 0.01


def test_slope_lowers_the_error_on_validation_cells(model, data):
    scaled, measured, _ = scaled_and_measured(model, data, "validation")
    logs = model.get_generated(data, **_RNA, log1p=True, indices=cells(data, "validation")).X
    assert np.square(logs - measured).sum() < np.square(scaled - measured).sum()


def test_without_validation_cells_log1p_is_a_multiple_for_each_gene(make_model, data):
    with pytest.warns(UserWarning, match="No validation cells"):
        model = make_model(data.copy(), directions=[("atac", "rna")], train={"train_size": 1.0, "validation_size": 0.0})
    counts, logs = (model.get_generated(data, log1p=log1p).X for log1p in (False, True))
    ratio = logs / np.log1p(counts)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), rtol=1e-4)
    assert (ratio[0] > 0).all()


def test_a_slope_below_zero_is_not_taken(model, data, monkeypatch):
    average = torch.tensor([1.0, 2.0])
    generated = average + torch.randn(50, 2, generator=torch.Generator().manual_seed(0))

    def blocks(slope):
        return lambda *_, **__: iter([(average + slope * (generated - average), generated)])

    for slope, found in ((-3.0, 1.0), (0.5, (0.5 * 50 + 10) / 60), (2.0, (2 * 50 + 10) / 60)):
        monkeypatch.setattr(_average_profiles, "_blocks", blocks(slope))
        fitted = _average_profiles._slope_of_deviations(
            model.module, model.adata_manager, "atac_to_rna", np.arange(50), 64, average
        )
        assert fitted == pytest.approx(found, rel=1e-5)


def test_a_gene_without_counts_is_zero(make_model, data):
    mdata = data.copy()
    mdata["rna"].X = mdata["rna"].X @ sp.diags_array(np.arange(60) != 7, dtype=np.float32)
    model = make_model(mdata, directions=[("atac", "rna")], train={"split_key": "split"})
    logs = model.get_generated(mdata, log1p=True).X
    assert (logs[:, 7] == 0).all()
    assert np.isfinite(logs).all()


def test_both_ways_of_generating_name_the_unit(model, data):
    query = MuData({"atac": data["atac"].copy()})
    model.generate(query, log1p=True)
    generated = model.get_generated(query, log1p=True)
    np.testing.assert_array_equal(query["rna_generated"].X, generated.X)
    for adata in (query["rna_generated"], generated):
        assert adata.uns["scmog"]["unit"] == "expected log1p of counts at the median library size of the training cells"


def test_only_rna_has_logarithms(model, data):
    before = list(data.mod)
    for call in (model.generate, model.get_generated):
        with pytest.raises(
            ValueError,
            match="log1p applies to the targets .'rna'. only, not to 'atac': leave it out, or name target='rna'",
        ):
            call(data, **_ATAC, log1p=True)
    assert list(data.mod) == before


def test_evaluate_scores_logarithms(model, data):
    """RMSE of the table, from what a user gets."""
    held_out = cells(data, "validation")
    measured = data["rna"][held_out].copy()
    sc.pp.normalize_total(measured, target_sum=model.module.median_total)
    sc.pp.log1p(measured)
    errors = measured.X.toarray() - model.get_generated(data, **_RNA, log1p=True, indices=held_out).X
    table = model.evaluate(split="validation", directions=[("atac", "rna")], metrics=["rmse"], baselines=False)
    value = table[(table["axis"] == "flat") & (table["model"] == "scmog")]["value"].item()
    assert value == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)


# ------------------------------------------------------------------ ATAC: how often a peak is open
def averages(model, data, part):
    """Average generated probability and measured frequency."""
    chosen = cells(data, part)
    generated = model.get_generated(data, **_ATAC, threshold=None, indices=chosen).X
    return generated.mean(axis=0), (data["atac"].X[chosen] > 0).toarray().mean(axis=0)


def distance(generated, measured):
    return np.abs(generated - measured).mean()


@pytest.fixture(params=[1.0, 0.5], ids="slope-{}".format)
def spoilt(request, make_model, data):
    """A model whose peaks are too frequent and too rare by turns, with this slope of its recalibration."""
    model = make_model(data.copy(), directions=[("rna", "atac")], n_members=2, train={"split_key": "split"})
    translator = model.module.translator("rna_to_atac")
    recalibration = translator.recalibration
    at_centre = recalibration(torch.tensor(-2.0))
    recalibration.intercept += at_centre + 2.0 * request.param - recalibration.intercept
    recalibration.slope.fill_(request.param)
    wrong = torch.tensor([0.2, -0.2] * 40)
    with torch.no_grad():
        for member in translator.members:
            member.decoder.logit.bias.add_(wrong)
    return model


def test_averages_come_as_close_as_held_out_cells_bear_out(spoilt, data):
    train, held_out = (cells(data, part) for part in ("train", "validation"))
    (before, measured), (expected, found) = (averages(spoilt, data, part) for part in ("train", "validation"))
    sums = measured * len(train), before * len(train), found * len(held_out), expected * len(held_out)
    wanted = before * shrunken_ratios(*map(torch.as_tensor, sums)).numpy()
    fit_averages(spoilt.module, spoilt.adata_manager, train, held_out, 64)
    after, _ = averages(spoilt, data, "train")
    assert distance(after, wanted) < 0.1 * distance(before, wanted)
    assert distance(after, measured) < distance(before, measured)
    assert distance(*averages(spoilt, data, "validation")) < distance(expected, found)


def test_weights_and_the_raw_score_stay(spoilt, data):
    """And a second fit finds what the first one found, not more."""

    def raw():
        return spoilt.get_generated(data, **_ATAC, threshold=None, score="raw").X

    before, parts = raw(), (cells(data, "train"), cells(data, "validation"))
    move = spoilt.module.translator("rna_to_atac").logit_move
    move.zero_()
    fit_averages(spoilt.module, spoilt.adata_manager, *parts, 64)
    np.testing.assert_array_equal(raw(), before)
    first = move.clone()
    assert first.abs().max() > 0
    fit_averages(spoilt.module, spoilt.adata_manager, *parts, 64)
    torch.testing.assert_close(move, first)


def test_nothing_is_moved_without_validation_cells(spoilt, data):
    before = {name: value.clone() for name, value in spoilt.module.state_dict().items()}
    fit_averages(spoilt.module, spoilt.adata_manager, cells(data, "train"), np.array([], dtype=int), 64)
    for name, value in spoilt.module.state_dict().items():
        assert torch.equal(value, before[name]), name
