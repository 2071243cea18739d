"""Many heads in one, as searches train them: each does what it does alone."""

import itertools

import pytest
import torch
from torch import nn

from sklearn_lwal._joint.stacked_network import StackView, stack
from sklearn_lwal.heads import functional as F
from sklearn_lwal.heads.adaptive_head import AdaptiveHead
from sklearn_lwal.heads.embedding import LabelEmbedHead
from sklearn_lwal.heads.linear import Dense, StandardizedLinear
from sklearn_lwal.heads.one_hot import (
    CosineHead,
    OneHotHead,
    Regularization,
    SimplexHead,
)
from sklearn_lwal.heads.retrospection import RetrospectionHead
from sklearn_lwal.heads.static import StaticHead

D, N_CLASSES, N_ROWS = 4, 3, 7
FOLDS, CANDIDATES = 2, 3


class Net(nn.Module):
    """A head alone, and what a stack asks of a network."""

    def __init__(self, head, standardized):
        super().__init__()
        self.head = head
        if standardized:
            head.linear = StandardizedLinear(head.linear)
            statistics = torch.randn(D), torch.rand(D) + 0.5
            head.linear.set_statistics(*statistics)

    @property
    def first_layer(self):
        return self.head.linear

    def trained_buffers(self):
        return self.head.trained_buffers()


def following(**options):
    """A head whose labels follow the means of features."""
    head = AdaptiveHead(D, N_CLASSES, 5, label_update="features", **options)
    means = torch.randn(N_CLASSES, D)
    head.set_class_features(means, torch.tensor([1.0, 0.5, 0.0]))
    return head


WEIGHTS = [0.0, 0.1, 0.3, 0.0, 0.2, 0.5]
POSITIVE = [1.0, 2.0, 0.5, 3.0, 1.5, 4.0]
HEADS = {
    "batch": (
        lambda: AdaptiveHead(D, N_CLASSES, 5),
        {"l2": WEIGHTS, "label_momentum": WEIGHTS[::-1], "temperature": POSITIVE},
    ),
    "paper": (
        lambda: AdaptiveHead(D, N_CLASSES, 5, temperature="learned"),
        {
            "repel_weight": POSITIVE,
            "update_every": [1, 2, 3, 1, 2, 3],
            "warmup_steps": [0, 0, 1, 2, 1, 0],
        },
    ),
    "features": (
        following,
        {"l2": WEIGHTS, "label_momentum": WEIGHTS, "temperature": POSITIVE},
    ),
    "running features": (
        lambda: following(feature_decay=0.8),
        {"label_momentum": WEIGHTS, "repel_weight": WEIGHTS},
    ),
    "one-hot": (
        lambda: OneHotHead(D, N_CLASSES),
        {
            "l2": WEIGHTS,
            "label_smoothing": WEIGHTS,
            "confidence_penalty": WEIGHTS,
            "teacher_weight": WEIGHTS,
            "teacher_temperature": POSITIVE,
            "teacher_multiplier": POSITIVE,
        },
    ),
    "cosine": (lambda: CosineHead(D, N_CLASSES), {"label_smoothing": WEIGHTS}),
    "simplex": (lambda: SimplexHead(D, N_CLASSES), {"l2": WEIGHTS}),
    "static": (lambda: StaticHead(D, torch.randn(N_CLASSES, 2)), {"l2": WEIGHTS}),
    "embed": (
        lambda: LabelEmbedHead(D, N_CLASSES),
        {"hard_weight": WEIGHTS, "temperature": POSITIVE, "confidence_cap": WEIGHTS},
    ),
    "retrospection": (
        lambda: RetrospectionHead(D, N_CLASSES, update_every=1),
        {"retrospection": WEIGHTS, "temperature": POSITIVE},
    ),
    "retrospection of LwAL": (
        lambda: RetrospectionHead(D, N_CLASSES, variant="lwal", update_every=2),
        {"retrospection": WEIGHTS, "temperature": POSITIVE, "l2": WEIGHTS},
    ),
}


