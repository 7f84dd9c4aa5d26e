"""What is fitted on training or validation cells beside the weights, before the epochs or after them."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scvi import REGISTRY_KEYS

from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.data import PartialMuDataManager, Split
from scmog.metrics import PrincipalComponents
from scmog.model._baselines import MAX_VALIDATION_ENTRIES, Baselines, TrainingCells, some_cells
from scmog.model._density import density_cut
from scmog.model._query import batch_keys, ordered_loader
from scmog.model._source_space import SourceSpace
from scmog.module import SCMOGModule
from scmog.nn import entries, stacking_weights, to_scipy

logger = logging.getLogger(__name__)

_RECALIBRATION_ENTRIES = 1 << 25  # held in memory at once
MAX_GENERATED_ENTRIES = 1 << 30  # generated one block after the other: 10,000 cells of 100,000 peaks


def _passes(
    manager: PartialMuDataManager, modality: str, indices: np.ndarray, batch_size: int
) -> Callable[[], Iterable[torch.Tensor]]:
    key = MODALITIES[modality].registry_key
    loader = ordered_loader(manager, np.sort(indices), batch_size, [key])
    return lambda: (tensors[key] for tensors in loader)


def spread(cells: np.ndarray, most: int) -> np.ndarray:
    """Ascending indices of the cells, or of about ``most`` of them (at least two) at equal distances."""
    return np.sort(cells)[:: max(1, math.ceil(len(cells) / max(2, most)))]


def fit_inputs(module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, batch_size: int) -> None:
    """Fit the input statistics (and the mix of batches) of the module on the training cells, in place."""
    for modality, representation in module.representations.items():
        representation.fit(_passes(manager, modality, train, batch_size))  # type: ignore[operator]
    if module.n_batch:
        codes = np.asarray(manager.get_from_registry(REGISTRY_KEYS.BATCH_KEY)).ravel()[train]
        known = codes[codes >= 0]  # other data, with batches that the model does not know, say nothing of its own
        shares = np.bincount(known, minlength=module.n_batch) / max(1, len(known))
        if len(known):
            module.batch_proportions.copy_(torch.as_tensor(shares))
        if (shares == 0).any():
            logger.warning(
                "%d batch(es) have no training cell: their cells are treated as of the average batch.",
                int((shares == 0).sum()),
            )


def fit_components(module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, batch_size: int) -> None:
    """Find the principal components that some members see instead of features, on the training cells, in place.

    Of many cells a part is enough. Weights are trained on them, so they are never fitted anew.
    """
    alike: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)  # by what components depend on
    for name, (source, _) in module.directions.items():
        translator = module.translator(name)
        of_members = [translator.member(i).encoder.components for i in range(len(translator.members))]
        alike[source, translator.input_style] += [(name, layer) for layer in of_members if layer is not None]
    for layers in filter(None, alike.values()):
        name, most = layers[0][0], max(layer.n_components for _, layer in layers)
        axes = _components(module, manager, name, train, batch_size, most)
        for _, layer in layers:
            layer.set_axes(*axes)  # the first of them


def _components(
    module: SCMOGModule,
    manager: PartialMuDataManager,
    name: str,
    train: np.ndarray,
    batch_size: int,
    n_components: int,
) -> list[torch.Tensor]:
    """Principal axes of the encoder's input of a direction, its mean from the centre, and the scores' deviations."""
    source = module.directions[name][0]
    representation, style = module.representation(source), module.translator(name).input_style
    cells = some_cells(train, manager.get_from_registry(MODALITIES[source].registry_key))
    device, blocks, centre = representation.average.device, [], None
    for counts in _passes(manager, source, cells, batch_size)():
        values, centre = representation.encoder_input(counts.to(device), style)  # the centre is the same for all
        blocks.append(to_scipy(values))
    x = sparse.vstack(blocks, format="csr")
    components = PrincipalComponents(n_components).fit(x)
    state, sd = components.state(), components.transform(x).std(axis=0)
    mean = state["source_mean"] if centre is None else state["source_mean"] - centre.cpu().numpy()
    return [torch.as_tensor(array) for array in (state["components"], mean, sd)]


def fit_member_weights(
    module: SCMOGModule, manager: PartialMuDataManager, validation: np.ndarray, batch_size: int
) -> None:
    """Fit how much each member counts where the loss is the squared error, on the validation cells, in place.

    Whether members that see components or those that see features are nearer to the truth depends on the data. Every
    feature says as much as any other, whatever its variance. Other targets' members count alike, and so do all without
    validation cells: averages of logits, or of means of counts, are not judged by their squared error.
    """
    module.eval()
    for name, (source, target) in module.directions.items():
        translator: Any = module.translator(name)
        weights = translator.member_weights
        weights.fill_(1 / len(weights))
        if MODALITIES[target].likelihood != "gaussian" or len(weights) == 1 or not len(validation):
            continue
        loader = ordered_loader(manager, np.sort(validation), batch_size, batch_keys(manager, [source, target]))
        products = torch.stack([_products_of_errors(module, name, tensors) for tensors in loader]).sum(dim=0)
        weights.copy_(stacking_weights(products, len(validation)))


@torch.inference_mode()
def _products_of_errors(module: SCMOGModule, name: str, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sums over cells and features of the products of each two members' errors, ``(n_members, n_members)``."""
    translator: Any = module.translator(name)
    representation: Any = module.representation(module.directions[name][1])
    expected = translator.decoder.expected
    generated = torch.stack([expected(of_member) for of_member in module.parameters_of(name, tensors)])
    errors = generated - module.measured(name, tensors).to(generated.device)  # (n_members, n_cells, n_features)
    varies = representation.sd > 0
    errors = (errors[..., varies] / representation.sd[varies]).flatten(start_dim=1).double()
    return errors @ errors.T


