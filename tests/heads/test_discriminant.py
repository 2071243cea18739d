"""The discriminant start against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sklearn_lwal.heads import discriminant as D


def make_rows(n=200, d=6, n_classes=4, seed=0, spread=1.0):
    """Centred rows of correlated features, classes of unequal size, and weights."""
    rng = np.random.default_rng(seed)
    y = np.sort(rng.integers(0, n_classes, n))
    y[:n_classes] = np.arange(n_classes)
    mixing = rng.normal(size=(d, d)) / d**0.5 + np.eye(d)
    means = spread * rng.normal(size=(n_classes, d))
    X = means[y] + rng.normal(size=(n, d)) @ mixing
    return X - X.mean(0), y, rng.uniform(0.5, 2, n)


def tensors(X, y, weight):
    X, weight = (torch.tensor(part, dtype=torch.float32) for part in (X, weight))
    return X, torch.tensor(y), weight


def class_sums(X, y, weight, n_classes):
    """Sums and weights of the classes, float64 tensors."""
    member = (y == np.arange(n_classes)[:, None]) * weight
    return torch.tensor(member @ X), torch.tensor(member.sum(1))


def within_twin(X, y, weight, n_classes):
    """Scatter around the class means, row by row."""
    total = np.zeros((X.shape[1], X.shape[1]))
    present = 0
    for c in range(n_classes):
        mine = (y == c) & (weight > 0)
        if mine.any():
            present += 1
            moved = X[mine] - np.average(X[mine], axis=0, weights=weight[mine])
            total += moved.T @ (weight[mine, None] * moved)
    return total / (weight.sum() * (1 - present / len(X)))


def shrink_twin(covariance, g):
    d = len(covariance)
    return (1 - g) * covariance + g * np.trace(covariance) / d * np.eye(d)


def directions_twin(covariance, sums, mass, output_dim):
    """Whiten the scatter, then the principal axes of the weighted class means."""
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    sums, mass = np.asarray(sums), np.asarray(mass)
    share = mass / mass.sum()
    means = sums / np.maximum(mass, 1e-300)[:, None]
    between = np.sqrt(share)[:, None] * (means - share @ means) @ whiten
    _, sizes, axes = np.linalg.svd(between)
    k = min(output_dim, (sizes > 1e-5 * sizes[0]).sum(), len(mass) - 1)
    return axes[:k] @ whiten.T


def gram(W, X):
    """Inner products of the latents: the same for every choice of the signs."""
    z = np.asarray(X, dtype=np.float64) @ np.asarray(W).T
    return z @ z.T


@pytest.mark.parametrize("output_dim", [1, 2, 3, 4, 40])
@pytest.mark.parametrize("shrinkage", D.SHRINKAGES)
def test_directions(shrinkage, output_dim):
    X, y, weight = make_rows()
    sums, mass = class_sums(X, y, weight, 4)
    covariance = torch.tensor(within_twin(X, y, weight, 4))
    between = D.between_classes(sums, mass)
    mine = D.shrunk(covariance, shrinkage, between)
    np.testing.assert_allclose(mine, shrink_twin(covariance.numpy(), shrinkage))
    W = D.directions(mine, between, output_dim)
    assert W.shape == (min(output_dim, 3), 6)
    expected = directions_twin(mine.numpy(), sums, mass, output_dim)
    np.testing.assert_allclose(W.abs(), np.abs(expected), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(W @ mine @ W.T, np.eye(len(W)), atol=1e-9)


def test_directions_do_not_see_where_all_rows_lie():
    X, y, weight = make_rows()
    covariance = torch.tensor(within_twin(X, y, weight, 4))
    centred, moved = (
        D.directions(
            covariance, D.between_classes(*class_sums(X + by, y, weight, 4)), 3
        )
        for by in (0, 7)
    )
    np.testing.assert_allclose(centred.abs(), moved.abs(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.01, 0.2, 0.9])
def test_linear_discriminant_analysis_of_scikit_learn(shrinkage):
    # Classes of one size, since nearest means know of no priors.
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 60)
    X = rng.normal(size=(4, 5))[y] + rng.normal(size=(240, 5)) @ rng.normal(size=(5, 5))
    X -= X.mean(0)
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage).fit(X, y)
    rows, index, weight = tensors(X, y, np.ones(240))
    between = D.between_classes(*class_sums(X, y, np.ones(240), 4))
    covariance = D.Scatter.of(rows, index, weight, 4).within_class()
    W = D.directions(D.shrunk(covariance, shrinkage, between), between, 3).numpy()
    z = X @ W.T
    means = np.array([z[y == c].mean(0) for c in range(4)])
    nearest = ((z[:, None] - means) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(nearest, lda.predict(X))
    # There the divisor is n, here n less the number of classes.
    coefficients = (means - means[0]) @ W * (240 / 236)
    expected = lda.coef_ - lda.coef_[0]
    np.testing.assert_allclose(coefficients, expected, rtol=1e-3, atol=1e-4)


def parts(scatter):
    return [np.asarray(part, dtype=float) for part in vars(scatter).values()]


class TestScatter:
    def test_within_class(self):
        X, y, weight = make_rows()
        covariance = D.Scatter.of(*tensors(X, y, weight), 4).within_class()
        expected = within_twin(X, y, weight, 4)
        np.testing.assert_allclose(covariance, expected, rtol=1e-4, atol=1e-4)

    def test_a_class_without_rows_costs_no_degree_of_freedom(self):
        X, y, weight = make_rows(n=12)
        one, two = (
            D.Scatter.of(*tensors(X, y, weight), n_classes).within_class()
            for n_classes in (4, 9)
        )
        np.testing.assert_allclose(one, two)

    def test_adding_and_subtracting(self):
        X, y, weight = make_rows()
        held = np.arange(200) % 5 == 0
        all_rows = D.Scatter.of(*tensors(X, y, weight), 4)
        some, rest = (
            D.Scatter.of(*tensors(X[m], y[m], weight[m]), 4) for m in (held, ~held)
        )
        for one, two in ((some + rest, all_rows), (all_rows - some, rest)):
            for mine, theirs in zip(parts(one), parts(two), strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(
                one.within_class(), two.within_class(), rtol=1e-4, atol=1e-4
            )

    def test_a_weight_of_two_is_two_rows(self):
        X, y, _ = make_rows()
        times = np.arange(200) % 3
        weighted = D.Scatter.of(*tensors(X, y, times), 4)
        repeated = tensors(X.repeat(times, 0), y.repeat(times), np.ones(times.sum()))
        for mine, theirs in zip(
            parts(weighted)[:3], parts(D.Scatter.of(*repeated, 4))[:3], strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("scale", [1e-6, 1e6])
    def test_only_ratios_of_weights_count(self, scale):
        X, y, weight = make_rows()
        one, two = (
            D.Scatter.of(*tensors(X, y, w), 4).within_class()
            for w in (weight, scale * weight)
        )
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


class TestFewerRowsThanColumns:
    def test_coordinates_have_the_inner_products_of_the_rows(self):
        X, _, _ = make_rows(n=30, d=80)
        L = D.row_coordinates(torch.tensor(X @ X.T))
        assert L.shape == (30, 30)
        np.testing.assert_allclose(L @ L.T, X @ X.T, atol=1e-5 * (X @ X.T).max())

    def test_latents_of_the_direct_route(self):
        X, y, weight = make_rows(n=30, d=80)
        A = torch.tensor(X)
        L = D.row_coordinates(A @ A.T)
        # In its own coordinates a covariance has another mean diagonal: one ridge.
        ridge, results = 0.7, []
        for rows in (X, L.numpy()):
            covariance = torch.tensor(within_twin(rows, y, weight, 4))
            covariance += ridge * torch.eye(len(covariance))
            sums, mass = class_sums(rows, y, weight, 4)
            results.append(D.directions(covariance, D.between_classes(sums, mass), 3))
        direct, spanned = results
        expected = gram(direct, X)
        np.testing.assert_allclose(gram(spanned, L), expected, rtol=1e-3, atol=1e-3)
        shares = torch.linalg.solve_triangular(L.T, spanned.T, upper=True)
        np.testing.assert_allclose(
            gram(shares.T @ A, X), expected, rtol=1e-3, atol=1e-3
        )

    @pytest.mark.parametrize("rows", [np.zeros((4, 9)), np.ones((4, 9))])
    def test_rows_that_span_next_to_nothing(self, rows):
        L = D.row_coordinates(torch.tensor(rows @ rows.T))
        assert torch.isfinite(L).all()


def start(X, y, weight, n_classes, output_dim=None):
    sums, mass = class_sums(X, y, weight, n_classes)
    return D.discriminant_start(
        *tensors(X, y, weight), sums, mass, output_dim or n_classes
    )


class TestDegenerate:
    @pytest.mark.parametrize("d", [2, 5, 30])
    @pytest.mark.parametrize("rows_a_class", [1, 3])
    def test_nothing_scatters_within_the_classes(self, d, rows_a_class):
        # Rounding makes the scatter lose positive definiteness.
        for seed in range(5):
            rng = np.random.default_rng(seed)
            X = rng.normal(size=(10, d)).repeat(rows_a_class, 0)
            y = np.arange(10).repeat(rows_a_class)
            self.check(X - X.mean(0), y, 10)

    @pytest.mark.parametrize("spread", [1e2, 1e3, 1e4, 1e5, 1e6])
    def test_classes_far_apart(self, spread):
        for d in (3, 10, 40):
            X, y, weight = make_rows(d=d, spread=spread)
            self.check(X / X.std(), y, 4, weight)

    def test_class_means_coincide(self):
        X, y, _ = make_rows()
        for c in range(4):
            X[y == c] -= X[y == c].mean(0)
        assert len(self.check(X, y, 4).weight) <= 3

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_rows_coincide(self, value):
        found = self.check(np.full((30, 4), value), np.arange(30) % 3, 3)
        assert len(found.weight) == 0

    @pytest.mark.parametrize("n_present", [1, 2, 3])
    def test_classes_without_rows(self, n_present):
        X, y, _ = make_rows(n_classes=n_present)
        found = self.check(X - X.mean(0), y, 6)
        assert len(found.weight) == n_present - 1

    def test_constant_columns(self):
        X, y, _ = make_rows()
        self.check(np.hstack([X, np.zeros((200, 3))]), y, 4)

    def test_a_class_of_a_single_row(self):
        X, y, _ = make_rows()
        y[y == 0] = 1
        y[5] = 0
        self.check(X, y, 4)

    def check(self, X, y, n_classes, weight=None):
        weight = np.ones(len(y)) if weight is None else weight
        found = start(X, y, weight, n_classes)
        assert found.weight.shape[1] == X.shape[1]
        assert len(found.weight) <= n_classes - 1
        assert torch.isfinite(found.weight).all()
        assert np.isfinite(found.temperature)
        assert found.temperature > 0
        assert found.shrinkage in D.SHRINKAGES
        return found


def brute_force(X, y, weight, n_classes, temperatures):
    """Log-loss on the held-out rows, (n shrinkages, n temperatures)."""
    fold = np.empty(len(y), int)
    fold[np.argsort(y, kind="stable")] = np.arange(len(y)) % D.N_FOLDS
    n_tested = min(D.N_FOLDS, int(np.ceil(D.HELD_OUT_ROWS * D.N_FOLDS / len(y))))
    losses = np.zeros((len(D.SHRINKAGES), len(temperatures)))
    for k in range(n_tested):
        held, kept = fold == k, fold != k
        sums, mass = class_sums(X[kept], y[kept], weight[kept], n_classes)
        covariance = within_twin(X[kept], y[kept], weight[kept], n_classes)
        for i, g in enumerate(D.SHRINKAGES):
            W = directions_twin(shrink_twin(covariance, g), sums, mass, n_classes)
            labels = (sums / mass[:, None]).numpy() @ W.T
            z = X[held] @ W.T
            distance = np.sqrt(((z[:, None] - labels) ** 2).sum(2))
            distance -= distance.min(1, keepdims=True)
            own = distance[np.arange(len(z)), y[held]]
            for j, t in enumerate(temperatures):
                loss = t * own + np.log(np.exp(-t * distance).sum(1))
                losses[i, j] += weight[held] @ loss
    return losses


class TestChoose:
    @pytest.mark.parametrize("n", [300, 4000])
    def test_least_loss_on_held_out_rows(self, n, monkeypatch):
        X, y, weight = make_rows(n=n, seed=3)
        weight = weight.astype(np.float32).astype(float)
        sums, mass = class_sums(X, y, weight, 4)
        # As if the classes' shares were not to count.
        monkeypatch.setattr(D, "log_prior", torch.zeros_like)
        shrinkage, temperature, _, scatter = D.choose(
            *tensors(X, y, weight), sums, mass, 4
        )
        fine = np.exp(np.linspace(-2, 2, 201))
        losses = brute_force(X, y, weight, 4, fine)
        losses += weight.mean() * np.log(fine) ** 2
        i = D.SHRINKAGES.index(shrinkage)
        assert losses[i].min() <= losses.min() * (1 + 1e-4)
        assert temperature == pytest.approx(fine[losses[i].argmin()], rel=0.06)
        whole = D.Scatter.of(*tensors(X, y, weight), 4).within_class()
        np.testing.assert_allclose(scatter.within_class(), whole, rtol=1e-3, atol=1e-3)
        found = start(X, y, weight, 4)
        assert found.temperature == pytest.approx(D.ROOM_TO_SHARPEN * temperature)
        expected = directions_twin(
            shrink_twin(within_twin(X, y, weight, 4), shrinkage), sums, mass, 4
        )
        np.testing.assert_allclose(gram(found.weight, X), gram(expected, X), atol=0.01)

    def test_many_columns_and_few_rows_are_shrunk_the_most(self):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            y = np.arange(40) % 2
            X = rng.normal(size=(40, 100)) + 0.15 * np.where(y, 1, -1)[:, None]
            assert start(X - X.mean(0), y, np.ones(40), 2).shrinkage >= 0.5

    def test_few_columns_and_many_rows_are_shrunk_the_least(self):
        # All that tells the classes apart lies where the rows scatter least.
        rng = np.random.default_rng(0)
        y = np.arange(5000) % 2
        X = rng.normal(size=(5000, 4)) * [10, 10, 10, 0.1]
        X[:, 3] += 0.1 * y
        assert start(X - X.mean(0), y, np.ones(5000), 2).shrinkage == 0.01

    def test_rows_without_weight_do_not_count(self):
        X, y, weight = make_rows()
        rng = np.random.default_rng(1)
        junk = np.where(np.arange(200) % 2, 0, weight)
        spoiled = np.where(junk[:, None] > 0, X, 5 * rng.normal(size=X.shape))
        one = start(X, y, junk, 4)
        two = start(spoiled, y, junk, 4)
        assert one.shrinkage == two.shrinkage
        assert one.temperature == pytest.approx(two.temperature, rel=1e-3)
        np.testing.assert_allclose(
            gram(one.weight, X), gram(two.weight, X), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("output_dim", [3, 4, 20])
def test_spare_rows(output_dim):
    torch.manual_seed(0)
    weight = torch.randn(3, 500, dtype=torch.float64)
    found = D.with_spare_rows(weight, output_dim, torch.Generator().manual_seed(1))
    again = D.with_spare_rows(weight, output_dim, torch.Generator().manual_seed(1))
    assert found.shape == (output_dim, 500)
    torch.testing.assert_close(found, again, rtol=0, atol=0)
    torch.testing.assert_close(found[:3], weight, rtol=0, atol=0)
    expected = D.SPARE_LENGTH * weight.norm(dim=1).mean()
    np.testing.assert_allclose(found[3:].norm(dim=1), expected, rtol=0.2)


def test_nothing_but_spare_rows():
    found = D.with_spare_rows(torch.zeros(0, 400).double(), 5, torch.Generator())
    assert found.shape == (5, 400)
    np.testing.assert_allclose(found.norm(dim=1), D.SPARE_LENGTH, rtol=0.2)


def test_a_class_without_rows_counts_as_the_rarest():
    found = D.log_prior(torch.tensor([4.0, 0.0, 2.0]))
    expected = (torch.tensor([4.0, 2.0, 2.0]) / (8 / 3)).log()
    torch.testing.assert_close(found, expected)
