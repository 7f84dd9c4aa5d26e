from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from scmog.genomics import _annotation, read_gtf

GENCODE = """\
##description: a few lines in the manner of GENCODE
##format: gtf
chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\tgene_id "ENSG0290825.1"; gene_type "lncRNA"; gene_name "DDX11L2"; level 2;
chr1\tHAVANA\ttranscript\t11869\t14409\t.\t+\t.\tgene_id "ENSG0290825.1"; transcript_id "ENST1"; gene_name "DDX11L2";
chr1\tHAVANA\texon\t11869\t12227\t.\t+\t.\tgene_id "ENSG0290825.1"; transcript_id "ENST1"; gene_name "DDX11L2";
chrX\tHAVANA\tgene\t2784749\t2784853\t.\t-\t.\tgene_id "ENSG2.5"; gene_type "misc"; gene_name "5' #1 gene"; level 3;
chrM\tENSEMBL\tgene\t577\t577\t.\t+\t.\tgene_id "ENSG3.2"; gene_name "MT-TF";
"""
ENSEMBL = """\
#!genome-build GRCh38.p14
#!genome-version GRCh38
1\tensembl\tgene\t11869\t14409\t.\t+\t.\tgene_id "ENSG00000290825"; gene_version "1"; gene_source "havana";
###
MT\tinsdc\tgene\t577\t647\t.\t.\t.\tgene_id "ENSG3"; gene_name "MT-TF"; havana_gene_name "other";
"""
UCSC = """\
chr1\trefGene\ttranscript\t100\t300\t.\t+\t.\tgene_id "A1"; transcript_id "N1"; gene_name "A1";
chr1\trefGene\texon\t100\t150\t.\t+\t.\tgene_id "A1"; transcript_id "N1"; gene_name "A1";
chr1\trefGene\texon\t250\t400\t.\t+\t.\tgene_id "A1"; transcript_id "N2"; gene_name "A1";
chrX\trefGene\texon\t10\t20\t.\t-\t.\tgene_id "P1"; transcript_id "N3"; gene_name "P1";
chrY\trefGene\texon\t30\t40\t.\t-\t.\tgene_id "P1"; transcript_id "N3"; gene_name "P1";
chr1\trefGene\texon\t50\t60\t.\t+\t.\tgene_id "A1"; transcript_id "N4"; gene_name "A1";
"""
COLUMNS = ["gene_id", "gene_name", "chrom", "start", "end", "strand"]


def _write(folder: Path, text: str, name: str = "genes.gtf") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["genes.gtf", "genes.gtf.gz", "genes.bgz"])
def test_reads_gencode(tmp_path, name):
    genes = read_gtf(_write(tmp_path, GENCODE, name))
    assert list(genes.columns) == COLUMNS
    assert genes.to_numpy().tolist() == [
        ["ENSG0290825.1", "DDX11L2", "chr1", 11868, 14409, "+"],
        ["ENSG2.5", "5' #1 gene", "chrX", 2784748, 2784853, "-"],
        ["ENSG3.2", "MT-TF", "chrM", 576, 577, "+"],
    ]
    assert genes.index.equals(pd.RangeIndex(3))


def test_reads_ensembl_with_names_of_chromosomes_as_in_peaks(tmp_path):
    assert read_gtf(_write(tmp_path, ENSEMBL)).to_numpy().tolist() == [
        ["ENSG00000290825", "ENSG00000290825", "chr1", 11868, 14409, "+"],
        ["ENSG3", "MT-TF", "chrM", 576, 647, "."],
    ]


@pytest.mark.parametrize("rows", [pytest.param(2, id="small-pieces"), pytest.param(1000, id="one-piece")])
def test_genes_without_a_line_span_their_exons(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(_annotation, "_ROWS", rows)
    genes = read_gtf(_write(tmp_path, UCSC))
    assert list(genes.columns) == COLUMNS
    assert genes.to_numpy().tolist() == [
        ["A1", "A1", "chr1", 49, 400, "+"],
        ["P1", "P1", "chrX", 9, 20, "-"],
        ["P1", "P1", "chrY", 29, 40, "-"],
    ]


def test_reading_in_pieces_changes_nothing(tmp_path, monkeypatch):
    path = _write(tmp_path, GENCODE)
    whole = read_gtf(path)
    monkeypatch.setattr(_annotation, "_ROWS", 1)
    pd.testing.assert_frame_equal(read_gtf(path), whole)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "no gene, transcript or exon line", id="empty"),
        pytest.param("##only comments\n", "no gene, transcript or exon line", id="comments"),
        pytest.param(GENCODE.replace("\t", " "), "no gene, transcript or exon line; is it a tab-sep", id="spaces"),
        pytest.param(
            "chr1\tx\tgene\t1\t9\t.\t+\t.\tID=gene:ENSG1;Name=A1\n",
            "1 of 1 genes .*'ID=gene:ENSG1;Name=A1'.*GFF3",
            id="gff3",
        ),
        pytest.param('chr1\tx\tgene\t9\t5\t.\t+\t.\tgene_id "G1";\n', "reversed: 'G1'", id="reversed"),
        pytest.param('chr1\tx\tgene\tnine\t15\t.\t+\t.\tgene_id "G1";\n', "no valid start: 'G1'", id="text-for-start"),
        pytest.param('chr1\tx\tgene\t0\t15\t.\t+\t.\tgene_id "G1";\n', "first base of a chromosome is 1", id="zero"),
    ],
)
def test_names_what_cannot_be_read(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_gtf(_write(tmp_path, text))


def test_names_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.gtf"):
        read_gtf(tmp_path / "nowhere.gtf")


def test_a_file_that_ends_too_early(tmp_path):
    path = tmp_path / "genes.gtf.gz"
    path.write_bytes(gzip.compress(GENCODE.encode() * 100)[:-20])
    with pytest.raises(ValueError, match=r"genes\.gtf\.gz' could not be read .*is it complete"):
        read_gtf(path)
