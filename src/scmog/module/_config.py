"""Sizes and choices of the networks. The defaults are the paper's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from numbers import Integral
from typing import Any, Literal

from scmog._modalities import MODALITIES


@dataclass(frozen=True, kw_only=True)
class ModuleConfig:
    """Architecture of :class:`scmog.module.SCMOGModule`; the defaults are the paper's (section 4).

    Attributes
    ----------
    n_latent
        Latent dimensions.
    n_members
        Networks per direction whose outputs are averaged; the paper has one.
    n_components_rna
        What each member from RNA sees: this many principal components of the encoder's input, found in the training
        cells, or, with 0, the genes themselves. Further members begin again with the first number; one number holds for
        all.
    n_components_rna_for_protein
        The same where protein is the target; None means the same numbers.
    n_hidden_rna, n_hidden_atac, n_hidden_protein
        Widths of a modality's encoder; its decoder has them reversed.
    n_hidden_rna_decoder, n_hidden_atac_decoder, n_hidden_protein_decoder
        Widths of a modality's decoder, from the latent space outwards, where they are to differ: None mirrors the
        encoder, ``()`` puts the output layer on the latent space.
    n_hidden_critic, n_hidden_critic_protein
        Widths of the critic of RNA and ATAC, and of protein.
    dropout_rate, dropout_rate_by_target
        Dropout after each hidden layer of encoder and decoder: in general, and rates that hold for one target only,
        e.g. ``{"rna": 0.3}``.
    input_dropout_rate
        Share of the encoder's non-zero inputs that are set to their average at random in training; to zero where the
        input is not centred (``"counts"``, ``"binary"``, ``"clr"``).
    rna_input, rna_input_for_protein
        How RNA enters an encoder (``"counts"``, ``"log"``, ``"zscore"`` or ``"log_depth"``), in general and where
        protein is the target; None means the same.
    atac_input
        How ATAC enters: ``"binary"``, ``"centred"`` or ``"centred_depth"``.
    rna_likelihood
        Counts on which the negative binomial loss is taken: ``"normalised"`` to the median library size, or ``"raw"``,
        with the generated mean times the size factor of the cell.
    dispersion
        Whether the dispersion of the negative binomial belongs to a gene and a cell (``"gene-cell"``) or to a gene.
    protein_input
        How protein enters: ``"clr"`` or ``"zscore"``.
    focal_weight_open, focal_weight_closed, focal_gamma
        Weights and focusing parameter of the focal loss (equation 4).
    output_bias
        ``"constant"`` starts ATAC decoders at -2 as the paper does, ``"average"`` starts every decoder at the average
        profile of the training cells.
    shared_offset
        Whether ATAC decoders add one number per cell to all of its logits.
    depth_shift
        Whether, after training, the calibrated logits of an ATAC cell are moved by what its source tells about how
        deeply it is sequenced; learned on validation cells, see :class:`scmog.nn.DepthShift`. The batch, where there is
        one, then enters there instead of the decoder.
    xavier_critic
        Draw the critic's weights from Xavier's distribution (paper) instead of PyTorch's default (authors' code).
    """

    n_latent: int = 16
    n_members: int = 1
    n_components_rna: tuple[int, ...] = (0,)
    n_components_rna_for_protein: tuple[int, ...] | None = None
    n_hidden_rna: tuple[int, ...] = (256, 64)
    n_hidden_atac: tuple[int, ...] = (512, 64)
    n_hidden_protein: tuple[int, ...] = (64,)
    n_hidden_rna_decoder: tuple[int, ...] | None = None
    n_hidden_atac_decoder: tuple[int, ...] | None = None
    n_hidden_protein_decoder: tuple[int, ...] | None = None
    n_hidden_critic: tuple[int, ...] = (1024, 256, 64, 16)
    n_hidden_critic_protein: tuple[int, ...] = (256, 64)
    dropout_rate: float = 0.0
    dropout_rate_by_target: dict[str, float] = field(default_factory=dict)
    input_dropout_rate: float = 0.0
    rna_input: Literal["counts", "log", "zscore", "log_depth"] = "zscore"
    rna_input_for_protein: Literal["counts", "log", "zscore", "log_depth"] | None = None
    atac_input: Literal["binary", "centred", "centred_depth"] = "binary"
    rna_likelihood: Literal["normalised", "raw"] = "normalised"
    dispersion: Literal["gene-cell", "gene"] = "gene-cell"
    protein_input: Literal["clr", "zscore"] = "clr"
    focal_weight_open: float = 0.93
    focal_weight_closed: float = 0.07
    focal_gamma: float = 2.0
    output_bias: Literal["constant", "average"] = "constant"
    shared_offset: bool = False
    depth_shift: bool = False
    xavier_critic: bool = True

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self) if one.name.startswith("n_hidden")):
            of_decoder = name.endswith("_decoder")
            if of_decoder and getattr(self, name) is None:
                continue
            widths = tuple(getattr(self, name))
            object.__setattr__(self, name, widths)  # a list, as read from a file, is as good as a tuple
            if (not widths and not of_decoder) or any(width < 1 for width in widths):
                expected = "only positive widths" if of_decoder else "at least one positive width"
                message = f"{name} must hold {expected}, got {widths}."
                raise ValueError(message)
        for name in ("n_components_rna", "n_components_rna_for_protein"):
            self._set_components(name)
        check_at_least(self, 1, "n_latent", "n_members")
        check_at_least(self, 0, "focal_gamma")
        for name in ("dropout_rate", "input_dropout_rate"):
            if not 0 <= getattr(self, name) < 1:
                message = f"{name} must lie in [0, 1), got {getattr(self, name)}."
                raise ValueError(message)
        unfit = {
            key: rate for key, rate in self.dropout_rate_by_target.items() if key not in MODALITIES or not 0 <= rate < 1
        }
        if unfit:
            message = f"dropout_rate_by_target must give {list(MODALITIES)} rates in [0, 1), got {unfit}."
            raise ValueError(message)
        for name in ("focal_weight_open", "focal_weight_closed"):
            if not getattr(self, name) > 0:
                message = f"{name} must be positive, got {getattr(self, name)}."
                raise ValueError(message)
        check_choice(self, "output_bias", ("constant", "average"))
        check_choice(self, "rna_input", ("counts", "log", "zscore", "log_depth"))
        check_choice(self, "rna_input_for_protein", ("counts", "log", "zscore", "log_depth", None))
        check_choice(self, "atac_input", ("binary", "centred", "centred_depth"))
        check_choice(self, "rna_likelihood", ("normalised", "raw"))
        check_choice(self, "dispersion", ("gene-cell", "gene"))
        check_choice(self, "protein_input", ("clr", "zscore"))

    def _set_components(self, name: str) -> None:
        given = getattr(self, name)
        if given is None and name != "n_components_rna":
            return
        numbers = tuple(given) if isinstance(given, Iterable) else (given,)
        if not numbers or any(not isinstance(number, Integral) or number < 0 for number in numbers):
            message = f"{name} must hold at least one whole number, none below 0, got {given!r}."
            raise ValueError(message)
        object.__setattr__(self, name, tuple(map(int, numbers)))

    def n_hidden(self, modality: str) -> tuple[int, ...]:
        """Widths of the encoder of ``modality``."""
        widths: tuple[int, ...] = getattr(self, f"n_hidden_{modality}")
        return widths

    def n_hidden_decoder(self, modality: str) -> tuple[int, ...]:
        """Widths of the decoder of ``modality``, from the latent space outwards."""
        widths: tuple[int, ...] | None = getattr(self, f"n_hidden_{modality}_decoder")
        return self.n_hidden(modality)[::-1] if widths is None else widths

    def critic_widths(self, modality: str) -> tuple[int, ...]:
        """Widths of the critic of ``modality``."""
        return self.n_hidden_critic_protein if modality == "protein" else self.n_hidden_critic

    def n_components(self, source: str, target: str, member: int) -> int:
        """Number of principal components of ``source`` that a member sees; 0 for one that sees the features."""
        if source != "rna":
            return 0
        of_protein = self.n_components_rna_for_protein if target == "protein" else None
        numbers = self.n_components_rna if of_protein is None else of_protein
        return numbers[member % len(numbers)]

    def dropout(self, target: str) -> float:
        """Dropout after the hidden layers of the directions to ``target``."""
        return self.dropout_rate_by_target.get(target, self.dropout_rate)

    def input_style(self, source: str, target: str) -> str:
        """How ``source`` enters the encoder of the direction to ``target``."""
        if source == "rna" and target == "protein" and self.rna_input_for_protein is not None:
            return self.rna_input_for_protein
        style: str = getattr(self, f"{source}_input")
        return style


def check_choice(config: Any, name: str, choices: tuple[Any, ...]) -> None:
    """Raise ValueError unless the attribute ``name`` of ``config`` is one of ``choices``."""
    if getattr(config, name) not in choices:
        message = f"{name} must be one of {list(choices)}, got {getattr(config, name)!r}."
        raise ValueError(message)


def check_at_least(config: Any, bound: float, *names: str) -> None:
    """Raise ValueError unless the attributes ``names`` of ``config`` are at least ``bound``."""
    for name in names:
        if not getattr(config, name) >= bound:  # NaN too
            message = f"{name} must be at least {bound}, got {getattr(config, name)}."
            raise ValueError(message)


def replace_checked(config: Any, changes: dict[str, Any], *, argument: str) -> Any:
    """Copy of a configuration with ``changes``; an unknown name is a TypeError that lists the known ones."""
    known = {one.name for one in fields(config)}
    unknown = sorted(set(changes) - known)
    if unknown:
        message = f"{argument} got unknown option(s) {unknown}; known are {sorted(known)}."
        raise TypeError(message)
    return type(config)(**{**{name: getattr(config, name) for name in known}, **changes})
