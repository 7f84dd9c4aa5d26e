"""Principal components of the input: scikit-learn's, of sparse rows as of dense ones, around any centre."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from scmog.nn import Encoder, EncoderInput, InputComponents, InputDropout

N_CELLS, N_INPUT, N_COMPONENTS = 80, 12, 4


@pytest.fixture
def values() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(N_CELLS, 3, generator=generator) @ torch.randn(3, N_INPUT, generator=generator)
    return torch.relu(state + 0.3 * torch.randn(N_CELLS, N_INPUT, generator=generator))


def fitted(pca: PCA, values: torch.Tensor, centre: torch.Tensor | None) -> InputComponents:
    layer = InputComponents(N_INPUT, N_COMPONENTS)
    mean = torch.as_tensor(pca.mean_) - (0 if centre is None else centre)
    sd = torch.as_tensor(pca.transform(values.numpy()).std(axis=0))
    layer.set_axes(torch.as_tensor(pca.components_), mean, sd)
    return layer


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_scores_are_those_of_scikit_learn(values: torch.Tensor, sparse: bool, centred: bool) -> None:
    centre = torch.rand(N_INPUT) if centred else None
    pca = PCA(N_COMPONENTS).fit(values.numpy())
    layer = fitted(pca, values, centre)
    new = torch.relu(torch.randn(9, N_INPUT))
    z = layer(EncoderInput(new.to_sparse_csr() if sparse else new, centre))
    expected = pca.transform(new.numpy()) / pca.transform(values.numpy()).std(axis=0)
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_scores_of_the_training_cells_are_standardised(values: torch.Tensor) -> None:
    z = fitted(PCA(N_COMPONENTS).fit(values.numpy()), values, None)(EncoderInput(values)).double()
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(N_COMPONENTS).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.T @ z / N_CELLS, torch.eye(N_COMPONENTS).double(), atol=1e-4, rtol=0)


def test_what_is_average_says_nothing(values: torch.Tensor) -> None:
    """A cell all of whose features are at the centre, as missing ones are, is the average cell."""
    centre = values.mean(dim=0)
    layer = fitted(PCA(N_COMPONENTS).fit(values.numpy()), values, centre)
    z = layer(EncoderInput(centre.expand(2, -1), centre))
    torch.testing.assert_close(z, torch.zeros(2, N_COMPONENTS), atol=1e-5, rtol=0)


def test_more_or_fewer_axes_than_wanted(values: torch.Tensor) -> None:
    layer = InputComponents(N_INPUT, N_COMPONENTS)
    axes, mean = torch.linalg.qr(torch.randn(N_INPUT, N_INPUT))[0], torch.zeros(N_INPUT)
    layer.set_axes(axes, mean, torch.ones(N_INPUT))
    torch.testing.assert_close(layer.axes, axes[:N_COMPONENTS].T)
    layer.set_axes(axes[:2], mean, torch.tensor([2.0, 0.0]))  # a score that does not vary is left as it is
    torch.testing.assert_close(layer(EncoderInput(values))[:, :2], values @ (axes[:2].T / torch.tensor([2.0, 1.0])))
    assert (layer(EncoderInput(values))[:, 2:] == 0).all()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_mixed_and_double_precision(values: torch.Tensor, sparse: bool, centred: bool) -> None:
    centre = 10 + torch.rand(N_INPUT) if centred else None  # far away: rounding it would show
    layer = fitted(PCA(N_COMPONENTS).fit(values.numpy()), values, centre)
    x = EncoderInput(values.to_sparse_csr() if sparse else values, centre)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x), expected)
    z = layer.double()(x)
    assert z.dtype == torch.float64
    torch.testing.assert_close(z.float(), expected, rtol=1e-4, atol=1e-5)


def test_an_encoder_of_components_sees_nothing_else(values: torch.Tensor) -> None:
    encoder = Encoder(N_INPUT, n_hidden=(5,), n_latent=3, input_dropout_rate=0.4, n_components=N_COMPONENTS).eval()
    assert next(layer.rate for layer in encoder.modules() if isinstance(layer, InputDropout)) == 0
    assert encoder.hidden[0].weight.shape == (5, N_COMPONENTS)
    assert not any("components" in name for name, _ in encoder.named_parameters())  # the axes are not trained
    axes = torch.eye(N_INPUT)[:N_COMPONENTS]
    encoder.components.set_axes(axes, torch.zeros(N_INPUT), torch.ones(N_COMPONENTS))
    z = encoder(EncoderInput(values))
    assert z.shape == (N_CELLS, 3)
    other = values.clone()
    other[:, N_COMPONENTS:] += 1  # orthogonal to all axes
    torch.testing.assert_close(encoder(EncoderInput(other)), z)
    other[:, 0] += 1
    assert not torch.allclose(encoder(EncoderInput(other)), z)
