"""Tried, not part of scmog: terms that tie the two directions between RNA and ATAC together.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/latent_spaces.py            # resumes: what is in the result table is not run again
    python benchmarks/latent_spaces.py --report   # only writes results/latent_spaces.md from the table

SNARE-seq, random split, both directions trained at once, one network each, one thread, the default recipe else. Each
term is multiplied by the (detached) loss of the direction whose weights it is for, so that a weight means the same in
both:

- shared latent space: one minus the cosine between a cell's latent representations from RNA and from ATAC
- contrastive: the cell's own representation from the other modality told from those of the rest of the mini-batch
  (cross-entropy of cosines, temperature .1)
- shared decoders: each decoder also learns from the other encoder's latent representation of the cell
- cycle: the generated peaks, through encoder and decoder of the other direction, are to give back the RNA

Choose by the validation score: the test score is for reporting.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from accelerator import ACCELERATOR
from real_data import load
from resume import main

TABLE = Path(__file__).parent / "results" / "latent_spaces.csv"
FORWARD, BACKWARD = "rna_to_atac", "atac_to_rna"
# name: weights of the terms
VARIANTS: dict[str, dict[str, float]] = {
    "each direction by itself (the default)": {},
    "shared latent space, weight .1": {"cosine": 0.1},
    "shared latent space, weight 1": {"cosine": 1.0},
    "contrastive, weight .01": {"contrastive": 0.01},
    "contrastive, weight .1": {"contrastive": 0.1},
    "shared latent space and decoders, weights .1 and .5": {"cosine": 0.1, "decoders": 0.5},
    "cycle, weight .1": {"cycle": 0.1},
    "cycle, weight 1": {"cycle": 1.0},
}
_TEMPERATURE = 0.1


def all_runs() -> list[dict]:
    """Every run."""
    return [{"variant": variant, "seed": seed} for seed in (0, 1) for variant in VARIANTS]


def run_one(variant: str, seed: int) -> list[dict]:
    """Train both directions with the terms, and score them on validation and test cells."""
    import torch

    torch.set_num_threads(1)
    mdata, model_class = load("snare", "random"), tied(VARIANTS[variant])
    model_class.setup_mudata(mdata)
    model = model_class(mdata, directions=[("rna", "atac"), ("atac", "rna")], n_members=1)
    model.train(split_key="split", seed=seed, accelerator=ACCELERATOR, enable_progress_bar=False)
    rows = []
    for cells in ("test", "validation"):
        table = model.evaluate(split=cells, baselines=False, metrics=["auroc", "pearson"])
        table = table[table["axis"].isin(["feature", "flat"])]
        for row in table.itertuples():
            found = {"cells": cells, "direction": str(row.direction), "axis": row.axis, "value": round(row.value, 5)}
            rows.append({"variant": variant, "seed": seed, **found})
    return rows


def tied(weights: dict[str, float]) -> type:
    """The model, its directions tied together by these terms."""
    from scvi.module.base import LossOutput

    from scmog.model import SCMOG
    from scmog.module import SCMOGModule

    class TiedModule(SCMOGModule):
        def loss(self, tensors, inference_outputs, generative_outputs):
            output = super().loss(tensors, inference_outputs, generative_outputs)
            z, hidden = inference_outputs["z"], generative_outputs["hidden"]
            if not self.training or len(z) < 2:  # one of them has finished
                return output
            total = output.loss
            for term, weight in weights.items():
                for name, value in TERMS[term](self, tensors, z, hidden).items():
                    total = total + weight * output.reconstruction_loss[name].mean().detach() * value
            return LossOutput(loss=total, reconstruction_loss=output.reconstruction_loss)

    class TiedSCMOG(SCMOG):
        _module_cls = TiedModule

    return TiedSCMOG


# ---------------------------------------------------------------------- terms, relative to the loss of each direction
def cosine(module, tensors, z, hidden) -> dict:
    """One minus the cosine of a cell's two representations; each direction's own is pulled, the other's stays."""
    import torch.nn.functional as F

    one, other = z[FORWARD][0], z[BACKWARD][0]
    return {
        FORWARD: 1 - F.cosine_similarity(one, other.detach()).mean(),
        BACKWARD: 1 - F.cosine_similarity(other, one.detach()).mean(),
    }


def contrastive(module, tensors, z, hidden) -> dict:
    """Cross-entropy of the cell's own representation among those of the mini-batch."""
    import torch
    import torch.nn.functional as F

    one, other = F.normalize(z[FORWARD][0]), F.normalize(z[BACKWARD][0])
    own = torch.arange(len(one), device=one.device)
    return {
        FORWARD: F.cross_entropy(one @ other.detach().t() / _TEMPERATURE, own),
        BACKWARD: F.cross_entropy(other @ one.detach().t() / _TEMPERATURE, own),
    }


def decoders(module, tensors, z, hidden) -> dict:
    """Loss of each decoder for the latent representation of the other encoder, over its usual size."""
    found = {}
    for name, other in ((FORWARD, BACKWARD), (BACKWARD, FORWARD)):
        translator = module.translator(name)
        value = translator.loss(
            translator.decode(z[other].detach()), module.measured(name, tensors), module._exposure(name, tensors)
        )
        found[name] = value.mean() / value.mean().detach()
    return found


def cycle(module, tensors, z, hidden) -> dict:
    """Loss of the RNA that is generated from the generated peaks, over its usual size."""
    import torch

    from scmog.nn import EncoderInput

    there, back = module.translator(FORWARD), module.translator(BACKWARD)
    probability = torch.sigmoid(there.decoder.calibrated_logit(there.parameters_at(hidden[FORWARD])[0][0]))
    atac = module.representation("atac")
    depth = atac.depth(probability.sum(dim=1, keepdim=True))
    centre = torch.cat([atac.average, atac.average.new_zeros(1)])
    latent = back.encode(EncoderInput(torch.cat([probability, depth], dim=1), centre))
    value = back.loss(back.decode(latent), module.measured(BACKWARD, tensors), module._exposure(BACKWARD, tensors))
    return {FORWARD: value.mean() / value.mean().detach()}


TERMS = {"cosine": cosine, "contrastive": contrastive, "decoders": decoders, "cycle": cycle}


def report() -> str:
    """Markdown: differences to the default of the same seed, per feature, and flattened scores."""
    table = pd.read_csv(TABLE)
    default = next(iter(VARIANTS))
    lines = [
        "| | RNA to ATAC: validation | test | flattened | ATAC to RNA: validation | test | flattened |",
        "|---|---|---|---|---|---|---|",
    ]
    keys = ["direction", "cells", "axis"]
    scores = table.pivot_table(index=["variant", "seed"], columns=keys, values="value")
    for variant in VARIANTS:
        if variant not in scores.index:
            continue
        own, base = scores.loc[variant], scores.loc[default]
        cells = []
        for column in (
            (direction, cells_of, axis)
            for direction in (FORWARD, BACKWARD)
            for cells_of, axis in (("validation", "feature"), ("test", "feature"), ("test", "flat"))
        ):
            if variant == default:
                cells.append(f"{own[column].mean():.4f}")
            else:
                cells.append(f"{(own[column] - base[column]).mean():+.4f}")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    seeds = ", ".join(map(str, sorted(table["seed"].unique())))
    return "\n".join([*lines, "", f"Seeds: {seeds}."]) + "\n"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
