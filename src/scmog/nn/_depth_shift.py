"""How deeply the target of a cell is sequenced, from what is known of the cell: learned on validation cells.

Depth moves all features of a cell alike, so a network learns it from one number per cell, of which there are few, and
remembers those of its training cells. Cells that it has not trained on tell what is true of others.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor, nn

from scmog.nn._rows import column_sums, map_values, row_sums

_PENALTIES = tuple(10.0**exponent for exponent in range(-1, 6))  # the largest leaves next to nothing
_FEWEST_CELLS = 10
_CELLS_OF_PRIOR = 20  # what no shift at all is worth: few cells find effects that other cells do not have
_N_COVARIATES = 3  # apart from the batches


class DepthShift(nn.Module):
    """A number per cell that is added to all logits of an on/off target.

    A ridge regression on validation cells, its penalty chosen by leaving one out, of the shift that would open as many
    features as measured. What :math:`n` cells say of it is believed by :math:`n / (n + 20)`. Covariates of a cell: the
    mean of its logits, the logarithms of its total and of the number of features detected in its source, and its batch.
    Outside of the range of the validation cells, the nearest value in it is taken.

    Parameters
    ----------
    n_features
        Number of features of the source.
    n_batch
        Number of batch categories; 0 for none.

    Attributes
    ----------
    weight, intercept
        Of the standardised covariates, ``(3 + n_batch,)``, and scalar; 0 until :meth:`fit`.
    """

    weight: Tensor
    intercept: Tensor
    mean: Tensor
    sd: Tensor
    low: Tensor
    high: Tensor
    share_of_total: Tensor
    share_of_detected: Tensor

    def __init__(self, n_features: int, n_batch: int = 0) -> None:
        super().__init__()
        n_covariates = _N_COVARIATES + n_batch
        for name, value in {
            "weight": torch.zeros(n_covariates),
            "intercept": torch.zeros(()),
            "mean": torch.zeros(n_covariates),
            "sd": torch.ones(n_covariates),
            "low": torch.zeros(n_covariates),
            "high": torch.zeros(n_covariates),
            "share_of_total": torch.full((n_features,), 1 / n_features),
            "share_of_detected": torch.full((n_features,), 1 / n_features),
        }.items():
            self.register_buffer(name, value)

    def covariates(
        self, mean_logit: Tensor, counts: Tensor, batch: Tensor | None = None, missing: Tensor | None = None
    ) -> Tensor:
        """What the shift depends on, ``(n_cells, 3 + n_batch)``.

        Parameters
        ----------
        mean_logit
            Mean of a cell's logits, ``(n_cells,)``.
        counts
            Raw counts of the source, ``(n_cells, n_features)``, dense or CSR.
        batch
            One-hot (or average) batch, ``(n_cells, n_batch)``.
        missing
            Boolean ``(n_features,)``: features that the query has not measured. Totals are scaled up to what they would
            be with them, by their shares in the validation cells.
        """
        total, detected = row_sums(counts), row_sums(_detected(counts))  # each (n_cells, 1)
        if missing is not None:
            total = total / self.share_of_total[~missing].sum().clamp_min(1e-12)
            detected = detected / self.share_of_detected[~missing].sum().clamp_min(1e-12)
        columns = [mean_logit.unsqueeze(1), torch.log1p(total), torch.log1p(detected)]
        return torch.cat(columns if batch is None else [*columns, batch], dim=1).to(self.weight.dtype)

    def forward(self, covariates: Tensor) -> Tensor:
        """Shift of each cell, ``(n_cells, 1)``, for its :meth:`covariates`; average for a cell without counts."""
        standardised = (covariates.clamp(self.low, self.high) - self.mean) / self.sd
        standardised = torch.where(_has_counts(covariates).unsqueeze(1), standardised, 0)
        return (standardised @ self.weight + self.intercept).unsqueeze(1)

    def reset(self) -> None:
        """Forget what was fitted, in place."""
        self.weight.zero_()
        self.intercept.zero_()

    @torch.no_grad()
    def fit_shares(self, batches: Iterable[Tensor]) -> None:
        """Fit how much each feature adds to the total and the number of detected features of a cell, in place.

        ``batches`` are raw counts of the source, each ``(n_cells, n_features)``, dense or CSR.
        """
        sums = torch.zeros(2, len(self.share_of_total), dtype=torch.float64)
        for counts in batches:
            sums += torch.stack([column_sums(counts), column_sums(_detected(counts))]).double().cpu()
        shares = sums / sums.sum(dim=1, keepdim=True).clamp_min(1e-12)
        self.share_of_total.copy_(shares[0])
        self.share_of_detected.copy_(shares[1])

    @torch.no_grad()
    def fit(self, covariates: Tensor, n_open: Tensor, probability: Tensor) -> bool:
        """Fit on cells that were not trained on, in place; those without counts in source or target are left out.

        Parameters
        ----------
        covariates
            Their :meth:`covariates`.
        n_open
            Number of measured open features of the target, ``(n_cells,)``.
        probability
            Probabilities without a shift, ``(n_cells, n_target)``.

        Returns
        -------
        Whether there were enough cells, 10 or more. With fewer nothing is shifted.
        """
        self.reset()
        n_open = n_open.to(covariates.device)
        kept = _has_counts(covariates) & (n_open > 0)
        covariates, wanted = covariates[kept], wanted_shift(n_open, probability.to(covariates.device))[kept]
        if len(covariates) < _FEWEST_CELLS:
            return False
        self.low, self.high = covariates.min(dim=0).values, covariates.max(dim=0).values
        self.mean, sd = covariates.mean(dim=0), covariates.std(dim=0)
        self.sd = torch.where(sd > 0, sd, torch.ones_like(sd))
        standardised = ((covariates - self.mean) / self.sd).double().cpu().numpy()
        ridge = RidgeCV(_PENALTIES).fit(standardised, wanted.double().cpu().numpy())
        believed = len(covariates) / (len(covariates) + _CELLS_OF_PRIOR)
        self.weight.copy_(torch.as_tensor(believed * ridge.coef_))
        self.intercept.fill_(believed * float(ridge.intercept_))
        return True


def wanted_shift(n_open: Tensor, probability: Tensor) -> Tensor:
    """About the shift of a cell's logits, ``(n_cells,)``, at which its probabilities add up to ``n_open``.

    One step of Newton's method on the logarithm of their sum, with half a feature more on both sides, since none has no
    logarithm.
    """
    expected = probability.sum(dim=1)
    slope = (probability * (1 - probability)).sum(dim=1) / expected.clamp_min(1e-12)
    return torch.log((n_open + 0.5) / (expected + 0.5)) / slope.clamp_min(1e-3)


def _has_counts(covariates: Tensor) -> Tensor:
    """Whether a cell has counts in its source, ``(n_cells,)``, from the logarithm of one more than its total."""
    return covariates[:, 1] > 0


def _detected(counts: Tensor) -> Tensor:
    return map_values(counts, lambda values: (values > 0).to(torch.float32))
