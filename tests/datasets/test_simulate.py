from __future__ import annotations

import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from scmog.datasets import _simulate_counts, simulate

DENSE = {"rna": ["mean"], "atac": ["probability"], "protein": ["mean", "background"]}


@pytest.fixture(scope="module")
def known():
    """Two batches of cells whose truth is known."""
    return simulate(1500, 300, 800, 20, n_batches=2, seed=1, truth=True)


def same_counts(a, b, name):
    return (a[name].X != b[name].X).nnz == 0


def open_peaks(mdata):
    return (mdata["atac"].X > 0).toarray()


def at_median_depth(mdata):
    """Probability of each entry had the cell the median depth."""
    depth = mdata["atac"].obs["true_depth"].to_numpy()[:, None]
    return 1 - (1 - mdata["atac"].layers["probability"].astype(float)) ** (1 / depth)


def relative_expression(mdata):
    mean = mdata["rna"].layers["mean"].astype(float)
    return mean / mean.sum(axis=1, keepdims=True)


def per_peak_auroc(observed, score):
    """Mean over peaks of the AUROC from ranks (Mann and Whitney), of those with 5 cells on either side."""
    n_open, n_closed = observed.sum(axis=0), (~observed).sum(axis=0)
    rank_sum = (stats.rankdata(score, axis=0) * observed).sum(axis=0)
    scored = (n_open >= 5) & (n_closed >= 5)
    return ((rank_sum - n_open * (n_open + 1) / 2)[scored] / (n_open * n_closed)[scored]).mean()


class TestContent:
    def test_sizes_and_types(self, known):
        assert list(known.mod) == ["rna", "atac", "protein"]
        assert [known[name].shape for name in known.mod] == [(1500, 300), (1500, 800), (1500, 20)]
        for name, adata in known.mod.items():
            assert type(adata.X) is csr_matrix, name
            assert adata.X.dtype == np.float32
            assert adata.X.has_canonical_format
            assert adata.X.data.min() >= 1
            assert np.array_equal(adata.X.data, np.rint(adata.X.data))
            for layer in DENSE[name]:
                assert type(adata.layers[layer]) is np.ndarray
                assert adata.layers[layer].dtype == np.float32
                assert adata.layers[layer].shape == adata.shape

    def test_names_are_unique(self, known):
        assert known.obs_names.is_unique
        assert known.var_names.is_unique
        assert list(known["rna"].var_names[:2]) == ["gene_0001", "gene_0002"]
        assert known["protein"].var_names[0] == "CD3"
        assert known["protein"].var_names[16] == "protein_17"

    def test_labels_are_in_every_table(self, known):
        assert list(known.obs.columns) == ["cell_type", "batch"]
        for adata in known.mod.values():
            assert adata.obs_names.equals(known.obs_names)
            for column in ("cell_type", "batch"):
                assert isinstance(adata.obs[column].dtype, pd.CategoricalDtype)
                assert adata.obs[column].equals(known.obs[column])
        assert list(known.obs["cell_type"].cat.categories) == [f"type_{k}" for k in range(1, 7)]
        assert list(known.obs["batch"].cat.categories) == ["batch_1", "batch_2"]

    def test_peaks_are_sorted_disjoint_regions(self, known):
        var = known["atac"].var
        assert [name.split(":")[0] for name in var.index] == list(var["chrom"])
        assert [f"{c}:{s}-{e}" for c, s, e in zip(var["chrom"], var["start"], var["end"], strict=True)] == list(
            var.index
        )
        assert (var["start"] >= 0).all()
        assert (var["end"] - var["start"]).between(200, 900).all()
        for _, table in var.groupby("chrom", observed=True):
            assert (table["start"].to_numpy()[1:] >= table["end"].to_numpy()[:-1]).all()

    def test_crowded_peaks_stay_disjoint(self):
        # 4,000 peaks on 3 genes: more than fit into the surroundings, so that many have to be placed anew.
        var = simulate(20, 3, 4000, n_cell_types=2).mod["atac"].var
        assert var.index.is_unique
        for _, table in var.groupby("chrom", observed=True):
            assert (table["start"].to_numpy()[1:] >= table["end"].to_numpy()[:-1]).all()

    @pytest.mark.parametrize(
        ("sizes", "names"),
        [
            pytest.param((50, 40, 60, 0), ["rna", "atac"], id="no protein"),
            pytest.param((50, 40, 0, 5), ["rna", "protein"], id="no ATAC"),
            pytest.param((50, 40, 60, 5), ["rna", "atac", "protein"], id="all three"),
        ],
    )
    def test_modalities(self, sizes, names):
        mdata = simulate(*sizes)
        assert list(mdata.mod) == names
        for adata in mdata.mod.values():
            assert not [layer for layer in adata.layers if layer is not None]
            assert "true_depth" not in adata.obs
            assert "dispersion" not in adata.var
        assert "state" not in mdata.obsm

    def test_smallest(self):
        mdata = simulate(1, 1, 1, 1, n_cell_types=1, n_latent=1)
        assert [adata.shape for adata in mdata.mod.values()] == [(1, 1)] * 3

    def test_written_and_read_back(self, known, tmp_path):
        known.write(tmp_path / "a.h5mu")
        again = mudata.read_h5mu(tmp_path / "a.h5mu")
        assert all(same_counts(known, again, name) for name in known.mod)
        assert again["atac"].var["linked_gene"].isna().equals(known["atac"].var["linked_gene"].isna())
        assert again.uns["simulation"]["seed"] == 1
        np.testing.assert_array_equal(again.obsm["state"], known.obsm["state"])

    def test_settings_are_recorded(self, known):
        settings = known.uns["simulation"]
        assert settings["n_cells"] == 1500
        assert settings["technology"] == "multiome"
        assert settings["peak_density"] == 0.06
        assert settings["rna_depth"] == 150


