from __future__ import annotations

import numpy as np
import pytest

from scmog.model._training_set import cells_hash, choose_split


def choose(mdata, **options):
    defaults = {"split_key": None, "train_size": None, "validation_size": None, "seed": 0, "earlier": None}
    return choose_split(mdata, **{**defaults, **options})


def test_fingerprint_is_of_names_order_and_counts(paired):
    def fingerprint(mdata):
        return cells_hash(mdata, mdata["rna"].X)

    assert fingerprint(paired) == fingerprint(paired.copy())
    assert fingerprint(paired) != fingerprint(paired[::-1])
    assert fingerprint(paired) != fingerprint(paired[:-1])
    other = paired.copy()
    other["rna"].X = other["rna"].X + other["rna"].X
    assert fingerprint(paired) != fingerprint(other)


def test_an_earlier_split_is_taken_up(paired):
    earlier = choose(paired, train_size=0.6)
    assert choose(paired, earlier=earlier, seed=5) is earlier
    again = choose(paired, earlier=earlier, train_size=0.6)
    np.testing.assert_array_equal(np.sort(again.train), np.sort(earlier.train))
    with pytest.raises(ValueError, match="refit=True"):
        choose(paired, earlier=earlier, train_size=0.6, seed=5)


def test_the_statistics_are_those_of_the_training_cells(trained):
    """Against NumPy: nothing of validation or test cells is in them."""
    train = np.sort(trained.train_indices_)
    rna, atac, protein = (trained.adata[name].X[train].toarray() for name in ("rna", "atac", "protein"))
    represent = trained.module.representation
    totals = rna.sum(axis=1)
    median = np.median(totals[totals > 0])
    assert float(represent("rna").median_total) == pytest.approx(median)
    logs = np.log1p(rna / np.where(totals > 0, totals / median, 1)[:, None])
    np.testing.assert_allclose(represent("rna").log_mean.numpy(), logs.mean(axis=0), rtol=1e-4, atol=1e-6)
    sd = logs.std(axis=0, ddof=1)
    np.testing.assert_allclose(represent("rna").log_sd.numpy(), np.where(sd > 0, sd, 1), rtol=1e-4)
    np.testing.assert_allclose(represent("atac").average.numpy(), (atac > 0).mean(axis=0), rtol=1e-5)
    clr = np.log1p(protein) - np.log1p(protein).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(represent("protein").average.numpy(), clr.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_held_out_cells_do_not_matter(paired, make_model):
    """Without early stopping, held-out counts change what is fitted on them alone, and no other number."""
    paired.obs["split"] = ["train"] * 90 + ["validation"] * 15 + ["test"] * 15
    changed = paired.copy()
    for name in ("rna", "atac", "protein"):
        keep = np.r_[np.arange(90), np.full(30, 0)]  # held-out cells become copies of the first one
        changed.mod[name].X = changed[name].X[keep]
    options = {"split_key": "split", "early_stopping": False, "plan_kwargs": {"restore_best": False}}
    first, second = (make_model(mdata, train=options) for mdata in (paired, changed))
    states = first.module.state_dict(), second.module.state_dict()
    fitted_on_them = (
        "recalibration.",
        "open_cut",
        "depth_shift.",
        "member_weights",
        "logit_move",
        "log_scale",
        "log_offset",
    )
    for name, value in states[0].items():
        if not any(part in name for part in fitted_on_them):
            np.testing.assert_array_equal(value.numpy(), states[1][name].numpy(), err_msg=name)
    slope = "translators.rna_to_atac.recalibration.slope"
    assert states[0][slope] != states[1][slope]
    # what the networks themselves say is the same
    raw = [
        model.get_generated(paired, source="rna", target="atac", score="raw", threshold=None).X
        for model in (first, second)
    ]
    np.testing.assert_array_equal(raw[0], raw[1])
    assert not first.history["validation_loss"].equals(second.history["validation_loss"])
