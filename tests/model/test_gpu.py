"""On a GPU: the same losses, gradients and generated modalities as on the CPU (``pytest -m gpu``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from mudata import MuData

from scmog._modalities import MODALITIES
from scmog.model import SCMOG
from scmog.module import SCMOGModule
from scmog.nn import fused
from scmog.train import critic_step, generator_step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated"),  # both by torch.compile
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
]

ALL = [("rna", "atac"), ("atac", "rna"), ("rna", "protein")]
ON_GPU = {"accelerator": "gpu", "devices": 1}
RTOL = 2e-4  # of single precision, summed in another order


@pytest.fixture(scope="module")
def on_gpu(_simulated: MuData, make_model: Callable[..., SCMOG]) -> SCMOG:
    """All three directions, trained on the GPU with the default's kinds of layers; it must stay as it is."""
    mdata = _simulated.copy()
    mdata.obs["split"] = ["train"] * 80 + ["validation"] * 20 + ["test"] * 20
    train = {"n_epochs_pretrain": 1, "max_epochs": 4, "split_key": "split", "seed": 1, **ON_GPU}
    return make_model(
        mdata, directions=ALL, n_components_rna=(0, 4), n_components_rna_for_protein=(0, 4, 3), train=train
    )


def generated(model: SCMOG, source: str, target: str, **options: object) -> np.ndarray:
    if target == "atac":
        options = {"threshold": None, **options}
    values = model.get_generated(source=source, target=target, **options).X
    return values.toarray() if sp.issparse(values) else np.asarray(values)


def test_training_leaves_the_model_on_the_gpu(on_gpu: SCMOG) -> None:
    assert on_gpu.device.type == "cuda"
    assert {value.device.type for value in on_gpu.module.state_dict().values()} == {"cuda"}


def test_losses_of_all_directions_fall(on_gpu: SCMOG) -> None:
    for source, target in ALL:
        losses = on_gpu.history[f"train_loss_{source}_to_{target}"].to_numpy().ravel()
        assert np.isfinite(losses.astype(float)).all()
        assert losses[-1] < losses[0]


@pytest.mark.parametrize(("source", "target"), ALL)
def test_gpu_and_cpu_generate_the_same(on_gpu: SCMOG, tmp_path: Path, source: str, target: str) -> None:
    on_gpu.save(tmp_path / "model", save_anndata=True)
    on_cpu = SCMOG.load(tmp_path / "model", accelerator="cpu")
    assert on_cpu.device.type == "cpu"

    expected = generated(on_cpu, source, target)
    np.testing.assert_allclose(generated(on_gpu, source, target), expected, rtol=RTOL, atol=1e-6)
    assert expected.std() > 0


def test_gpu_and_cpu_cut_peaks_alike(on_gpu: SCMOG, tmp_path: Path) -> None:
    on_gpu.save(tmp_path / "model", save_anndata=True)
    on_cpu = SCMOG.load(tmp_path / "model", accelerator="cpu")

    ours, theirs = (m.get_generated(source="rna", target="atac", threshold="density").X for m in (on_gpu, on_cpu))
    assert (ours != theirs).mean() < 1e-3  # a score may lie within rounding of the cut
    assert 0 < ours.nnz < np.prod(ours.shape)


def test_a_model_goes_back_to_the_gpu(on_gpu: SCMOG, tmp_path: Path) -> None:
    on_gpu.save(tmp_path / "model", save_anndata=True)
    again = SCMOG.load(tmp_path / "model", accelerator="gpu")
    assert again.device.type == "cuda"
    np.testing.assert_allclose(
        generated(again, "rna", "protein"), generated(on_gpu, "rna", "protein"), rtol=RTOL, atol=1e-6
    )


def test_evaluation_is_that_of_the_cpu(on_gpu: SCMOG, tmp_path: Path) -> None:
    on_gpu.save(tmp_path / "model", save_anndata=True)
    on_cpu = SCMOG.load(tmp_path / "model", accelerator="cpu")
    ours, theirs = (m.evaluate(baselines=False) for m in (on_gpu, on_cpu))
    np.testing.assert_allclose(ours["value"], theirs["value"], atol=1e-3)