class TestReproducibility:
    def test_same_seed_same_counts(self):
        a, b = (simulate(200, 80, 150, 6, n_batches=2, seed=5) for _ in range(2))
        assert all(same_counts(a, b, name) for name in a.mod)
        assert a["atac"].var.equals(b["atac"].var)
        assert a.obs.equals(b.obs)

    def test_seed_matters(self):
        a, b = (simulate(200, 80, 150, 6, seed=seed) for seed in (5, 6))
        assert not any(same_counts(a, b, name) for name in a.mod)

    def test_global_state_is_left_alone(self):
        np.random.seed(3)
        expected = np.random.random(4)
        np.random.seed(3)
        simulate(50, 40, 60, 5)
        assert np.array_equal(np.random.random(4), expected)
        a = simulate(50, 40, 60, 5)
        np.random.seed(99)
        assert same_counts(a, simulate(50, 40, 60, 5), "atac")

    def test_truth_does_not_change_the_counts(self):
        a, b = (simulate(200, 80, 150, 6, n_batches=2, truth=truth) for truth in (False, True))
        assert all(same_counts(a, b, name) for name in a.mod)

    def test_modalities_do_not_disturb_each_other(self):
        full = simulate(200, 80, 150, 6)
        assert same_counts(full, simulate(200, 80, 150), "rna")
        assert same_counts(full, simulate(200, 80, 150), "atac")
        assert same_counts(full, simulate(200, 80, 0, 6), "protein")

    @pytest.mark.parametrize("entries", [1, 777, 5_000])
    def test_block_size_does_not_matter(self, monkeypatch, entries):
        settings = {"n_batches": 2, "truth": True}
        whole = simulate(150, 83, 151, 6, **settings)
        monkeypatch.setattr(_simulate_counts, "BLOCK_ENTRIES", entries)
        blocked = simulate(150, 83, 151, 6, **settings)
        for name, layers in DENSE.items():
            assert same_counts(whole, blocked, name)
            for layer in layers:
                np.testing.assert_array_equal(whole[name].layers[layer], blocked[name].layers[layer])


