"""The parts of the discriminant start, each against its formula in float64."""

import numpy as np
import pytest
import torch

from sklearn_lwal.heads import discriminant as D

N_CLASSES = 4


@pytest.fixture
def held_out():
    """Rows, some of a class without mass; labels' sums and masses; a head; offsets."""
    rng = np.random.default_rng(0)
    rows = torch.tensor(rng.normal(size=(30, 5)), dtype=torch.float32)
    y = torch.tensor(rng.integers(0, N_CLASSES, 30))
    weight = torch.tensor(rng.uniform(0.2, 0.8, 30), dtype=torch.float32)
    mass = torch.tensor([0.3, 0.7, 0.0, 2.0], dtype=torch.float64)
    sums = torch.tensor(rng.normal(size=(N_CLASSES, 5))) * mass[:, None]
    head = torch.tensor(rng.normal(size=(3, 5)))
    offsets = torch.tensor(rng.normal(size=(2, N_CLASSES)))
    return rows, y, weight, head, sums, mass, offsets


def losses_twin(rows, y, weight, head, sums, mass, offsets):
    """Row by row, offset by offset; classes without mass do not exist."""
    rows, head = rows.double().numpy(), head.numpy()
    present = np.flatnonzero(mass > 0)
    labels = (sums / mass[:, None]).numpy()[present] @ head.T
    temperatures = np.exp(np.linspace(-4, 3, 15))
    losses, known = np.zeros((len(offsets), 15)), 0.0
    for x, c, w in zip(rows, y.tolist(), weight.tolist(), strict=True):
        if c not in present:
            continue
        known += w
        distance = np.linalg.norm(x @ head.T - labels, axis=1)
        for i, offset in enumerate(offsets.numpy()):
            scores = offset[present] - temperatures[:, None] * distance
            own = scores[:, list(present).index(c)]
            losses[i] += w * (np.log(np.exp(scores).sum(1)) - own)
    return losses, known


@pytest.mark.parametrize("at_once", [1, 200, 250_000])
def test_losses_of_held_out_rows(held_out, at_once, monkeypatch):
    monkeypatch.setattr(D, "AT_ONCE", at_once)
    found, known = D.held_out_losses(*held_out)
    expected, expected_known = losses_twin(*held_out)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert float(known) == pytest.approx(expected_known)


def test_the_choice_looks_at_seven_powers_of_e():
    np.testing.assert_allclose(D.LOG_TEMPERATURES, np.arange(-4, 3.5, 0.5))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_the_minimum_of_a_parabola(scale):
    x = torch.linspace(0.0, 3.0, 7, dtype=torch.float64)
    y = scale * (x - 1.2).square() + 5
    assert float(D._vertex(x, y, int(y.argmin()))) == pytest.approx(1.2)


def test_a_minimum_at_an_end_or_on_a_plain_is_where_it_was_measured():
    x = torch.linspace(0.0, 3.0, 7, dtype=torch.float64)
    for y, j in ((x, 0), (-x, 6), (torch.ones(7).double(), 3)):
        assert float(D._vertex(x, y, j)) == float(x[j])


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_only_ratios_of_masses_make_the_prior(scale):
    mass = torch.tensor([0.4, 0.0, 0.2], dtype=torch.float64)
    expected = (torch.tensor([4.0, 2.0, 2.0]).double() / (8 / 3)).log()
    torch.testing.assert_close(D.log_prior(scale * mass), expected)


@pytest.mark.parametrize(("scale", "jitter"), [(1e6, 4e-3), (1.0, 4e-9), (0.0, 1e-21)])
def test_the_diagonal_is_raised_by_a_billionth_of_its_largest(scale, jitter):
    gram = scale * torch.tensor([[4.0, 4.0], [4.0, 4.0]], dtype=torch.float64)
    L = D.row_coordinates(gram)
    added = (L @ L.T - gram).diagonal()
    np.testing.assert_allclose(added, jitter, rtol=1e-6, atol=1e-9 * scale)