def make(name, standardized=False):
    """Networks on each fold, their stack, and the options of each."""
    make_head, values = HEADS[name]
    rows = [
        [Net(make_head(), standardized).double() for _ in range(CANDIDATES)]
        for _ in range(FOLDS)
    ]
    if standardized:
        # The rows of a fold have the same units in all its networks.
        for row in rows:
            for net in row[1:]:
                for key, buffer in net.first_layer.named_buffers():
                    getattr(row[0].first_layer, key).copy_(buffer)
                    setattr(net.first_layer, key, getattr(row[0].first_layer, key))
    for net, k in zip(itertools.chain(*rows), range(FOLDS * CANDIDATES), strict=True):
        if "class_offset" in dict(net.head.named_buffers()):
            net.head.set_class_weights(torch.rand(N_CLASSES) + k, True)
    whole = stack(rows)
    options = {key: torch.tensor(of).view(FOLDS, -1) for key, of in values.items()}
    options = {
        key: of.double() if of.is_floating_point() else of
        for key, of in options.items()
    }
    whole.head.set_options(**options)
    for s, k in itertools.product(range(FOLDS), range(CANDIDATES)):
        rows[s][k].head.set_options(**{key: of[s, k] for key, of in options.items()})
    return rows, whole


def take_step(net, X, y, weight, places):
    """Losses and scores of a batch, and gradients, by which the weights move."""
    head = net.head
    net.zero_grad()
    z, beside = head.training_latents(X)
    loss, scores = head.loss(z, y, weight, beside, places)
    loss.sum().backward()
    grads = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    if isinstance(head.bias_counts, torch.Tensor) and "head.linear.bias" in grads:
        # As optimisers of many heads do.
        grads["head.linear.bias"] *= head.bias_counts[..., None]
    with torch.no_grad():
        for name, grad in grads.items():
            net.get_parameter(name).sub_(0.1 * grad)
    return loss.detach(), scores.detach(), grads


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("standardized", [True, False])
@pytest.mark.parametrize("name", HEADS)
def test_each_is_as_alone(name, standardized, weighted):
    rows, whole = make(name, standardized)
    part = StackView(whole, rows[0][0])
    X = torch.randn(FOLDS, N_ROWS, D).double()
    y = torch.randint(N_CLASSES, (FOLDS, N_ROWS))
    weight = torch.rand(FOLDS, N_ROWS).double() if weighted else None
    places = torch.stack([torch.randperm(N_ROWS) for _ in range(FOLDS)])
    for net in [whole, *rows[0], *rows[1]]:
        net.head.start_training(N_ROWS, 4)
    for _ in range(4):
        for net in [whole, *rows[0], *rows[1]]:
            net.head.start_epoch()
        joint = [None if t is None else t[:, None] for t in (X, y, weight, places)]
        losses, scores, grads = take_step(whole, *joint)
        for s, k in itertools.product(range(FOLDS), range(CANDIDATES)):
            own = rows[s][k]
            known = [None if t is None else t[s] for t in (X, y, weight, places)]
            loss, own_scores, own_grads = take_step(own, *known)
            close = {"rtol": 1e-5, "atol": 1e-6}
            torch.testing.assert_close(losses[s, k], loss, **close)
            torch.testing.assert_close(scores[s, k], own_scores, **close)
            for key, grad in own_grads.items():
                torch.testing.assert_close(grads[key][s, k], grad, **close)
            other = Net(HEADS[name][0](), standardized).double()
            part.copy_into(other, s, k)
            for theirs, mine in zip(
                other.trained_buffers(), own.trained_buffers(), strict=True
            ):
                torch.testing.assert_close(theirs, mine, **close)
    found = whole.head.scores(whole.head(X[:, None]))
    for s, k in itertools.product(range(FOLDS), range(CANDIDATES)):
        own = rows[s][k].head
        torch.testing.assert_close(found[s, k], own.scores(own(X[s])), **close)


def test_latents_of_rows_and_means_by_one_product():
    rows = [[Net(following(), False) for _ in range(CANDIDATES)] for _ in range(FOLDS)]
    whole = stack(rows)
    x = torch.randn(FOLDS, 1, N_ROWS, D)
    for known in (whole.head.class_features, whole.head.class_features[:1, :1]):
        whole.head.class_features = known
        z, beside = whole.head.training_latents(x)
        torch.testing.assert_close(z, whole.head(x))
        assert beside is None
    # Means of a fold, which are those of all its heads.
    whole.head.class_features = torch.randn(FOLDS, 1, N_CLASSES, D)
    z, beside = whole.head.training_latents(x)
    torch.testing.assert_close(z, whole.head(x))
    torch.testing.assert_close(beside, whole.head._latents_of_means())