def fit_recalibration(
    module: SCMOGModule, manager: PartialMuDataManager, validation: np.ndarray, batch_size: int
) -> None:
    """Fit, for each on/off target, what the closed form leaves of calibration on the validation cells, in place.

    First the shift of each cell by its depth, then two numbers for all; of many cells or features a part is enough.
    Without validation cells there is neither.
    """
    module.eval()
    for name, (source, target) in module.directions.items():
        if not MODALITIES[target].binary:
            continue
        translator: Any = module.translator(name)
        recalibration, shift = translator.recalibration, translator.depth_shift
        translator.forget_calibration()
        cells = spread(validation, _RECALIBRATION_ENTRIES // module.representation(target).n_features)
        if not len(cells):
            if shift is not None:
                _warn_of_batch(module, name, "without validation cells")
            continue
        loader = ordered_loader(manager, cells, batch_size, batch_keys(manager, [source]))
        blocks = [_calibrated_block(module, name, tensors) for tensors in loader]
        logits = torch.cat([logit for logit, _ in blocks])
        passes = _passes(manager, target, cells, batch_size)
        target_of = module.representation(target).target
        measured = torch.cat([target_of(counts).to_dense() > 0 for counts in passes()]).cpu()
        if shift is not None:
            covariates = torch.cat([covariate for _, covariate in blocks if covariate is not None])
            shift.fit_shares(_passes(manager, source, cells, batch_size)())
            if not shift.fit(covariates, measured.sum(dim=1), torch.sigmoid(logits)):
                _warn_of_batch(module, name, f"with {len(cells)} validation cells")
            logits += shift(covariates).cpu()
        if not recalibration.fit(logits, measured):
            if shift is not None:
                shift.reset()
            logger.warning(
                "%s: on the validation cells peaks with a higher score are open less often; its probabilities should "
                "not be used.",
                name,
            )


def _warn_of_batch(module: SCMOGModule, name: str, why: str) -> None:
    """Log that a direction does not know the batch: only the shift by depth is told it."""
    if module.n_batch:
        logger.warning("%s: %s there is no correction for depth, and the batch has no effect.", name, why)


@torch.inference_mode()
def _calibrated_block(
    module: SCMOGModule, name: str, tensors: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Calibrated logits, and covariates of the depth shift where there is one, of a mini-batch."""
    translator = module.translator(name)
    logit = translator.average(module.parameters_of(name, tensors))[0]
    covariates = None if translator.depth_shift is None else module.depth_covariates(name, logit, tensors)
    return translator.calibrated_logit(logit).cpu(), covariates


def fit_open_cuts(module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, batch_size: int) -> None:
    """Fix, for each on/off target, the cut at which training cells have as many open features as measured, in place.

    Of many cells a part is enough: it is one number, and generating them all takes long.
    """
    module.eval()
    for name, (source, target) in module.directions.items():
        if not MODALITIES[target].binary:
            continue
        cells = spread(train, MAX_GENERATED_ENTRIES // module.representation(target).n_features)
        loader = ordered_loader(manager, cells, batch_size, batch_keys(manager, [source]))
        n_open = sum(len(entries(counts)[0]) for counts in _passes(manager, target, cells, batch_size)())
        logits = (module.sample(tensors, name, score="logit") for tensors in loader)
        module.translator(name).open_cut.fill_(density_cut(logits, n_open))


def fit_baselines(
    manager: PartialMuDataManager, directions: Iterable[Direction], split: Split, median_total: float
) -> dict[str, dict[str, Any]]:
    """Fit the baselines of each direction on the training cells; their states by direction name."""
    spaces: dict[str, SourceSpace] = {}
    states = {}
    for source, target in directions:
        x, y = (manager.get_from_registry(MODALITIES[modality].registry_key) for modality in (source, target))
        chosen = [some_cells(split.train, x, y), some_cells(split.validation, x, y, max_entries=MAX_VALIDATION_ENTRIES)]
        parts = [TrainingCells(source=x[cells], target=y[cells]) for cells in chosen if len(cells)]
        if source not in spaces:  # its decomposition takes most of the time
            spaces[source] = SourceSpace(source, median_total).fit(parts[0].source)
        states[direction_name((source, target))] = Baselines(spaces[source], target).fit(*parts).state()
    return states
