from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest

from scmog import datasets
from scmog.datasets._catalogue import PublicDataset, catalogue
from scmog.datasets._loaders import READERS

# What the readers ask for, by their own documentation
ROLES = {
    "cell_ranger_h5": {"counts"},
    "snare_seq": {"rna_counts", "rna_cells", "rna_genes", "atac_counts", "atac_cells", "atac_peaks"},
    "share_seq": {"rna_counts", "atac_counts", "atac_cells", "atac_peaks", "cell_types"},
}
LOADERS = [
    pytest.param(lambda: datasets.pbmc_multiome(), "pbmc_multiome_10k", id="multiome"),
    pytest.param(lambda: datasets.pbmc_multiome("3k"), "pbmc_multiome_3k", id="multiome-3k"),
    pytest.param(lambda: datasets.pbmc_multiome("10k_unsorted"), "pbmc_multiome_10k_unsorted", id="multiome-unsorted"),
    pytest.param(lambda: datasets.pbmc_citeseq(), "pbmc_citeseq_10k", id="citeseq"),
    pytest.param(lambda: datasets.pbmc_citeseq("5k"), "pbmc_citeseq_5k", id="citeseq-5k"),
    pytest.param(lambda: datasets.lymphoma_multiome(), "lymphoma_multiome_14k", id="lymphoma"),
    pytest.param(lambda: datasets.mouse_brain_multiome(), "mouse_brain_multiome_5k", id="brain"),
    pytest.param(lambda: datasets.snareseq_cortex(), "snareseq_cortex", id="snare"),
    pytest.param(lambda: datasets.shareseq(), "shareseq_skin", id="share"),
    pytest.param(lambda: datasets.shareseq("brain"), "shareseq_brain", id="share-brain"),
]


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in catalogue().items()])
def test_an_entry_is_complete(entry: PublicDataset) -> None:
    assert (entry.reader is None) == (not entry.files)
    assert entry.reader is None or {file.role for file in entry.files} == ROLES[entry.reader]
    assert len({file.name for file in entry.files}) == len(entry.files) == len({file.url for file in entry.files})
    for file in entry.files:
        assert urlsplit(file.url).scheme == "https"
        assert urlsplit(file.url).hostname in {"cf.10xgenomics.com", "ftp.ncbi.nlm.nih.gov", "www.ncbi.nlm.nih.gov"}
        assert re.fullmatch(r"[\w.]+\.(h5|gz)", file.name)
        assert file.hash is None or re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.hash)
        # the cache keeps the name that the source gives the file
        assert file.url.replace("%5F", "_").replace("%2E", ".").endswith(file.name)
    assert entry.species in {"human", "mouse"}
    assert entry.build == {"human": "GRCh38", "mouse": "mm10"}[entry.species]
    assert all(isinstance(text, str) and text for text in (entry.title, entry.technology, entry.licence, entry.page))


def test_every_reader_is_described() -> None:
    assert set(READERS) == set(ROLES) == {entry.reader for entry in catalogue().values()} - {None}


@pytest.mark.parametrize(("load", "name"), LOADERS)
def test_loaders_ask_for_their_set(load: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(entry: PublicDataset, *, cache: Path | None, progress: bool) -> None:
        asked.append(entry.name)
        raise ConnectionError

    monkeypatch.setattr("scmog.datasets._loaders.fetch_files", refuse)
    with pytest.raises(ConnectionError):
        load()
    assert asked == [name]


def test_every_set_with_files_has_a_loader() -> None:
    assert {param.values[1] for param in LOADERS} == {name for name, entry in catalogue().items() if entry.files}


def test_unknown_size() -> None:
    with pytest.raises(ValueError, match=r"'12k' is none of.*pbmc_multiome_10k"):
        datasets.pbmc_multiome("12k")


def test_available() -> None:
    table = datasets.available()
    assert list(table.index) == list(catalogue())
    assert table.loc["pbmc_multiome_10k", ["cells", "genes", "peaks"]].tolist() == [11909, 36601, 108377]
    assert pd.isna(table.loc["pbmc_multiome_10k", "proteins"])
    assert table.loc["colo320_multiome", "files"] == 0
    assert table["checked"].to_dict() == {
        name: name in {"pbmc_multiome_10k", "pbmc_multiome_3k"} for name in catalogue()
    }