def test_stored_predictions_of_those_that_go_on():
    rows, whole = make("retrospection")
    whole.head.select_members([0, 2])
    assert whole.head.soft_labels is None
    whole.head.start_training(N_ROWS, 4)
    table = whole.head.soft_labels
    assert table.shape == (FOLDS, CANDIDATES, N_ROWS, N_CLASSES)
    table.copy_(torch.rand(table.shape))
    whole.head.select_members([0, 2])
    assert torch.equal(whole.head.soft_labels, table[:, [0, 2]])
    rows[0][0].head.select_members([0])
    assert rows[0][0].head.soft_labels is None


def test_stored_predictions_travel():
    one, other = (RetrospectionHead(D, N_CLASSES, update_every=1) for _ in range(2))
    assert one.training_state() == {"soft_labels": None, "epoch": 0}
    # Nothing reads what the last epoch stores.
    one.start_training(N_ROWS, 1)
    assert one.soft_labels is None
    other.load_training_state({"soft_labels": None, "epoch": 3})
    assert (other.epoch, other.soft_labels) == (3, None)
    for head in (one, other):
        head.start_training(N_ROWS, 4)
    one.soft_labels.copy_(torch.rand(N_ROWS, N_CLASSES))
    one.start_epoch()
    one.start_epoch()
    other.load_training_state(one.training_state())
    assert other.epoch == 2
    assert torch.equal(other.soft_labels, one.soft_labels)
    assert other.soft_labels.data_ptr() != one.soft_labels.data_ptr()


def test_options_are_set_by_name():
    head = RetrospectionHead(D, N_CLASSES)
    assert head.variant == "paper"
    head.set_options(retrospection=0.5, temperature=None, l2=0.1)
    assert (head.retrospection, head.temperature, head.l2) == (0.5, 5.0, 0.1)
    head = OneHotHead(D, N_CLASSES, l2=0.3)
    head.set_options(label_smoothing=0.2)
    assert (head.l2, head.regularization) == (0.3, Regularization(0.2))
    head.set_options(l2=0.1, teacher_weight=0.4)
    assert head.l2 == 0.1
    assert head.regularization == Regularization(0.2, teacher_weight=0.4)
    head = LabelEmbedHead(D, N_CLASSES)
    head.set_options(hard_weight=0.1)
    assert (head.hard_weight, head.temperature) == (0.1, 2)


def test_outputs_start_at_the_mean_of_fixed_labels():
    labels = 3 + torch.randn(N_CLASSES, 5)
    torch.manual_seed(1)
    plain = Dense(D, 5)
    torch.manual_seed(1)
    head = StaticHead(D, labels)
    torch.testing.assert_close(head.linear.bias, plain.bias + labels.mean(0))


def test_class_weights_move_the_start():
    weights = torch.tensor([1.0, 2.0, 3.0])
    logs = (weights / 2).log()
    labels = torch.randn(N_CLASSES, 5)
    shares = weights / 6 - 1 / 3
    for head, offset in (
        (OneHotHead(D, N_CLASSES), logs),
        (RetrospectionHead(D, N_CLASSES), logs),
        (LabelEmbedHead(D, N_CLASSES), logs.repeat(2)),
        (StaticHead(D, labels), shares @ labels),
    ):
        bias = head.linear.bias.detach().clone()
        head.set_class_weights(weights, first=False)
        assert torch.equal(head.linear.bias, bias)
        head.set_class_weights(weights, first=True)
        torch.testing.assert_close(head.linear.bias.detach(), bias + offset)
    head = CosineHead(D, N_CLASSES)
    head.set_class_weights(weights, first=False)
    torch.testing.assert_close(head.class_offset, logs)


def test_rows_without_weight_are_as_left_out():
    weight = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.5, 0.0, 1.0]).double()
    x, y = torch.randn(N_ROWS, D).double(), torch.arange(N_ROWS) % N_CLASSES
    kept = weight > 0
    for name in ("one-hot", "cosine", "static", "embed"):
        head = HEADS[name][0]().double()
        z, _ = head.training_latents(x)
        loss, _ = head.loss(z, y, weight)
        expected, _ = head.loss(z[kept], y[kept], weight[kept])
        torch.testing.assert_close(loss, expected)


