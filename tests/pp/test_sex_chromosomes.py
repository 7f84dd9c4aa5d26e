from __future__ import annotations

import gzip
import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog.pp import remove_sex_chromosomes


def _features(names, **columns):
    var = pd.DataFrame(columns, index=list(names))
    return AnnData(sp.csr_matrix(np.ones((3, len(names)), dtype=np.float32)), var=var)


@pytest.mark.parametrize(
    ("names", "columns", "options", "kept"),
    [
        pytest.param("abcd", {"chrom": ["chr1", "chrX", "Y", "chrM"]}, {}, "ad", id="column"),
        pytest.param("abcd", {"Chromosome": pd.Categorical(["1", "x", "22", "MT"])}, {}, "acd", id="other name"),
        pytest.param("abc", {"chr": [1.0, 2.0, np.nan]}, {"autosomes_only": True}, "ab", id="numbers with a gap"),
        pytest.param(
            "abcde", {"chrom": [1.0, 2.0, "3", "4", "X"]}, {"autosomes_only": True}, "abcd", id="numbers and text"
        ),
        pytest.param("abc", {"contig": ["1", "X", "2"]}, {}, "ac", id="contig"),
        pytest.param("abc", {"region": ["chr1:1-2", "chrX:1-2", "chr2:1-2"]}, {}, "ac", id="region"),
        pytest.param("abc", {"interval": ["chrX:5-9", "chr2:5-9", ""]}, {}, "bc", id="10x interval"),
        pytest.param(
            "abc", {"chrom": [None, "chr1", None], "interval": ["chrY:5-9", "chrX:1-2", None]}, {}, "bc", id="both"
        ),
        pytest.param(
            ["chr1:1-2", "chrX-1-2", "Y:1-2", "X_1_2", "KI270713.1:1-9"],
            {},
            {},
            ["chr1:1-2", "KI270713.1:1-9"],
            id="peak names",
        ),
        pytest.param(
            ["chr1:1-2", "chrX-1e+05-100500", "chrX:1,000,000-1,000,500", "Y_1_2"],
            {},
            {},
            ["chr1:1-2"],
            id="R, browser",
        ),
        pytest.param(
            "abcd",
            {"chrom": ["chr1", "chrX", "chr2", "Y"], "location": [12.5, 3.1, 4.0, np.nan]},
            {},
            "ac",
            id="centimorgans",
        ),
        pytest.param(
            "abcd",
            {"chrom": ["chrY_KI270740v1_random", "chr4-GL456216-random", "chr19", "chrUn_1"]},
            {},
            "bcd",
            id="contigs",
        ),
        pytest.param(
            "abcd",
            {"chrom": ["chrX", "chr4-GL456216-random", "chr19", "chrM"]},
            {"autosomes_only": True},
            "c",
            id="autosomes",
        ),
        pytest.param("abc", {"chrom": ["chrZ", "chrX", "chr1"]}, {"sex_chromosomes": ["chrZ", "W"]}, "bc", id="birds"),
        pytest.param("abc", {"chrom": ["2L", "3R", "X"]}, {}, "ab", id="fly arms"),
    ],
)
def test_positions_in_var(names, columns, options, kept):
    adata = _features(list(names), **columns)
    assert remove_sex_chromosomes(adata, **options) is None
    assert list(adata.var_names) == list(kept)


