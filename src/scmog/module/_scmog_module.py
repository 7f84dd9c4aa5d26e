"""The scvi-tools module: representations and translators put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from scvi import REGISTRY_KEYS
from scvi.module.base import BaseModuleClass, LossOutput, auto_move_data
from torch import Tensor, nn

from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.module._config import ModuleConfig
from scmog.module._translator import Parameters, Translator
from scmog.nn import REPRESENTATIONS, BernoulliDecoder, Critic, Representation


class SCMOGModule(BaseModuleClass):
    """Translate between modalities of a cell (Lan et al. 2023, section 4).

    Parameters
    ----------
    n_features
        Number of features of each modality that takes part, by canonical name.
    directions
        Pairs of source and target.
    n_batch
        Number of batch categories; 0 for no covariate.
    config
        Sizes and choices; default the paper's.

    Attributes
    ----------
    representations
        By modality: statistics of the training cells, and the transforms into encoder inputs and targets.
    translators
        By direction name: encoder and decoder.
    """

    batch_proportions: Tensor

    def __init__(
        self,
        n_features: Mapping[str, int],
        directions: Sequence[Direction],
        *,
        n_batch: int = 0,
        config: ModuleConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config or ModuleConfig()
        self.directions = {direction_name(direction): direction for direction in directions}
        self.n_batch = n_batch
        used = dict.fromkeys(modality for direction in directions for modality in direction)
        self.representations = nn.ModuleDict({name: REPRESENTATIONS[name](n_features[name]) for name in used})
        self.translators = nn.ModuleDict(
            {
                name: Translator(
                    (source, target),
                    n_input=self.representation(source).n_input(self.config.input_style(source, target)),
                    n_output=n_features[target],
                    n_source=n_features[source],
                    config=self.config,
                    n_batch=n_batch,
                )
                for name, (source, target) in self.directions.items()
            }
        )
        # what "no batch given" means: the training cells' mix of batches
        self.register_buffer("batch_proportions", torch.full((n_batch,), 1 / max(n_batch, 1)))

    def representation(self, modality: str) -> Representation:
        """Statistics and transforms of a modality."""
        representation: Any = self.representations[modality]
        return representation  # type: ignore[no-any-return]

    def translator(self, name: str) -> Translator:
        """Translator of the direction called ``name``, e.g. ``"rna_to_atac"``."""
        translator: Any = self.translators[name]
        return translator  # type: ignore[no-any-return]

    def new_critics(self) -> nn.ModuleDict:
        """Fresh critics, one per direction.

        They live in the training plan, not here: they are needed in pre-training only, and one of them is larger than
        everything else together.
        """
        critics = nn.ModuleDict()
        for name, (_, target) in self.directions.items():
            critic = Critic(
                self.representation(target).n_features,
                n_hidden=self.config.critic_widths(target),
                xavier=self.config.xavier_critic,
            )
            critics[name] = critic
        return critics

    @property
    def median_total(self) -> float:
        """Library size to which RNA is normalised; 1 where no direction has RNA."""
        if "rna" not in self.representations:
            return 1.0
        median: Any = self.representations["rna"].median_total
        return float(median)

    def start_at_average(self) -> None:
        """Set the output biases to the training average where the configuration asks for it (in place)."""
        if self.config.output_bias == "average":
            for translator in map(self.translator, self.directions):
                translator.start_at(self.representation(translator.target).average)

    def batch_weights(self, codes: Tensor | None, n_cells: int) -> Tensor | None:
        """One-hot batch of each cell, ``(n_cells, n_batch)``; average where the batch is unknown."""
        if self.n_batch == 0:
            return None
        average = self.batch_proportions.expand(n_cells, -1)
        if codes is None:
            return average
        codes = codes.flatten().to(average.device)
        one_hot = nn.functional.one_hot(codes.clamp_min(0), self.n_batch).to(average.dtype)
        # a batch without training cells has weights that nothing has trained: average, too
        known = (codes >= 0) & (self.batch_proportions[codes.clamp_min(0)] > 0)
        return torch.where(known.unsqueeze(1), one_hot, average)

    # ------------------------------------------------------------------ scvi-tools' three steps
    def _get_inference_input(self, tensors: dict[str, Tensor], **_: Any) -> dict[str, Any]:
        # scvi's training plan passes `full_forward_pass`, which has no meaning here
        counts = {
            modality: tensors[MODALITIES[modality].registry_key]
            for modality in self.representations
            if tensors.get(MODALITIES[modality].registry_key) is not None
        }
        return {"counts": counts}

    @auto_move_data
    def inference(
        self, counts: dict[str, Tensor], directions: Sequence[str] | None = None, missing: Tensor | None = None
    ) -> dict[str, dict[str, Tensor]]:
        """Encode.

        Parameters
        ----------
        counts
            Raw counts by modality, each ``(n_cells, n_features)``, dense or CSR.
        directions
            Names of the directions to run; default all whose source is there.
        missing
            Boolean ``(n_features,)`` of the only source: features that were not measured.

        Returns
        -------
        ``{"z": {direction name: (n_members, n_cells, n_latent)}}``.
        """
        latents = {}
        for name, (source, _) in self.directions.items():
            if source in counts and (directions is None or name in directions):
                translator = self.translator(name)
                x = self.representation(source).encoder_input(counts[source], translator.input_style, missing)
                latents[name] = translator.encode(x)  # (n_members, n_cells, n_latent)
        return {"z": latents}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        return {"z": inference_outputs["z"], "batch_codes": tensors.get(REGISTRY_KEYS.BATCH_KEY)}

    @auto_move_data
    def generative(self, z: dict[str, Tensor], batch_codes: Tensor | None = None) -> dict[str, dict[str, list[Tensor]]]:
        """Decode up to the last hidden layer: ``{"hidden": {direction name: [(n_cells, n_trunk) of each member]}}``."""
        hidden = {
            name: self.translator(name).decode(latent, self.batch_weights(batch_codes, latent.shape[1]))
            for name, latent in z.items()
        }
        return {"hidden": hidden}

    def loss(
        self,
        tensors: dict[str, Tensor],
        inference_outputs: dict[str, Any],
        generative_outputs: dict[str, dict[str, list[Tensor]]],
    ) -> LossOutput:
        """Focal, negative binomial or squared-error loss of each direction; the total is their sum over directions."""
        del inference_outputs
        per_cell = {
            name: self.translator(name).loss(hidden, self.measured(name, tensors), self._exposure(name, tensors))
            for name, hidden in generative_outputs["hidden"].items()
        }  # each (n_cells,)
        total = torch.stack([loss.mean() for loss in per_cell.values()]).sum()
        return LossOutput(loss=total, reconstruction_loss=per_cell)

    def parameters_of(self, name: str, tensors: dict[str, Tensor], missing: Tensor | None = None) -> list[Parameters]:
        """Parameters of the likelihood of a direction from each member, for a mini-batch."""
        latent = self.inference(**self._get_inference_input(tensors), directions=[name], missing=missing)
        hidden = self.generative(**self._get_generative_input(tensors, latent))["hidden"][name]
        return self.translator(name).parameters_at(hidden)

    # ------------------------------------------------------------------ what training and generation need
    def measured(self, name: str, tensors: dict[str, Tensor]) -> Tensor:
        """The measured target of a direction in its representation, ``(n_cells, n_features)``, dense or CSR."""
        target = self.directions[name][1]
        return self.representation(target).target(tensors[MODALITIES[target].registry_key])

    def _exposure(self, name: str, tensors: dict[str, Tensor]) -> Tensor | None:
        target = self.directions[name][1]
        if self.config.rna_likelihood == "normalised":
            return None
        return self.representation(target).exposure(tensors[MODALITIES[target].registry_key])

    def generated(self, name: str, tensors: dict[str, Tensor]) -> Tensor:
        """The generated target of a direction as its critic sees it, ``(n_members * n_cells, n_features)``."""
        expected = self.translator(name).decoder.expected
        return torch.cat([expected(of_member) for of_member in self.parameters_of(name, tensors)])

    @torch.inference_mode()
    def sample(
        self,
        tensors: dict[str, Tensor],
        name: str,
        *,
        missing: Tensor | None = None,
        score: str = "probability",
    ) -> Tensor:
        """Generated profiles in the unit that users get, ``(n_cells, n_features)``.

        Parameters
        ----------
        tensors
            Mini-batch with at least the source of the direction.
        name
            Direction.
        missing
            See :meth:`inference`.
        score
            For ATAC: ``"logit"`` or ``"probability"`` of the calibrated probability, or ``"raw"``, the sigmoid that the
            focal loss trained. For RNA ``"log1p"`` returns the expected log1p of counts, anything else the expected
            counts. Proteins have one output only.
        """
        translator = self.translator(name)
        decoder, of_members = translator.decoder, self.parameters_of(name, tensors, missing)
        if not isinstance(decoder, BernoulliDecoder):
            (expected,) = translator.average([(decoder.expected(parameters),) for parameters in of_members])
            return translator.expected_log1p(expected) if score == "log1p" else expected
        (logit,) = translator.average(of_members)
        if score == "raw":
            return decoder.expected((logit,))
        shift = self.depth_shift(name, logit, tensors, missing)
        logit = translator.calibrated_logit(logit.add_(translator.logit_move), shift)
        return logit if score == "logit" else torch.sigmoid(logit)

    def depth_covariates(
        self, name: str, logit: Tensor, tensors: dict[str, Tensor], missing: Tensor | None = None
    ) -> Tensor:
        """Covariates of the depth shift of a direction, ``(n_cells, 3 + n_batch)``, for its members' mean ``logit``."""
        shift: Any = self.translator(name).depth_shift
        counts = tensors[MODALITIES[self.directions[name][0]].registry_key].to(logit.device)
        batch = self.batch_weights(tensors.get(REGISTRY_KEYS.BATCH_KEY), len(logit))
        covariates: Tensor = shift.covariates(logit.mean(dim=1), counts, batch, missing)
        return covariates

    def depth_shift(
        self, name: str, logit: Tensor, tensors: dict[str, Tensor], missing: Tensor | None = None
    ) -> Tensor | None:
        """Shift of the cells' calibrated logits, ``(n_cells, 1)``; None for a direction without one."""
        shift = self.translator(name).depth_shift
        return None if shift is None else shift(self.depth_covariates(name, logit, tensors, missing))

    @torch.inference_mode()
    def sample_above(
        self,
        tensors: dict[str, Tensor],
        name: str,
        *,
        cut: float,
        missing: Tensor | None = None,
        score: str = "probability",
    ) -> tuple[Tensor, Tensor]:
        """Entries of :meth:`sample` that are above ``cut``, for an on/off target.

        Within a cell scores rise with the logit, so only those of the entries whose logit is high enough are computed.

        Parameters
        ----------
        tensors, name, missing
            As in :meth:`sample`.
        cut
            Scores above it are returned, and so are those that are not a number.
        score
            ``"probability"`` or ``"raw"``.

        Returns
        -------
        Positions in the flattened ``(n_cells, n_features)``, rising, and scores, both ``(n_entries,)``.
        """
        translator = self.translator(name)
        logit = translator.average(self.parameters_of(name, tensors, missing))[0]
        shift = None if score == "raw" else self.depth_shift(name, logit, tensors, missing)
        if score != "raw":
            logit.add_(translator.logit_move)
        under = translator.logit_under(cut, score, shift).to(logit.device)
        may_exceed = (logit <= under).logical_not_()  # not `>`: what is not a number is to be seen
        positions = may_exceed.flatten().nonzero().squeeze(1)
        candidates = logit.flatten()[positions]
        if score != "raw":
            of_cell = None if shift is None else shift.flatten().repeat_interleave(may_exceed.sum(dim=1))
            candidates = translator.calibrated_logit(candidates, of_cell)
        scores = torch.sigmoid(candidates)
        kept = (scores <= cut).logical_not_()
        return positions[kept], scores[kept]
