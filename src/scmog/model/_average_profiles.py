"""What the average generated profile says after training: it should be what was measured in the same cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from scmog._modalities import MODALITIES
from scmog.data import PartialMuDataManager
from scmog.model._fitting import MAX_GENERATED_ENTRIES, spread
from scmog.model._query import batch_keys, ordered_loader
from scmog.module import SCMOGModule
from scmog.nn import column_sums, map_values, shrunken_ratios

_PENALTY_CELLS = 10  # whose worth holds a slope at 1


class Sums(NamedTuple):
    """Of each feature over the same cells, ``(n_features,)``, in double precision."""

    measured: Tensor
    generated: Tensor


def fit_averages(
    module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, validation: np.ndarray, batch_size: int
) -> None:
    """Bring the average probability of each on/off feature closer to how often it is measured, in place.

    By as much as the validation cells bear out, see :func:`scmog.nn.shrunken_ratios`; without them nothing is moved.
    After recalibration, whose slope moves all averages.
    """
    for name, (_, target) in module.directions.items():
        if not MODALITIES[target].binary or not len(validation):
            continue
        translator = module.translator(name)
        translator.logit_move.zero_()
        (of_train, n_train), (of_validation, _) = (
            _sums(module, manager, name, cells, batch_size, score="probability") for cells in (train, validation)
        )
        average = of_train.generated / n_train
        translator.move_average(average, average * shrunken_ratios(*of_train, *of_validation))


def fit_log_scales(
    module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, validation: np.ndarray, batch_size: int
) -> None:
    """Fit the line of each gene that makes log1p of its expected counts the expected log1p, in place.

    The logarithm of a mean is more than the mean of logarithms (Jensen's inequality), by how much depends on the noise
    of a gene: on the training cells both are to have the same average. A gene without counts there becomes 0. How far
    cells are from that average is another matter: of sparse counts logarithms say too little, and an over-fitted
    network too much. The validation cells say how much, one number for all genes; without them it is 1.
    """
    for name, (_, target) in module.directions.items():
        if not MODALITIES[target].log_scaled:
            continue
        translator = module.translator(name)
        translator.set_log_scale(torch.ones_like(translator.log_scale))
        (measured, generated), n_train = _sums(module, manager, name, train, batch_size, score="log1p")
        scale, average = measured / generated.clamp_min(1e-12), measured / n_train
        translator.set_log_scale(scale)
        if len(validation):
            slope = _slope_of_deviations(module, manager, name, validation, batch_size, average)
            translator.set_log_scale(scale, average, slope)


def _slope_of_deviations(
    module: SCMOGModule,
    manager: PartialMuDataManager,
    name: str,
    cells: np.ndarray,
    batch_size: int,
    average: Tensor,
) -> float:
    """Least-squares slope of measured on generated deviations of log1p from the average, over cells and genes.

    A penalty worth ten cells holds it at 1. So does a slope below 0, with which more would become less.
    """
    products, squares, n_cells = 0.0, 0.0, 0
    for measured, generated in _blocks(module, manager, name, cells, batch_size, score="log1p"):
        centre = average.to(generated)
        deviation = generated - centre
        products += float((deviation * (measured.to_dense() - centre)).sum())
        squares += float(deviation.square().sum())
        n_cells += len(generated)
    penalty = _PENALTY_CELLS * squares / max(n_cells, 1)
    slope = (products + penalty) / max(squares + penalty, 1e-12)
    return slope if slope > 0 else 1.0


def _sums(
    module: SCMOGModule, manager: PartialMuDataManager, name: str, cells: np.ndarray, batch_size: int, *, score: str
) -> tuple[Sums, int]:
    """Sums of what was measured and of what is generated over the cells, or a part of many, and their number."""
    n_features = module.representation(module.directions[name][1]).n_features
    sums, n_cells = Sums(*torch.zeros(2, n_features, dtype=torch.float64)), 0
    for measured, generated in _blocks(module, manager, name, cells, batch_size, score=score):
        sums.measured.add_(column_sums(measured).cpu())
        sums.generated.add_(generated.sum(dim=0).cpu())
        n_cells += len(generated)
    return sums, n_cells


def _blocks(
    module: SCMOGModule, manager: PartialMuDataManager, name: str, cells: np.ndarray, batch_size: int, *, score: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """What was measured, dense or CSR, and what is generated, of the cells or of a part of many, block by block."""
    module.eval()
    representation: Any = module.representation(module.directions[name][1])
    cells = spread(cells, MAX_GENERATED_ENTRIES // representation.n_features)
    for tensors in ordered_loader(manager, cells, batch_size, batch_keys(manager, module.directions[name])):
        tensors = {key: values.to(module.device) for key, values in tensors.items()}
        measured = module.measured(name, tensors)
        if score == "log1p":
            measured = map_values(measured, torch.log1p)
        yield measured, module.sample(tensors, name, score=score)
