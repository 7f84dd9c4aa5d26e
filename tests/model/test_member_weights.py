"""Shares of the networks in the average: fitted on validation cells for proteins, equal for all else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scmog
from scmog.model._fitting import fit_member_weights


@pytest.fixture(scope="module")
def data():
    mdata = scmog.datasets.simulate(400, 120, 100, 8, seed=3)
    mdata.obs["split"] = np.resize(["train", "train", "train", "validation", "test"], 400)
    return mdata


@pytest.fixture(scope="module")
def train(make_model):
    def of(mdata, direction=("rna", "protein")):
        options = {"max_epochs": 4, "split_key": "split"}
        return make_model(mdata.copy(), directions=[direction], n_members=3, train=options)

    return of


@pytest.fixture(scope="module")
def model(data, train):
    return train(data)


def translator(model):
    return next(iter(model.module.translators.values()))


def validation(model):
    return np.flatnonzero(model.adata.obs["split"] == "validation")


def generated(model, mdata, source="rna", target="protein"):
    return model.get_generated(mdata, source=source, target=target).X


def of_members(model, mdata):
    """What each network generates by itself."""
    all_members, weights = translator(model).members, translator(model).member_weights
    try:
        alone = []
        for member in all_members:
            translator(model).members, translator(model).member_weights = torch.nn.ModuleList([member]), torch.ones(1)
            alone.append(generated(model, mdata))
    finally:
        translator(model).members, translator(model).member_weights = all_members, weights
    return np.stack(alone)


def log_ratios(mdata):
    logs = np.log1p(mdata["protein"].X.toarray())
    return logs - logs.mean(axis=1, keepdims=True)


def test_the_output_is_the_weighted_average_and_saved_with_the_model(data, model, tmp_path):
    weights = translator(model).member_weights
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    assert weights.std() > 1e-3
    test = data[data.obs["split"] == "test"].copy()
    expected = np.tensordot(weights.numpy(), of_members(model, test), axes=1)
    np.testing.assert_allclose(generated(model, test), expected, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model")
    loaded = scmog.model.SCMOG.load(tmp_path / "model", adata=model.adata)
    np.testing.assert_array_equal(generated(loaded, test), generated(model, test))


def test_no_other_average_errs_less_on_the_validation_cells(data, model):
    cells = data[validation(model)].copy()
    measured = log_ratios(cells)
    sd = log_ratios(data[data.obs["split"] == "train"].copy()).std(axis=0)
    errors = ((of_members(model, cells) - measured) / sd).reshape(3, -1)
    products = errors @ errors.T / errors.shape[1]
    penalised = products + 10 / len(cells) * np.trace(products) / 3 * np.eye(3)

    def error(weights):
        return weights @ penalised @ weights

    least = error(translator(model).member_weights.double().numpy())
    others = np.random.default_rng(0).dirichlet(np.ones(3), 2000)
    assert least <= min(map(error, others)) * (1 + 1e-3)
    assert least < error(np.full(3, 1 / 3))


def test_a_network_that_knows_nothing_is_left_out(data, train):
    model = train(data)
    with torch.no_grad():
        for parameter in translator(model).member(1).decoder.parameters():
            parameter.fill_(5.0)
    fit_member_weights(model.module, model.adata_manager, validation(model), 64)
    assert translator(model).member_weights[1] < 0.05


@pytest.mark.parametrize("direction", [("rna", "atac"), ("atac", "rna")])
def test_equal_where_the_loss_is_not_a_squared_error(data, train, direction):
    weights = translator(train(data, direction)).member_weights
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3))


def test_equal_without_validation_cells(data, train):
    mdata = data.copy()
    mdata.obs["split"] = "train"
    with pytest.warns(UserWarning, match="No validation cells"):
        model = train(mdata)
    torch.testing.assert_close(translator(model).member_weights, torch.full((3,), 1 / 3))


def test_a_protein_that_never_varies(data, train):
    mdata = data.copy()
    counts = mdata["protein"].X.toarray()
    counts[:] = counts[:1]  # so that none of the log-ratios does
    mdata["protein"].X = counts
    weights = translator(train(mdata)).member_weights
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
