"""A label learning method of two files, head and classifier, has everything else."""

import gc

import numpy as np
import pytest
import torch

import sklearn_lwal
from sklearn_lwal import LabelSearchCV
from sklearn_lwal.classifiers import LabelLearningClassifier, parameters
from sklearn_lwal.heads import Head
from sklearn_lwal.heads import functional as F


class AxesHead(Head):
    """Distances to labels that training leaves on the axes, or moves to their half."""

    state_flags = ("has_moved",)

    def __init__(self, in_features, n_classes, l2=0.0):
        super().__init__(in_features, n_classes, l2)
        self.register_buffer("axes", 4 * torch.eye(n_classes))
        self.has_moved = False

    @property
    def labels(self):
        return self.axes / 2 if self.has_moved else self.axes

    def scores(self, z):
        return -F.pairwise_distance(z, self.labels.to(z.dtype))

    def latent_loss(self, z, y, sample_weight=None):
        scores = self.scores(z)
        return F.cross_entropy(scores, y, sample_weight), scores

    def start_epoch(self):
        self.has_moved = True


@pytest.fixture
def Method():
    @parameters
    class AxesClassifier(LabelLearningClassifier):
        def _make_head(self, in_features, n_classes):
            return AxesHead(in_features, n_classes, self.l2)

    # As if it stood in a file beside the others.
    AxesClassifier.__module__ = "sklearn_lwal.classifiers.axes"
    yield AxesClassifier
    del AxesClassifier
    gc.collect()


def test_it_is_saved_and_goes_on_training(Method, iris, tmp_path):
    clf = Method(random_state=0, max_epochs=3, hidden_layer_sizes=4).fit(*iris)
    clf.save(tmp_path / "model")
    again = sklearn_lwal.load(tmp_path / "model")
    assert type(again) is Method
    np.testing.assert_array_equal(again.labels_, clf.labels_)
    for both in (clf, again):
        both.partial_fit(*iris)
    np.testing.assert_array_equal(
        again.predict_proba(iris[0]), clf.predict_proba(iris[0])
    )


def test_it_is_searched(Method, iris):
    search = LabelSearchCV(
        Method(random_state=0, max_epochs=3), {"l2": [0.0, 0.1]}, cv=2
    )
    assert search.fit(*iris).best_score_ > 0.6


def test_subclasses_of_users_are_not_saved(Method, iris, tmp_path):
    Method.__module__ = "users"
    with pytest.raises(ValueError, match="the library's own classes"):
        Method(max_epochs=1).fit(*iris).save(tmp_path / "model")


class Hidden(sklearn_lwal.LwALClassifier):
    """Its own ``__init__`` has none of the library's parameters."""

    def __init__(self, epochs=2):
        super().__init__(max_epochs=epochs, random_state=0)
        self.epochs = epochs


def test_a_subclass_may_hide_the_parameters(iris):
    clf = Hidden(epochs=3).fit(*iris)
    assert clf.get_params() == {"epochs": 3}
    assert clf.n_iter_ == 3
    assert clf.partial_fit(*iris).n_iter_ == 4
    search = LabelSearchCV(Hidden(), {"epochs": [1, 2]}, cv=2).fit(*iris)
    assert search.best_score_ > 0.8
