"""Heads whose labels follow the class means of the features, and the head itself."""

import copy

import pytest
import torch

from sklearn_lwal import AdaptiveLabels
from sklearn_lwal.heads.adaptive_head import FAR_AWAY, AdaptiveHead
from sklearn_lwal.heads.base import Head
from sklearn_lwal.heads.linear import StandardizedLinear

D, N_CLASSES, WIDTH = 4, 3, 5
MASS = torch.tensor([2.0, 1.0, 0.0])


def make_head(standardized=False, **options):
    options = {"label_update": "features", **options}
    head = AdaptiveHead(D, N_CLASSES, WIDTH, **options)
    if standardized:
        head.linear = StandardizedLinear(head.linear)
        head.linear.set_statistics(torch.randn(D), torch.rand(D) + 0.5)
    return head.double()


def make_batch(n=12, weighted=True):
    x, y = torch.randn(n, D).double(), torch.arange(n) % N_CLASSES
    return x, y, torch.rand(n).double() if weighted else None


def loss_of(head, x, y, weight=None):
    z, beside = head.training_latents(x)
    return head.loss(z, y, weight, beside)[0]


class TestConstantFeatures:
    @pytest.mark.parametrize("standardized", [False, True])
    @pytest.mark.parametrize("momentum", [0.0, 0.4])
    def test_labels_are_latents_of_means(self, standardized, momentum):
        head = make_head(standardized, label_momentum=momentum)
        x, y, weight = make_batch()
        means = torch.randn(N_CLASSES, D).double()
        head.set_class_features(means, MASS)
        before = head.labels.clone()
        loss = loss_of(head, x, y, weight)
        expected = momentum * before + (1 - momentum) * head(means)
        torch.testing.assert_close(head.labels[:2], expected[:2].detach())
        # Nothing is known of the last class.
        torch.testing.assert_close(head.labels[2], before[2])
        plain = AdaptiveLabels(N_CLASSES, WIDTH).double().eval()
        plain.set_labels(head.labels)
        torch.testing.assert_close(loss, plain(head(x), y, weight))

    def test_latents_of_the_means_are_known_or_found(self):
        head = make_head()
        head.set_class_features(torch.randn(N_CLASSES, D), MASS)
        x, y, weight = make_batch()
        z, beside = head.training_latents(x)
        torch.testing.assert_close(z, head(x))
        assert beside is None
        beside = head(head.class_features)
        with_them = head.loss(z, y, weight, beside)[0]
        torch.testing.assert_close(head.loss(head(x), y, weight)[0], with_them)

    def test_gradients_flow_through_the_means(self):
        head = make_head(l2=0.1)
        head.set_class_features(torch.randn(N_CLASSES, D), MASS)
        batch = make_batch()

        def loss(*_):
            return loss_of(copy.copy(head), *batch)

        assert torch.autograd.gradcheck(loss, [*head.linear.parameters()])

    def test_in_evaluation_labels_stay(self):
        head = make_head().eval()
        head.set_class_features(torch.randn(N_CLASSES, D), MASS)
        before = head.labels.clone()
        x, y, weight = make_batch()
        loss = head.loss(head(x), y, weight)[0]
        torch.testing.assert_close(loss, head.adaptive(head(x), y, weight))
        assert torch.equal(head.labels, before)

    def test_they_are_given_anew(self):
        head = make_head()
        assert not {"class_features", "class_mass"} & head.state_dict().keys()
        running = make_head(feature_decay=0.9)
        assert {"class_features", "class_mass"} <= running.state_dict().keys()
        assert not hasattr(make_head(label_update="batch"), "class_features")