@pytest.mark.parametrize(
    ("names", "columns", "kept"),
    [
        pytest.param(["AUTO1", "XIST", "UTY", "MT-ND1"], {}, ["AUTO1", "MT-ND1"], id="symbols"),
        pytest.param(["ENSG01", "ENSG03.9", "ENSG02.4"], {}, ["ENSG01", "ENSG02.4"], id="ids with and without version"),
        pytest.param(["a", "b"], {"gene_ids": ["ENSG02.1", "ENSG03"]}, ["a"], id="ids in a column"),
        pytest.param(["a", "b"], {"symbol": ["AUTO1", "XIST"]}, ["a"], id="symbols in a column"),
        pytest.param(
            ["a", "b", "c"], {"name": ["X-1-2", "XIST", "AUTO1"]}, ["a", "c"], id="a gene called like a place"
        ),
        pytest.param(["AUTO1", "AUTO2", "BOTH"], {}, ["AUTO1", "AUTO2"], id="one of two places is Y"),
        pytest.param(["AUTO1", "AUTO2", "unheard"], {}, ["AUTO1", "AUTO2", "unheard"], id="unknown stays"),
        pytest.param(["XIST", "AUTO1"], {"chrom": ["chr7", None]}, ["XIST", "AUTO1"], id="var comes first"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_gtf(gtf, names, columns, kept, compressed):
    if compressed:
        packed = gtf.with_suffix(".gtf.gz")
        packed.write_bytes(gzip.compress(gtf.read_bytes()))
        gtf = packed
    adata = _features(names, **columns)
    remove_sex_chromosomes(adata, gtf=gtf)
    assert list(adata.var_names) == kept


def test_mudata_genes_and_peaks(annotated):
    on_x = {key: (annotated[key].var["chrom"] == "chrX").to_numpy() for key in annotated.mod}
    kept = {key: list(annotated[key].var_names[~mask]) for key, mask in on_x.items()}
    assert all(mask.any() for mask in on_x.values())
    remove_sex_chromosomes(annotated)
    assert {key: list(adata.var_names) for key, adata in annotated.mod.items()} == kept
    assert list(annotated.var_names) == kept["rna"] + kept["atac"]


def test_one_modality_only(annotated):
    n_peaks = (annotated["atac"].var["chrom"] != "chrX").sum()
    del annotated["rna"].var["chrom"]
    remove_sex_chromosomes(annotated, modalities=["atac"])
    assert (annotated["rna"].n_vars, annotated["atac"].n_vars) == (50, n_peaks)


def test_protein_needs_no_chromosome(paired):
    remove_sex_chromosomes(paired)
    assert paired["protein"].n_vars == 6


def test_log(caplog):
    with caplog.at_level(logging.INFO, logger="scmog"):
        remove_sex_chromosomes(_features("abc", chrom=["chr1", "chrX", None]))
    assert "dropped 1 of 3 features of data, 1 of them on chromosomes X, Y; 1 have no known" in caplog.text


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        pytest.param({}, {}, "of 3 of 3 features of 'data' is unknown .*gtf=", id="no source"),
        pytest.param({"chrom": ["NC_000001.11", "NC_000023.11", "NC_000002.12"]}, {}, "form chr1, chrX", id="RefSeq"),
        pytest.param({"chrom": ["X", "X", "Y"]}, {}, "no feature is left", id="nothing left"),
        pytest.param({"chrom": ["X", "1", "Y"]}, {"sex_chromosomes": "XY"}, "must be a list of names", id="string"),
        pytest.param({"chrom": ["X", "1", "Y"]}, {"modalities": ["rna"]}, "modalities= is for MuData", id="modalities"),
    ],
)
def test_errors_leave_the_data_unchanged(snapshot, assert_same, columns, options, message):
    adata = _features("abc", **columns)
    before = snapshot(adata)
    with pytest.raises(ValueError, match=message):
        remove_sex_chromosomes(adata, **options)
    assert_same(adata, before)


def test_gtf_of_another_species_is_noticed(gtf):
    with pytest.raises(ValueError, match="of 2 of 3 features"):
        remove_sex_chromosomes(_features(["Xist", "Actb", "AUTO1"]), gtf=gtf)


def test_gtf_without_gene_lines(tmp_path):
    """As the table browser of UCSC writes them: transcripts and exons only, chromosomes of Ensembl are fine too."""
    lines = [("1", "exon", "a"), ("1", "transcript", "a"), ("X", "exon", "b"), ("2", "transcript", "c")]
    path = tmp_path / "genes.gtf"
    path.write_text("".join(f'{c}\tx\t{kind}\t1\t9\t.\t+\t.\tgene_id "{g}";\n' for c, kind, g in lines))
    adata = _features("abc")
    remove_sex_chromosomes(adata, gtf=path)
    assert list(adata.var_names) == ["a", "c"]


def test_a_file_that_is_no_gtf(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text('chr1\tx\tCDS\t1\t2\t.\t+\t.\tgene_id "a";\n')
    with pytest.raises(ValueError, match="is it a tab-separated GTF"):
        remove_sex_chromosomes(_features("abc"), gtf=path)
    with pytest.raises(FileNotFoundError):
        remove_sex_chromosomes(_features("abc"), gtf=tmp_path / "nope.gtf")


def test_mudata_without_rna_and_atac(paired):
    with pytest.raises(KeyError, match="no RNA or ATAC"):
        remove_sex_chromosomes(MuData({"protein": paired["protein"]}))
