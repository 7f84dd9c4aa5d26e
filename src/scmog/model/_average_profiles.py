"""What the average generated profile says after training: it should be what was measured in the same cells."""

from __future__ import annotations

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


def fit_log_scales(module: SCMOGModule, manager: PartialMuDataManager, train: np.ndarray, batch_size: int) -> None:
    """Fit the factor of each gene that makes log1p of its expected counts the expected log1p, in place.

    The logarithm of a mean is more than the mean of logarithms (Jensen's inequality), by how much depends on the noise
    of a gene: on the training cells both are to have the same average. A gene without counts there becomes 0.
    """
    for name, (_, target) in module.directions.items():
        if MODALITIES[target].log_scaled:
            scale = module.translator(name).log_scale.fill_(1.0)
            (measured, generated), _ = _sums(module, manager, name, train, batch_size, score="log1p")
            scale.copy_(measured / generated.clamp_min(1e-12))


def _sums(
    module: SCMOGModule, manager: PartialMuDataManager, name: str, cells: np.ndarray, batch_size: int, *, score: str
) -> tuple[Sums, int]:
    """Sums of what was measured and of what is generated over the cells, or a part of many, and their number."""
    module.eval()
    representation: Any = module.representation(module.directions[name][1])
    cells = spread(cells, MAX_GENERATED_ENTRIES // representation.n_features)
    sums = Sums(*torch.zeros(2, representation.n_features, dtype=torch.float64))
    for tensors in ordered_loader(manager, cells, batch_size, batch_keys(manager, module.directions[name])):
        tensors = {key: values.to(module.device) for key, values in tensors.items()}
        measured = module.measured(name, tensors)
        if score == "log1p":
            measured = map_values(measured, torch.log1p)
        sums.measured.add_(column_sums(measured).flatten().cpu())
        sums.generated.add_(module.sample(tensors, name, score=score).sum(dim=0).cpu())
    return sums, len(cells)
