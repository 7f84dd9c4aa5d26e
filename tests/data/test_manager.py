from __future__ import annotations

import pytest
from mudata import MuData

from scmog.data import BatchField, MuDataCheckedLayerField, PartialMuDataManager


def fields():
    counts = [
        MuDataCheckedLayerField(name, None, mod_key=name, mod_required=True) for name in ("rna", "atac", "protein")
    ]
    return [*counts, BatchField("donor")]


@pytest.fixture
def manager(paired):
    paired.obs["donor"] = ["a", "b"] * 60
    manager = PartialMuDataManager(fields=fields(), setup_method_args={"setup_method_name": "setup_mudata"})
    manager.register_fields(paired)
    return manager


def part(paired, *names):
    return MuData({name: paired[name].copy() for name in names})


@pytest.mark.parametrize("names", [("rna",), ("atac",), ("protein", "rna"), ("protein", "atac", "rna")], ids="+".join)
def test_only_what_is_there_is_registered(manager, paired, names):
    keys = {"rna": "X", "atac": "atac", "protein": "proteins"}
    partial = manager.transfer_fields(part(paired, *names))
    assert {key for key in partial.data_registry if key != "batch"} == {keys[name] for name in names}
    assert partial.reference_registry is manager.registry
    assert manager.reference_registry is None


def test_the_manager_of_a_partial_query_serves_the_next_one(manager, paired):
    first = manager.transfer_fields(part(paired, "rna"))
    second = first.transfer_fields(part(paired, "atac"))
    third = second.transfer_fields(part(paired, "rna", "atac", "protein"))
    assert set(second.data_registry) == {"atac", "batch"}
    assert set(third.data_registry) == {"X", "atac", "proteins", "batch"}


def test_generated_modalities_are_not_registered(manager, paired):
    query = part(paired, "rna", "atac")
    query["atac"].uns["scmog"] = {"generated": True}
    assert set(manager.transfer_fields(query).data_registry) == {"X", "batch"}


def test_nothing_of_use(manager, paired):
    alien = MuData({"hto": paired["protein"].copy()})
    with pytest.raises(
        ValueError, match=r"modalities \['hto'\]; at least one measured of \['rna', 'atac', 'protein'\]"
    ):
        manager.transfer_fields(alien)


def test_training_data_must_be_complete(paired):
    paired.obs["donor"] = "a"
    manager = PartialMuDataManager(fields=fields())
    with pytest.raises((KeyError, ValueError), match="protein"):
        manager.register_fields(part(paired, "rna", "atac"))