class TestCells:
    def test_types_are_unequal(self):
        sizes = simulate(2000, 20, 20).obs["cell_type"].value_counts()
        assert sizes.index[0] == "type_1"
        assert sizes.iloc[0] > 4 * sizes.iloc[-1]

    def test_every_type_and_batch_has_a_cell(self):
        mdata = simulate(12, 20, 20, n_cell_types=12, n_batches=12)
        assert mdata.obs["cell_type"].nunique() == mdata.obs["batch"].nunique() == 12

    def test_order_carries_no_information(self):
        # Types in runs, or batches in turn, would make a split by position a split by type.
        obs = simulate(2000, 20, 20, n_batches=2).obs
        first = pd.Series(np.arange(2000) < 1000, index=obs.index)
        for column in obs:
            assert stats.chi2_contingency(pd.crosstab(obs[column], first)).pvalue > 1e-3

    def test_depths_are_log_normal_and_correlated(self):
        mdata = simulate(4000, 20, 20, 2, truth=True)
        log_depth = np.log(np.column_stack([adata.obs["true_depth"] for adata in mdata.mod.values()]))
        assert all(stats.kstest(stats.zscore(column), "norm").pvalue > 1e-3 for column in log_depth.T)
        np.testing.assert_allclose(log_depth.std(axis=0), [0.5, 0.4, 0.4], rtol=0.05)
        np.testing.assert_allclose(np.corrcoef(log_depth.T)[np.triu_indices(3, k=1)], 0.4, atol=0.06)

    def test_gradients_spread_the_cells_of_a_type(self):
        def spread(strength):
            mdata = simulate(400, 60, 100, gradient_strength=strength, truth=True)
            cells = (mdata.obs["cell_type"] == "type_1").to_numpy()
            return np.log(relative_expression(mdata))[cells].std(axis=0).mean(), at_median_depth(mdata)[cells]

        flat, probability = spread(0)
        np.testing.assert_allclose(probability, np.broadcast_to(probability[0], probability.shape), rtol=1e-3)
        assert flat < 1e-5
        assert spread(1.2)[0] == pytest.approx(2 * spread(0.6)[0], rel=0.1)

    def test_state_explains_the_probabilities(self, known):
        # log(-log(1 - P)) is linear in the state, the batch and the log depth: nothing else decides.
        design = np.column_stack(
            [
                known.obsm["state"],
                np.log(known["atac"].obs["true_depth"]),
                known.obs["batch"] == "batch_1",
                np.ones(known.n_obs),
            ]
        ).astype(float)
        probability = known["atac"].layers["probability"].astype(float)
        usual = (probability.max(axis=0) < 0.99) & (probability.min(axis=0) > 1e-6)
        target = np.log(-np.log1p(-probability[:, usual]))
        residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
        assert usual.sum() > 200
        assert np.abs(residual).max() < 1e-3


class TestRna:
    def test_means_add_up_to_the_depth(self, known):
        expected = 150 * known["rna"].obs["true_depth"]
        np.testing.assert_allclose(known["rna"].layers["mean"].sum(axis=1, dtype=float), expected, rtol=1e-5)

    @pytest.mark.parametrize(
        ("settings", "depth", "spread"),
        [
            pytest.param({}, 150, 0.5, id="multiome"),
            pytest.param({"technology": "snare"}, 45, 0.6, id="snare"),
            pytest.param({"rna_depth": 3000, "rna_depth_spread": 0.2}, 3000, 0.2, id="explicit"),
        ],
    )
    def test_depth(self, settings, depth, spread):
        total = np.asarray(simulate(1500, 300, 20, **settings)["rna"].X.sum(axis=1)).ravel()
        assert np.median(total) == pytest.approx(depth, rel=0.08)
        # On top of the depth itself: counting noise and the dispersion of the dominant genes.
        assert spread * 0.95 < np.log(total[total > 0]).std() < np.hypot(spread, 0.35)

    @pytest.mark.parametrize("name", ["rna", "protein"])
    def test_counts_follow_the_negative_binomial(self, known, name):
        # Randomised probability integral transform: uniform if, and only if, mean and dispersion are as stated.
        mean = known[name].layers["mean"].astype(float)
        dispersion = known[name].var["dispersion"].to_numpy()
        law = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
        counts = known[name].X.toarray()
        at, below = law.cdf(counts), law.cdf(counts - 1)
        uniform = below + np.random.default_rng(0).random(at.shape) * (at - below)
        assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
        poisson = stats.poisson(mean)
        at, below = poisson.cdf(counts), poisson.cdf(counts - 1)
        uniform = below + np.random.default_rng(0).random(at.shape) * (at - below)
        assert stats.kstest(uniform.ravel(), "uniform").pvalue < 1e-6

    def test_variance_of_each_gene(self, known):
        mean = known["rna"].layers["mean"].astype(float)
        dispersion = known["rna"].var["dispersion"].to_numpy()
        squares = (known["rna"].X.toarray() - mean) ** 2
        expected = (mean + dispersion * mean**2).sum(axis=0)
        frequent = mean.mean(axis=0) > 0.3
        ratio = squares.sum(axis=0)[frequent] / expected[frequent]
        assert frequent.sum() > 50
        assert np.median(ratio) == pytest.approx(1, abs=0.05)
        assert np.median(squares.sum(axis=0)[frequent] / mean.sum(axis=0)[frequent]) > 1.2

    def test_dispersion_falls_with_the_mean(self, known):
        mean = known["rna"].layers["mean"].mean(axis=0)
        assert stats.spearmanr(mean, known["rna"].var["dispersion"]).statistic < -0.5