def test_latent_space_and_store(on_gpu: SCMOG, tmp_path: Path) -> None:
    latent = on_gpu.get_latent_representation(source="rna", target="atac")
    assert np.isfinite(latent).all()

    store = tmp_path / "protein.zarr"
    on_gpu.generate(on_gpu.adata.copy(), source="rna", target="protein", store=store)
    np.testing.assert_allclose(ad.read_zarr(store).X, generated(on_gpu, "rna", "protein"), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------- single steps
@pytest.fixture(scope="module")
def twins(_simulated: MuData, make_model: Callable[..., SCMOG]) -> Callable[[str], tuple[SCMOGModule, dict]]:
    """The same untrained module without dropout, and the same mini-batch, on the device asked for."""
    mdata = _simulated.copy()
    for part in mdata.mod.values():
        part.X = sp.csr_matrix(part.X)
    model = make_model(mdata, directions=ALL, train=None, preset="default", dropout_rate=0.0, input_dropout_rate=0.0)
    rows = model.adata_manager.create_torch_dataset()[np.arange(48)]
    for name, representation in model.module.representations.items():
        representation.fit(lambda name=name: [rows[MODALITIES[name].registry_key]])
    for translator in model.module.translators.values():
        for i in range(len(translator.members)):
            components = translator.member(i).encoder.components
            if components is not None:
                n_input = components.axes.shape[0]
                axes = torch.linalg.qr(torch.randn(n_input, components.n_components))[0].t()
                components.set_axes(axes, torch.zeros(n_input), torch.ones(components.n_components))
    state = {name: value.clone() for name, value in model.module.state_dict().items()}

    def make(device: str) -> tuple[SCMOGModule, dict[str, torch.Tensor]]:
        module = model.module.to(device)
        module.load_state_dict(state)
        module.zero_grad()
        return module.train(), {key: value.to(device) for key, value in rows.items()}

    return make


def step(
    twins: Callable, device: str, dtype: torch.dtype, *, compiled: bool = False
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    module, batch = twins(device)
    assert any(value.layout == torch.sparse_csr for value in batch.values())
    module.to(dtype)
    with fused(compiled):
        _, _, output = module(batch)
        output.loss.backward()
    losses = {name: float(loss.detach().mean()) for name, loss in output.reconstruction_loss.items()}
    gradients = {name: p.grad.double().cpu().numpy() for name, p in module.named_parameters() if p.grad is not None}
    module.to(torch.float32)
    return losses, gradients


@pytest.mark.parametrize("compiled", [False, True])
def test_losses_and_gradients_are_those_of_the_cpu_in_double_precision(twins: Callable, compiled: bool) -> None:
    losses, gradients = step(twins, "cpu", torch.float64)
    ours, our_gradients = step(twins, "cuda", torch.float32, compiled=compiled)
    assert ours == pytest.approx(losses, rel=RTOL)
    assert our_gradients.keys() == gradients.keys()
    # Biases that batch norm takes away again have none but rounding errors.
    largest = max(map(np.linalg.norm, gradients.values()))
    compared = [name for name, gradient in gradients.items() if np.linalg.norm(gradient) > 1e-6 * largest]
    assert len(compared) > len(gradients) / 2
    for name in compared:
        error = np.linalg.norm(our_gradients[name] - gradients[name])
        assert error < 1e-3 * np.linalg.norm(gradients[name]) + 1e-6 * largest, name


def pretraining(twins: Callable, device: str) -> tuple[float, float]:
    module, batch = twins(device)
    torch.manual_seed(0)
    critics = module.cpu().new_critics().to(device)
    module.to(device)
    names = list(module.directions)
    critic = critic_step(module, critics, batch, torch.optim.SGD(critics.parameters(), lr=0.01), directions=names)
    generator = generator_step(module, critics, batch, torch.optim.SGD(module.parameters(), lr=0.01), directions=names)
    return float(sum(critic.values())), float(sum(generator.values()))


def test_pretraining_losses_are_those_of_the_cpu(twins: Callable) -> None:
    assert pretraining(twins, "cuda") == pytest.approx(pretraining(twins, "cpu"), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("options", [{"precision": "bf16-mixed"}, {"plan_kwargs": {"compile": True}}])
def test_training_with_options(
    _simulated: MuData, make_model: Callable[..., SCMOG], options: dict[str, object]
) -> None:
    model = make_model(
        _simulated.copy(), directions=ALL, train={**ON_GPU, "max_epochs": 2, "n_epochs_pretrain": 1, **options}
    )
    for source, target in ALL:
        assert np.isfinite(generated(model, source, target)).all()


def test_three_networks_of_the_paper(_simulated: MuData, make_model: Callable[..., SCMOG]) -> None:
    model = make_model(
        _simulated.copy(), directions=ALL, preset="paper", train={**ON_GPU, "max_epochs": 2, "n_epochs_pretrain": 2}
    )
    assert np.isfinite(generated(model, "atac", "rna")).all()
