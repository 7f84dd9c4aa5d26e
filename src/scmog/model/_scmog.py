"""The model that users see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mudata import MuData

from scmog._modalities import MODALITIES
from scmog.data import resolve_directions
from scmog.model._evaluation_mixin import EvaluationMixin
from scmog.model._generation_mixin import GenerationMixin
from scmog.model._presets import find_preset
from scmog.model._training_mixin import TrainingMixin
from scmog.model._training_set import DEFAULT_SEED
from scmog.train import seeded


class SCMOG(TrainingMixin, GenerationMixin, EvaluationMixin):
    """Generate the missing modality of single cells (scMOG, Lan et al. 2023).

    Learns on cells in which two or more modalities were measured together to translate between them: RNA to ATAC, ATAC
    to RNA, RNA to protein, or any other pair of registered modalities. Each direction has an encoder and a decoder of
    its own, pre-trained against a Wasserstein critic and then trained with the focal (ATAC), negative binomial (RNA) or
    mean squared error (protein) loss.

    Parameters
    ----------
    adata
        MuData that was registered with :meth:`setup_mudata`.
    directions
        Pairs of source and target, by canonical name (``"rna"``, ``"atac"``, ``"protein"``). Default: those of the
        paper that the registered modalities allow.
    preset
        ``"default"``, the best recipe that we found; ``"paper"``, the settings that the paper states; ``"authors"``,
        the authors' code where it differs. The user guide has a table of all three.
    registry
        Registry of a saved model; set by :meth:`load`.
    **module_kwargs
        Single settings of :class:`scmog.module.ModuleConfig` that differ from the preset, e.g. ``n_latent=32``.

    Raises
    ------
    ValueError
        If no direction is possible, or a direction, preset or setting has an unknown value.
    TypeError
        If a setting is unknown.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=300, n_genes=50, n_peaks=100)
    >>> scmog.model.SCMOG.setup_mudata(mdata)
    >>> model = scmog.model.SCMOG(mdata)
    >>> model.train(max_epochs=2)  # doctest: +SKIP
    >>> model.generate(mdata)  # doctest: +SKIP
    """

    def __init__(
        self,
        adata: MuData | None = None,
        *,
        directions: Sequence[Sequence[str]] | None = None,
        preset: str = "default",
        registry: dict[str, Any] | None = None,
        **module_kwargs: Any,
    ) -> None:
        # The first parameter must be called `adata`: scvi-tools leaves only that name out of the saved arguments.
        super().__init__(adata, registry)
        self.preset_name = preset
        self._preset = find_preset(preset)
        self._module_config = self._preset.module_config(module_kwargs)
        self.directions = resolve_directions(directions, list(self.training_registry.names))
        with seeded(DEFAULT_SEED):  # weights are drawn anew by the first train(); this only leaves random states alone
            self.module = self._new_module()
        self._model_summary_string = self._summary()
        self.seed_: int | None = None
        self.model_id_: str | None = None
        self.baselines_: dict[str, Any] = {}
        self.init_params_ = self._get_init_params(locals())

    def _summary(self) -> str:
        registry = self.training_registry
        sizes = ", ".join(f"{len(n):,} {MODALITIES[modality].features}" for modality, n in registry.var_names.items())
        arrows = ", ".join(f"{source} -> {target}" for source, target in self.directions)
        batches = f", {len(registry.batches)} batches" if registry.batches else ""
        return f"SCMOG model: {arrows}; {sizes}{batches}; preset {self.preset_name!r}"

    def __repr__(self) -> str:
        state = f"trained; seed {self.seed_}" if self.is_trained_ else "not trained"
        return f"{self._summary()}; {state}"