class TestRunningMeans:
    @pytest.mark.parametrize("standardized", [False, True])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_sums_that_count_less_with_every_step(self, standardized, weighted):
        head = make_head(standardized, feature_decay=0.8)
        sums, mass = torch.zeros(N_CLASSES, D).double(), torch.zeros(N_CLASSES).double()
        for step in range(4):
            x, y, weight = make_batch(weighted=weighted)
            if step == 0:
                y = y.clamp_max(1)
            member = torch.eye(N_CLASSES)[y].T.double()
            member = member if weight is None else member * weight
            sums, mass = 0.8 * sums + member @ x, 0.8 * mass + member.sum(1)
            z, beside = head.training_latents(x.requires_grad_())
            torch.testing.assert_close(z, head(x))
            assert beside.data_ptr() == x.data_ptr()
            assert not beside.requires_grad
            before = head.labels.clone()
            head.loss(z, y, weight, beside)
            means = sums / mass.clamp_min(1e-300)[:, None]
            known = mass > 0
            torch.testing.assert_close(head.labels[known], head(means)[known].detach())
            torch.testing.assert_close(head.labels[~known], before[~known])
            torch.testing.assert_close(head.class_mass, mass)
            units = head.linear.standardize(means) if standardized else means
            torch.testing.assert_close(head.class_features[known], units[known])
            assert not head.class_features.requires_grad
        assert known.all()

    def test_gradients_flow_through_the_batch_and_what_was_before(self):
        head = make_head(feature_decay=0.8)
        loss_of(head, *make_batch())
        x, y, weight = make_batch()
        start = copy.deepcopy(head.state_dict())

        def loss(x, weights, bias):
            other = copy.deepcopy(head)
            other.load_state_dict(start)
            parameters = {"linear.weight": weights, "linear.bias": bias}
            found = torch.func.functional_call(
                Whole(other), {f"head.{k}": v for k, v in parameters.items()}, (x,)
            )
            return found

        class Whole(torch.nn.Module):
            def __init__(self, head):
                super().__init__()
                self.head = head

            def forward(self, x):
                return loss_of(self.head, x, y, weight)

        parameters = [p.detach().requires_grad_() for p in head.linear.parameters()]
        assert torch.autograd.gradcheck(loss, (x.requires_grad_(), *parameters))


class TestStart:
    def test_labels_where_the_means_are(self):
        head = make_head()
        means = 3 * torch.randn(N_CLASSES, D).double()
        head.set_class_features(means, MASS)
        head.start_labels()
        expected = head(means).detach()
        torch.testing.assert_close(head.labels[:2], expected[:2])
        # The third class is far from all others, along the third axis.
        size = expected[:2].norm(dim=1).max().clamp_min(1)
        axis = FAR_AWAY * size * torch.eye(WIDTH)[2]
        torch.testing.assert_close(head.labels[2], axis.double())

    def test_small_labels_and_few_dimensions(self):
        head = AdaptiveHead(D, 5, 2, label_update="features")
        with torch.no_grad():
            head.linear.bias.zero_()
        head.set_class_features(torch.zeros(5, D), torch.zeros(5))
        head.start_labels()
        axes = FAR_AWAY * torch.eye(2)[[0, 1, 0, 1, 0]]
        assert head.labels.dtype == torch.float32
        torch.testing.assert_close(head.labels, axes)

    def test_a_temperature(self):
        head = make_head()
        head.set_temperature(3.0)
        assert head.adaptive.temperature.item() == 3
        assert head.adaptive.current_temperature() is head.adaptive.temperature

    def test_offsets_of_priors_and_class_weights(self):
        head = make_head()
        assert not head.uses_prior
        weights = torch.tensor([1.0, 2.0, 3.0])
        by_weights = (weights / 2).log().double()
        head.set_class_weights(weights, first=True)
        torch.testing.assert_close(head.adaptive.class_offset, by_weights)
        # A prior has the class weights in it.
        prior = torch.tensor([0.3, -0.2, 0.1]).double()
        head.set_prior(prior)
        assert head.uses_prior
        torch.testing.assert_close(head.adaptive.class_offset, prior)
        torch.testing.assert_close(head.log_prior, prior - by_weights)
        # With other weights, the prior that is left counts.
        head.set_class_weights(torch.ones(3), first=False)
        torch.testing.assert_close(head.adaptive.class_offset, prior - by_weights)
        head.set_prior(2 * prior)
        torch.testing.assert_close(head.log_prior, 2 * prior)

    @pytest.mark.parametrize("standardized", [False, True])
    def test_latents_of_means(self, standardized):
        head = make_head(standardized)
        means = torch.randn(2, D).double()
        torch.testing.assert_close(head.latents_of(means), head.eval()(means))
        assert head.float().latents_of(means).dtype == torch.float32