def test_biases_that_count_for_some():
    rows = [[Net(following(), False) for _ in range(CANDIDATES)]]
    whole = stack(rows)
    assert not whole.head.linear.bias.requires_grad
    repel = torch.tensor([[0.0, 1.0, 0.0]])
    whole.head.set_options(repel_weight=repel)
    assert whole.head.bias_counts.tolist() == [[False, True, False]]
    assert whole.head.linear.bias.requires_grad
    # An optimiser has it in hand.
    whole.head.set_options(repel_weight=0.0)
    assert whole.head.bias_counts is False
    assert whole.head.linear.bias.requires_grad


# Leading dimensions of many heads: of all, and of those that have something in common.
LEADING = [(), (3,), (2, 3)]
COMMON = pytest.mark.parametrize("common", [(2, 3), (2, 1), (1, 3)])


def double(*shape):
    return torch.randn(shape, dtype=torch.float64)


def dimensions_first(tensor):
    """The same numbers, as the products for many heads leave them in memory."""
    return tensor.mT.contiguous().mT


@COMMON
@pytest.mark.parametrize("scale", [1, -2])
@pytest.mark.parametrize("lies", [torch.clone, dimensions_first])
def test_products_added_to_what_is_there(common, scale, lies):
    base, a, b = lies(double(2, 3, 4, 5)), double(*common, 4, 6), double(2, 3, 6, 5)
    expected = base + scale * (a @ b)
    found = F.add_product(base, a, b, scale)
    torch.testing.assert_close(found, expected)
    assert found.data_ptr() == base.data_ptr()
    torch.testing.assert_close(base, expected)
    # Each head of a small stack, in every place.
    few, a, b = lies(double(2, 4, 5)), double(2, 4, 6), double(2, 6, 5)
    expected = few + a @ b
    torch.testing.assert_close(F.add_product(few, a, b), expected)
    base, b = lies(double(2, 3, 4, 5)), double(*common, 6, 5)
    a = double(2, 3, 4, 6)
    expected = base + a @ b
    torch.testing.assert_close(F.add_product(base, a, b), expected)


def test_the_product_of_one_head_is_a_new_tensor():
    base, a, b = double(4, 5), double(4, 6), double(6, 5)
    before = base.clone()
    torch.testing.assert_close(F.add_product(base, a, b), base + a @ b)
    torch.testing.assert_close(F.add_product(base, a, b, -2), base - 2 * a @ b)
    assert torch.equal(base, before)


@pytest.mark.parametrize("leading", [(), (2,), (1,), (2, 3), (2, 1)])
def test_common_products(leading):
    # One factor is common to three heads where there is but one.
    of_each = [max(n, 3) if n == 1 else n for n in leading[-1:]]
    a = double(*leading[:-1], *of_each, 4, 6)
    b = double(*leading, 6, 5)
    found = F.common_product(a, b)
    torch.testing.assert_close(found, a @ b)
    if leading == ():
        # As latents lie.
        assert found.mT.is_contiguous()


@pytest.mark.parametrize("common", [(), (3,), (1,), (2, 3), (2, 1), (1, 2, 1)])
def test_inner_products(common):
    a, b = double(*common, 4, 5), double(*(common and (*common[:-1], 3)), 4, 5)
    expected = (a * b).sum((-2, -1))
    found = F.inner_product(a, b)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_columns_and_members_of_classes(leading, weighted):
    y = torch.randint(N_CLASSES, (*leading, N_ROWS))
    one_hot = nn.functional.one_hot(y, N_CLASSES).double()
    weight = torch.rand(*leading, N_ROWS).double() if weighted else None
    found = F.class_membership(y, torch.eye(N_CLASSES).double(), weight)
    expected = one_hot.mT * (1 if weight is None else weight[..., None, :])
    assert torch.equal(found, expected)
    assert found.dtype == torch.float64
    values = double(*leading, N_CLASSES, 5)
    torch.testing.assert_close(F.rows(values, y), one_hot @ values)
    values = double(*leading, 5, N_CLASSES)
    torch.testing.assert_close(F.columns(values, y), values @ one_hot.mT)
    values = double(*leading, N_CLASSES, N_ROWS)
    found = F.gather_class(values, y)
    torch.testing.assert_close(found, (values * one_hot.mT).sum(-2))