class TestAtac:
    @pytest.mark.parametrize(
        ("settings", "density"),
        [
            pytest.param({}, 0.06, id="multiome"),
            pytest.param({"technology": "snare"}, 0.005, id="snare"),
            pytest.param({"peak_density": 0.25}, 0.25, id="explicit"),
            pytest.param({"peak_density": 0.99}, 0.99, id="nearly all open"),
            pytest.param({"peak_density": 0.03, "n_batches": 3, "batch_shift": 1.0}, 0.03, id="batches"),
        ],
    )
    @pytest.mark.parametrize("seed", [0, 1])
    def test_density(self, settings, density, seed):
        matrix = simulate(1000, 100, 2000, seed=seed, **settings)["atac"].X
        assert matrix.nnz / np.prod(matrix.shape) == pytest.approx(density, rel=0.03)

    def test_density_when_calibrated_on_a_part(self, monkeypatch):
        monkeypatch.setattr(_simulate_counts, "CALIBRATION_ENTRIES", 300_000)
        matrix = simulate(1000, 100, 2000)["atac"].X
        assert matrix.nnz / np.prod(matrix.shape) == pytest.approx(0.06, rel=0.1)

    @pytest.mark.parametrize(("technology", "share"), [("multiome", 0.7), ("snare", 0.02)])
    def test_counts_are_one_or_two(self, technology, share):
        data = simulate(1000, 100, 2000, technology=technology)["atac"].X.data
        assert set(data) == {1, 2}
        assert (data == 2).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / data.size))

    @pytest.mark.parametrize("axis", [0, 1], ids=["per peak", "per cell"])
    def test_probabilities_agree_with_the_counts(self, known, axis):
        probability = known["atac"].layers["probability"].astype(float)
        excess = (open_peaks(known) - probability).sum(axis=axis)
        z = excess / np.sqrt((probability * (1 - probability)).sum(axis=axis))
        assert 1e-3 < stats.chi2.sf((z**2).sum(), z.size) < 1 - 1e-3

    def test_probabilities_are_calibrated(self, known):
        probability = known["atac"].layers["probability"].ravel().astype(float)
        observed = open_peaks(known).ravel()
        bins = np.searchsorted(np.quantile(probability, np.linspace(0, 1, 21)[1:-1]), probability)
        expected, variance = (np.bincount(bins, w) for w in (probability, probability * (1 - probability)))
        z = (np.bincount(bins, observed) - expected) / np.sqrt(variance)
        assert 1e-3 < stats.chi2.sf((z**2).sum(), z.size) < 1 - 1e-3

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_scores_of_truth_and_mean_are_those_of_real_data(self, seed):
        mdata = simulate(1000, 300, 1000, seed=seed, truth=True)
        observed, truth = open_peaks(mdata), mdata["atac"].layers["probability"]
        frequency = np.broadcast_to(observed[:700].mean(axis=0), (300, 1000))
        flat = [roc_auc_score(observed[700:].ravel(), score.ravel()) for score in (truth[700:], frequency)]
        assert 0.83 < flat[0] < 0.90
        assert 0.73 < flat[1] < 0.82
        assert flat[0] - flat[1] > 0.05
        assert 0.70 < per_peak_auroc(observed[700:], truth[700:]) < 0.80
        assert per_peak_auroc(observed[700:], at_median_depth(mdata)[700:]) > 0.65

    def test_predictable_from_rna(self):
        mdata = simulate(2000, 300, 400, seed=3)
        rna = mdata["rna"].X.toarray()
        state = TruncatedSVD(10, random_state=0).fit_transform(np.log1p(rna / (rna.sum(1, keepdims=True) + 1) * 150))
        observed = open_peaks(mdata)
        shuffled = np.random.default_rng(0).permutation(2000)
        scores = [
            per_peak_auroc(
                observed[1500:],
                Ridge(10).fit(source[:1500], observed[:1500].astype(float)).predict(source[1500:]),
            )
            for source in (state, state[shuffled])
        ]
        assert scores[0] > 0.6
        assert scores[1] == pytest.approx(0.5, abs=0.02)


