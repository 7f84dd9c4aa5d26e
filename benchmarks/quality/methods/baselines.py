"""The baseline predictors of scmog.metrics, on log-normalised RNA, TF-IDF of ATAC or CLR of proteins."""

from __future__ import annotations

from scales import target_values

from scmog import metrics


def predict(case, *, seed: int, quick: bool, name: str, **options):
    """Fit the class ``name``; its parameters are tuned on the validation cells."""
    features = _features(case)
    train, validation, test = (case.cells(part) for part in ("train", "validation", "test"))
    target = [target_values(case.truth, case.target_counts(cells), case.median_total) for cells in (train, validation)]
    baseline = getattr(metrics, name)(**options)
    baseline.fit(features[train], target[0], features[validation], target[1])
    return baseline.predict(features[test]), "truth"


def _features(case):
    """Source of all cells on a sensible scale; what is fitted is fitted on training cells."""
    if case.source == "rna":
        return metrics.log_normalize(case.source_counts, case.median_total)
    if case.source == "atac":
        idf = metrics.inverse_document_frequency(case.source_counts[case.cells("train")])
        return metrics.tfidf(case.source_counts, idf)
    return metrics.clr(case.source_counts)