class TestBuffers:
    def test_what_training_changes(self):
        head = make_head()
        assert [*map(id, head.averaged_buffers())] == [id(head.labels)]
        assert [*map(id, head.trained_buffers())] == [id(head.labels)]
        head = make_head(feature_decay=0.9)
        assert [*map(id, head.averaged_buffers())] == [id(head.labels)]
        parts = head.labels, head.class_features, head.class_mass
        assert [*map(id, head.trained_buffers())] == [*map(id, parts)]
        # The decay alone does nothing.
        head = make_head(label_update="batch", feature_decay=0.9)
        assert [*map(id, head.trained_buffers())] == [id(head.labels)]

    @pytest.mark.parametrize(
        "options",
        [
            {"label_update": "batch"},
            {"l2": 0.1},
            {"repel_weight": 1.0},
            {"label_momentum": 0.1},
            {"update_every": 2},
            {"warmup_steps": 1},
        ],
    )
    def test_biases_that_count(self, options):
        head = make_head(**options)
        assert head.bias_counts is True
        assert head.linear.bias.requires_grad
        head = make_head()
        assert head.bias_counts is False
        assert not head.linear.bias.requires_grad
        if options.keys() != {"label_update"}:
            head.set_options(**options)
            assert head.linear.bias.requires_grad

    def test_options(self):
        head = make_head(l2=0.5, temperature=2.0)
        head.set_options()
        assert head.l2 == 0.5
        assert head.adaptive.temperature == 2
        head.set_options(temperature=3.0, l2=0.1, label_momentum=0.2)
        assert head.l2 == 0.1
        assert head.adaptive.label_momentum == 0.2
        assert head.adaptive.temperature.dtype == torch.float32
        assert head.adaptive.temperature == 3


@pytest.mark.parametrize("label_update", ["batch", "features"])
@pytest.mark.parametrize("standardized", [False, True])
def test_more_classes(standardized, label_update):
    head = make_head(standardized, label_update=label_update)
    head.set_class_weights(torch.tensor([1.0, 2.0, 3.0]), first=True)
    head.set_prior(torch.randn(N_CLASSES).double())
    if label_update == "features":
        head.set_class_features(torch.randn(N_CLASSES, D), MASS)
    before, state = copy.deepcopy(head), copy.deepcopy(head.state_dict())
    places, added = torch.tensor([0, 2, 4]), torch.tensor([1, 3])
    means = torch.randn(2, D).double()
    head.add_classes(places, added, means)
    assert torch.equal(head.labels[places], before.labels)
    torch.testing.assert_close(head.labels[added], head.latents_of(means))
    for name in ("class_offset", "log_prior"):
        owner = "" if name == "log_prior" else "adaptive."
        old, new = state[owner + name], head.state_dict()[owner + name]
        assert torch.equal(new[places], old)
        expected = old.exp().mean().log().expand(2)
        torch.testing.assert_close(new[added], expected)
    if label_update == "features":
        units = head.linear.standardize(means) if standardized else means
        assert torch.equal(head.class_features[places], before.class_features)
        torch.testing.assert_close(head.class_features[added], units)
        assert torch.equal(head.class_mass[places], before.class_mass)
        torch.testing.assert_close(
            head.class_mass[added], MASS.mean().expand(2).double()
        )
    assert torch.equal(head.adaptive.identity, torch.eye(5).double())
    # All of it fits together.
    x, y = torch.randn(10, D).double(), torch.arange(10) % 5
    assert torch.isfinite(loss_of(head, x, y))
    assert head.scores(head(x)).shape == (10, 5)


class TestHead:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_latents_are_at_least_float32(self, dtype):
        head = Head(D, WIDTH).to(dtype)
        x = torch.randn(6, D).to(dtype)
        z = head(x)
        assert z.dtype == (torch.float32 if dtype == torch.bfloat16 else dtype)
        torch.testing.assert_close(z, head.linear(x).to(z.dtype))
        latents, beside = head.training_latents(x)
        assert torch.equal(latents, z)
        assert beside is None

    def test_its_parts(self):
        head = Head(D, WIDTH, l2=True)
        assert head.linear.weight.shape == (WIDTH, D)
        assert (type(head.l2), head.l2) == (int, 1)
        assert Head(D, WIDTH).l2 == 0
        expected = sum(p.square().sum() for p in head.parameters())
        torch.testing.assert_close(head.squared_norm(), expected)
        assert head.averaged_buffers() == head.trained_buffers() == []
        assert head.training_state() == {}

    def test_options(self):
        head = Head(D, WIDTH, l2=0.1)
        head.set_options(l2=None, other=3)
        assert (head.l2, head.other) == (0.1, 3)
        head.set_options(l2=0.0)
        assert head.l2 == 0

    def test_what_is_to_be_defined(self):
        head = Head(D, WIDTH)
        for call in (
            lambda: head.scores(None),
            lambda: head.latent_loss(None, None),
            lambda: head.labels,
        ):
            with pytest.raises((NotImplementedError, AttributeError)):
                call()