def test_spare_rows_are_drawn_in_float64():
    weight = torch.eye(3, 40, dtype=torch.float64) * 5
    found = D.with_spare_rows(weight, 5, torch.Generator().manual_seed(1), length=0.1)
    drawn = torch.randn(
        2, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    torch.testing.assert_close(found[3:], drawn * (0.1 * 5 / 40**0.5))
    assert (
        D.with_spare_rows(weight.float(), 5, torch.Generator()).dtype == torch.float32
    )


def test_rows_of_a_class_go_round_the_folds():
    y = torch.tensor([0, 1] * 50)
    fold, n_tested = D._folds(y)
    assert n_tested == D.N_FOLDS == 5
    for c in (0, 1):
        assert fold[y == c].bincount().tolist() == [10] * 5


@pytest.mark.parametrize(
    ("n", "n_folds", "n_tested"),
    [
        (1000, 5, 5),
        (1250, 5, 4),
        (5000, 5, 1),
        (5999, 5, 1),
        (6000, 6, 1),
        (1001, 5, 5),
    ],
)
def test_about_a_thousand_rows_are_held_out(n, n_folds, n_tested):
    fold, found = D._folds(torch.zeros(n, dtype=torch.int64))
    assert found == n_tested
    assert int(fold.max()) == n_folds - 1


def test_what_is_left_without_the_held_out_rows():
    sums = torch.ones(3, 2, dtype=torch.float64)
    left = torch.tensor([1.0, 1e-7, 2e-6], dtype=torch.float64)
    found, mass = D._left(sums, left, torch.ones(3).double())
    torch.testing.assert_close(mass, torch.tensor([1.0, 0.0, 2e-6]).double())
    torch.testing.assert_close(
        found, torch.tensor([[1.0], [0], [1]]).expand(3, 2).double()
    )


def test_shrunk_towards_what_scatters():
    between = torch.tensor([[3.0, 0], [0, 1]], dtype=torch.float64)
    covariance = torch.diag(torch.tensor([4.0, 2.0], dtype=torch.float64))
    found = D.shrunk(covariance, 0.25, between)
    torch.testing.assert_close(found.diagonal(), torch.tensor([3.75, 2.25]).double())
    # Nothing scatters within the classes: the variance between them, 10 / 2.
    found = D.shrunk(torch.zeros(2, 2).double(), 0.25, between)
    torch.testing.assert_close(found, 1.25 * torch.eye(2).double())
    # Nothing scatters at all.
    none = torch.zeros(2, 2).double()
    torch.testing.assert_close(D.shrunk(none, 0.25, none), 0.25 * torch.eye(2).double())


def test_class_means_take_weights():
    rows = torch.tensor([[1.0], [3.0], [5.0]])
    found = D._class_means(rows, torch.tensor([0, 0, 2]), torch.tensor([1.0, 3, 2]), 3)
    torch.testing.assert_close(found, torch.tensor([[2.5], [0], [5]]))


def test_the_start_takes_the_choice_whole(monkeypatch):
    asked = []

    def choose(rows, y, weight, sums, mass, output_dim, offset, shrinkages):
        asked.append((output_dim, offset, shrinkages))
        scatter = D.Scatter.of(rows, y, weight, 2)
        return shrinkages[1], 3.0, True, scatter

    monkeypatch.setattr(D, "choose", choose)
    rows, y = torch.randn(12, 3), torch.arange(12) % 2
    sums = torch.stack([rows[y == c].sum(0) for c in (0, 1)]).double()
    mass = torch.tensor([6.0, 6.0]).double()
    offset = torch.tensor([1.0, 2.0])
    found = D.discriminant_start(
        rows, y, torch.ones(12), sums, mass, 2, offset, shrinkages=(0.3, 0.6)
    )
    assert asked == [(2, offset, (0.3, 0.6))]
    assert found[1:] == (pytest.approx(0.8 * 3.0), 0.6, True)
    D.discriminant_start(rows, y, torch.ones(12), sums, mass, 2)
    assert asked[1] == (2, None, (0.01, 0.05, 0.2, 0.5, 0.9))


def test_a_matrix_that_is_not_quite_positive_definite():
    nearly = torch.diag(torch.tensor([2.0, -1e-9], dtype=torch.float64))
    before = nearly.clone()
    factor = D._cholesky(nearly)
    torch.testing.assert_close(
        factor @ factor.T, torch.diag(torch.tensor([3.0, 1.0])).double()
    )
    torch.testing.assert_close(nearly, before, rtol=0, atol=0)
    # Rounding alone: twice the largest row sum makes it positive definite.
    factor = D._cholesky(torch.tensor([[0.0, 4], [4, 0]]).double())
    expected = torch.tensor([[8.0, 4], [4, 8]]).double()
    torch.testing.assert_close(factor @ factor.T, expected)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e3])