class TestLinks:
    def test_nearest_gene_and_weight(self, known):
        genes, peaks = known["rna"].var, known["atac"].var
        n_linked = 0
        for peak in peaks.itertuples():
            distance = ((peak.start + peak.end) // 2 - genes.loc[genes["chrom"] == peak.chrom, "start"]).abs()
            if len(distance) and distance.min() <= 150_000:
                n_linked += 1
                assert distance[peak.linked_gene] == distance.min()
                assert peak.link_weight == pytest.approx(np.exp(-distance.min() / 30_000), rel=1e-5)
            else:
                assert pd.isna(peak.linked_gene)
                assert peak.link_weight == 0
        assert 0.6 < n_linked / len(peaks) < 0.9

    def test_linked_peaks_follow_their_gene(self):
        mdata = simulate(600, 200, 800, n_cell_types=12, truth=True)
        peaks = mdata["atac"].var
        gene = peaks["linked_gene"].cat.codes.to_numpy()
        # Relative to the geometric mean of the cell: a share of the total would mix in all other genes.
        log_mean = np.log(mdata["rna"].layers["mean"].astype(float))
        expression = stats.zscore(log_mean - log_mean.mean(axis=1, keepdims=True))
        access = stats.zscore(np.log(-np.log1p(-at_median_depth(mdata).clip(max=1 - 1e-9))))
        correlation = expression.T @ access / 600  # (genes, peaks)
        close = np.flatnonzero(peaks["link_weight"] > 0.7)
        far = np.flatnonzero((peaks["link_weight"] > 0) & (peaks["link_weight"] < 0.2))
        other = (gene[close] + 77) % 200
        assert len(close) > 50
        expected = peaks["link_weight"].iloc[close].mean()
        assert correlation[gene[close], close].mean() == pytest.approx(expected, abs=0.1)
        assert correlation[gene[close], close].mean() > correlation[gene[far], far].mean() + 0.3
        assert abs(correlation[other, close].mean()) < 0.15

    def test_links_show_in_the_counts(self, known):
        # Means of cells of one type: what an analyst without the truth can see.
        groups = pd.get_dummies(known.obs["cell_type"]).to_numpy(dtype=float)
        means = {name: groups.T @ known[name].X.toarray() / groups.sum(0)[:, None] for name in ("rna", "atac")}
        gene = known["atac"].var["linked_gene"].cat.codes.to_numpy()
        frequent = {name: mean.mean(axis=0) > 0.02 for name, mean in means.items()}
        close = np.flatnonzero((known["atac"].var["link_weight"] > 0.5) & frequent["atac"] & frequent["rna"][gene])
        rna = stats.zscore(np.log(means["rna"][:, gene[close]] + 0.02))
        atac = stats.zscore(np.log(means["atac"][:, close] + 0.02))
        linked = (rna * atac).mean()
        random = (rna * np.roll(atac, 77, axis=1)).mean()
        assert len(close) > 100
        assert linked > random + 0.3


class TestBatches:
    @pytest.mark.parametrize("shift", [0.0, 0.5])
    def test_features_shift(self, shift):
        mdata = simulate(600, 400, 800, 20, n_batches=2, batch_shift=shift, gradient_strength=0, truth=True)
        largest = mdata.obs["cell_type"] == "type_1"
        first, second = ((largest & (mdata.obs["batch"] == f"batch_{k}")).to_numpy() for k in (1, 2))
        for rates in (relative_expression(mdata), -np.log1p(-at_median_depth(mdata).clip(max=1 - 1e-6))):
            change = np.log(rates[first].mean(axis=0) / rates[second].mean(axis=0))
            # Difference of two independent shifts.
            assert change.std() == pytest.approx(shift * np.sqrt(2), rel=0.1, abs=1e-2)

    def test_antibodies_shift(self):
        mdata = simulate(600, 50, 0, 100, n_batches=2, batch_shift=0.5, gradient_strength=0, truth=True)
        layers, depth = mdata["protein"].layers, mdata["protein"].obs["true_depth"].to_numpy()[:, None]
        foreground = (layers["mean"].astype(float) - layers["background"]) / depth
        largest = mdata.obs["cell_type"] == "type_1"
        first, second = ((largest & (mdata.obs["batch"] == f"batch_{k}")).to_numpy() for k in (1, 2))
        on = foreground[first].mean(axis=0) > 10
        change = np.log(foreground[first][:, on].mean(axis=0) / foreground[second][:, on].mean(axis=0))
        assert on.sum() > 30
        assert change.std() == pytest.approx(0.5 * np.sqrt(2), rel=0.25)

    def test_depth_differs(self):
        mdata = simulate(3000, 100, 200, 5, n_batches=3, batch_shift=0.4, truth=True)
        for name, adata in mdata.mod.items():
            log_depth = np.log(adata.obs["true_depth"]).groupby(adata.obs["batch"], observed=True).mean()
            np.testing.assert_allclose(np.sort(log_depth), [-0.4, 0, 0.4], atol=0.08)
            if name == "protein":
                continue  # one antibody can be most of the counts, and its own shift outweigh the depth
            total = pd.Series(np.asarray(adata.X.sum(axis=1)).ravel(), index=adata.obs_names)
            total = total.groupby(adata.obs["batch"], observed=True).median()
            assert total[log_depth.idxmax()] > 1.3 * total[log_depth.idxmin()]

    def test_one_batch_ignores_the_shift(self):
        a, b = (simulate(100, 50, 60, 4, batch_shift=shift) for shift in (0.0, 1.0))
        assert all(same_counts(a, b, name) for name in a.mod)


class TestProtein:
    def test_background_is_a_cell_factor_times_a_protein_factor(self, known):
        background = np.log(known["protein"].layers["background"].astype(float))
        residual = background - background.mean(0) - background.mean(1, keepdims=True) + background.mean()
        assert np.abs(residual).max() < 1e-4
        assert background.mean(axis=1).std() == pytest.approx(np.hypot(0.5, 0.3), rel=0.1)  # cells, and batch depth
        assert (known["protein"].layers["mean"] >= known["protein"].layers["background"]).all()

    def test_negative_cells_are_not_zero(self, known):
        # Where there is hardly any foreground, the counts are those of the background.
        mean, background = (known["protein"].layers[layer].astype(float) for layer in ("mean", "background"))
        negative = background > 0.9 * mean
        counts = known["protein"].X.toarray()
        assert 0.2 < negative.mean() < 0.8
        assert counts[negative].mean() == pytest.approx(background[negative].mean(), rel=0.1)
        assert (counts[negative] > 0).mean() > 0.95

    def test_foreground_follows_the_gene(self, known):
        mean, background = (known["protein"].layers[layer].astype(float) for layer in ("mean", "background"))
        foreground = (mean - background) / known["protein"].obs["true_depth"].to_numpy()[:, None]
        gene = known["rna"].var_names.get_indexer(known["protein"].var["gene"])
        one_batch = (known.obs["batch"] == "batch_1").to_numpy()
        protein = stats.zscore(np.log(foreground[one_batch].clip(min=1e-6)))
        rna = stats.zscore(np.log(relative_expression(known)[one_batch]))
        correlation = protein.T @ rna / one_batch.sum()
        own = correlation[np.arange(20), gene]
        assert np.median(own) > 0.6
        assert abs(np.median(correlation[np.arange(20), gene[::-1]])) < 0.4

    def test_more_proteins_than_genes(self):
        mdata = simulate(20, 5, 0, 12, n_cell_types=2)
        assert mdata["protein"].var_names.is_unique
        assert set(mdata["protein"].var["gene"]) == set(mdata["rna"].var_names)


class TestErrors:
    @pytest.mark.parametrize(
        ("settings", "error", "match"),
        [
            pytest.param({"n_cells": 0}, ValueError, "`n_cells` must be at least 1, got 0", id="no cells"),
            pytest.param({"n_genes": -3}, ValueError, "`n_genes` must be at least 1", id="negative genes"),
            pytest.param({"n_peaks": -1}, ValueError, "`n_peaks` must be at least 0", id="negative peaks"),
            pytest.param({"n_peaks": 2_000_000}, ValueError, "`n_peaks` must be at most", id="too many peaks"),
            pytest.param({"n_peaks": 0}, ValueError, "both 0", id="RNA alone"),
            pytest.param({"n_cells": 10.0}, TypeError, "`n_cells` must be an integer", id="float cells"),
            pytest.param({"n_proteins": True}, TypeError, "`n_proteins` must be an integer", id="bool proteins"),
            pytest.param(
                {"n_cells": 5, "n_cell_types": 6}, ValueError, "must not exceed `n_cells`", id="types > cells"
            ),
            pytest.param({"n_cells": 8, "n_batches": 9}, ValueError, "must not exceed `n_cells`", id="batches > cells"),
            pytest.param({"n_latent": 0}, ValueError, "`n_latent`", id="no latent"),
            pytest.param({"technology": "visium"}, ValueError, "one of .*multiome.*snare", id="unknown technology"),
            pytest.param({"technology": None}, TypeError, "`technology`", id="technology None"),
            pytest.param({"peak_density": 0.0}, ValueError, "`peak_density`.*above 0", id="density 0"),
            pytest.param({"peak_density": 1.0}, ValueError, "`peak_density`.*at most 0.99", id="density 1"),
            pytest.param({"peak_density": float("nan")}, ValueError, "`peak_density`", id="density NaN"),
            pytest.param({"peak_density": "5%"}, TypeError, "`peak_density` must be a number", id="density text"),
            pytest.param({"batch_shift": -0.1}, ValueError, "`batch_shift`", id="negative shift"),
            pytest.param({"batch_shift": None}, TypeError, "`batch_shift`", id="shift None"),
            pytest.param(
                {"gradient_strength": float("inf")}, ValueError, "`gradient_strength`", id="infinite gradient"
            ),
            pytest.param({"rna_depth": 0}, ValueError, "`rna_depth`", id="depth 0"),
            pytest.param({"rna_depth_spread": 50}, ValueError, "`rna_depth_spread`.*at most", id="huge spread"),
            pytest.param({"seed": -1}, ValueError, "`seed`", id="negative seed"),
            pytest.param({"seed": None}, TypeError, "`seed`", id="seed None"),
            pytest.param({"truth": "yes"}, TypeError, "`truth`", id="truth text"),
        ],
    )
    def test_refused(self, settings, error, match):
        with pytest.raises(error, match=match):
            simulate(**{"n_cells": 20, "n_genes": 10, "n_peaks": 10, **settings})

    @pytest.mark.parametrize("density", [1e-6, 0.99])
    def test_largest_settings_stay_finite(self, density):
        mdata = simulate(
            100,
            30,
            60,
            5,
            n_batches=3,
            batch_shift=2,
            gradient_strength=2,
            rna_depth=1e6,
            rna_depth_spread=2,
            peak_density=density,
            truth=True,
        )
        for name, layers in DENSE.items():
            assert all(np.isfinite(mdata[name].layers[layer]).all() for layer in layers)
            assert np.isfinite(mdata[name].X.data).all()
        probability = mdata["atac"].layers["probability"]
        assert probability.min() >= 0
        assert probability.max() <= 1
        assert probability.mean() == pytest.approx(density, rel=0.01)

    def test_numpy_scalars_are_numbers(self):
        a = simulate(np.int64(50), 40, 60, seed=np.int32(3), batch_shift=np.float32(0.5), n_batches=2)
        assert same_counts(a, simulate(50, 40, 60, seed=3, batch_shift=0.5, n_batches=2), "rna")