def test_there_is_one_direction_less_than_classes(scale):
    covariance = torch.eye(3, dtype=torch.float64)
    between = scale * torch.diag(torch.tensor([3.0, 2.0, 1.0])).double()
    found = D.directions(covariance, between, 5)
    # The first two, each of unit length in these units.
    torch.testing.assert_close(found.abs(), torch.eye(2, 3).double())
    assert len(D.directions(covariance, between, 1)) == 1


def test_directions_that_are_rounding_are_left_out():
    covariance = torch.eye(3, dtype=torch.float64)
    for second, n_found in ((1e-4, 2), (1e-6, 1)):
        between = torch.diag(torch.tensor([1.0, second, 0.0])).double()
        assert len(D.directions(covariance, between, 5)) == n_found


def test_no_finite_solution():
    covariance = torch.full((2, 2), torch.inf).double()
    with pytest.raises(ValueError, match=r".") as info:
        D.directions(covariance, torch.eye(2).double(), 1)
    assert str(info.value) == (
        "The discriminant start has no finite solution: features or sample weights are "
        "too large or too far apart in size. Scale them."
    )


@pytest.mark.parametrize("scale", [1e-7, 1.0])
def test_the_variance_within_counts_unless_it_vanishes(scale):
    between = scale * torch.tensor([[0.3, 0.1]], dtype=torch.float64)
    covariance = torch.diag(torch.tensor([4.0, 2.0])).double()
    found = D.shrunk(covariance, 0.5, between).diagonal()
    torch.testing.assert_close(found, torch.tensor([3.5, 2.5]).double())
    found = D.shrunk(1e-30 * covariance, 0.5, between).diagonal()
    expected = 0.5 * 0.05 * scale**2
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def chosen(sizes, distance, offset=None):
    rng = np.random.default_rng(0)
    y = torch.tensor(np.repeat([0, 1], sizes))
    rows = torch.tensor(rng.normal(size=(len(y), 3)) + distance * y.numpy()[:, None])
    rows, weight = (rows - rows.mean(0)).float(), torch.ones(len(y))
    found = D.Scatter.of(rows, y, weight, 2)
    assert found.mass.dtype == torch.float64
    return D.choose(rows, y, weight, found.sums, found.mass, 2, offset)


def test_the_prior_counts_where_it_helps():
    assert chosen((900, 100), 0.2)[2] is True
    assert chosen((500, 500), 0.2)[2] is False
    # It is there already.
    offset = D.log_prior(torch.tensor([900.0, 100.0]))
    assert chosen((900, 100), 0.2, offset)[2] is False


def test_without_a_row_to_hold_out_the_choice_is_the_safest():
    shrinkage, temperature, uses_prior, scatter = chosen((1, 1), 1.0)
    assert (shrinkage, temperature, uses_prior) == (0.9, 1.0, False)
    assert not scatter.within_class().any()
