"""Callbacks see data and are set as in a skorch net."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping, InputShapeSetter, LRScheduler
from torch.utils.data import DataLoader, TensorDataset

from sklearn_lwal import Backbone, LabelSearchCV, LwALClassifier, STDClassifier

QUICK = {"max_epochs": 2, "random_state": 0}


class See(Callback):
    """Keeps what it is handed."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.begin = X, y

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.end = X, y

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.train, self.valid = dataset_train, dataset_valid


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_matrix, torch.from_numpy])
def test_data_of_the_whole_fit(convert, early_stopping, iris):
    X, y = iris
    see, names = See(), np.array(["a", "b", "c"])[y]
    options = {"early_stopping": early_stopping, **QUICK}
    LwALClassifier(callbacks=[see], **options).fit(convert(X), names)
    for rows, index in (see.begin, see.end):
        assert rows.shape == X.shape
        np.testing.assert_array_equal(index, y)
        assert isinstance(
            rows, sp.csr_matrix if convert is sp.csr_matrix else np.ndarray
        )
    rows = rows.toarray() if sp.issparse(rows) else rows
    np.testing.assert_array_equal(rows, X)


def test_a_data_set_is_handed_on():
    images = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    data, see = TensorDataset(images, torch.arange(6) % 2), See()
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))
    backbone = Backbone(net, trainable=True)
    STDClassifier(backbone, callbacks=[see], **QUICK).fit(data)
    rows, index = see.begin
    assert torch.equal(rows[5], images[5])
    assert index.tolist() == [0, 1] * 3


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_matrix])
def test_rows_of_a_data_set(convert, iris):
    X, y = iris
    see = See()
    options = {"early_stopping": True, "callbacks": [see], **QUICK}
    STDClassifier(**options).fit(convert(X), y)
    assert len(see.train) + len(see.valid) == len(X)
    for data in (see.train, see.valid):
        rows, index = data[:]
        np.testing.assert_array_equal(rows, data.X)
        np.testing.assert_array_equal(index, data.y)
        for place in (2, -1, np.int64(3)):
            row, label = data[place]
            assert row.shape == (4,)
            assert torch.equal(row, rows[place])
            assert int(label) == index[place]
        for places in (slice(2, 5), [4, 0], np.array([-1]), np.arange(len(data)) < 3):
            some = data[places]
            np.testing.assert_array_equal(some[0], rows[places])
            np.testing.assert_array_equal(some[1], index[places])
        assert [int(label) for _, label in data] == index.tolist()
        batch = next(iter(DataLoader(data, 7)))
        np.testing.assert_array_equal(batch[0], rows[:7])


def test_the_width_is_known(iris):
    STDClassifier(callbacks=[InputShapeSetter()], **QUICK).fit(*iris)
    other = InputShapeSetter(param_name="width")
    with pytest.raises(
        ValueError, match=r"module__width.*classifier builds the network"
    ):
        STDClassifier(callbacks=[other], **QUICK).fit(*iris)


def scheduled(**options):
    schedule = LRScheduler("StepLR", step_size=1, gamma=0.1)
    callbacks = [("sched", schedule), EarlyStopping(patience=5), See(), See]
    return STDClassifier(callbacks=callbacks, **QUICK, **options)


class TestParameters:
    def test_are_listed(self):
        params = scheduled().get_params()
        assert params["callbacks__sched"] is params["callbacks"][0][1]
        assert params["callbacks__sched__gamma"] == 0.1
        assert params["callbacks__EarlyStopping__patience"] == 5
        assert params["callbacks__See_2"] is See
        assert not any(
            name.startswith("callbacks_") for name in STDClassifier().get_params()
        )
        assert "callbacks__sched" not in scheduled().get_params(deep=False)

    def test_are_set(self, iris):
        clf = scheduled()
        given = list(clf.callbacks)
        clf.set_params(
            lr=0.02,
            callbacks__sched__gamma=0.5,
            callbacks__EarlyStopping=None,
            callbacks__See_2=See(),
        )
        assert clf.fit(*iris).history_[-1]["event_lr"] == pytest.approx(0.01)
        names = [name for name, _ in clf.net_.callbacks_]
        assert names == ["sched", "See_1", "See_2"]
        assert clf.get_params()["callbacks__EarlyStopping"] is None
        # With its parameters in one call, and a class.
        clf.set_params(callbacks__sched__gamma=1, callbacks__sched=LRScheduler)
        assert clf.get_params()["callbacks__sched__gamma"] == 1
        assert given[1].patience == 5
        clf.set_params(callbacks=[See()], callbacks__See=None)
        assert clf.callbacks == [("See", None)]

    @pytest.mark.parametrize(
        ("params", "match"),
        [
            (
                {"callbacks__nobody": None},
                r"called 'nobody'.*\['sched', 'EarlyStopping'",
            ),
            ({"callbacks__nobody__x": 1}, r"called 'nobody'"),
            ({"callbacks__sched__no_such": 1}, "Invalid parameter 'no_such'"),
            ({"callbacks__sched": None, "callbacks__sched__x": 1}, r"is None.*\['x'\]"),
        ],
    )
    def test_that_are_not_there(self, params, match):
        with pytest.raises(ValueError, match=match):
            scheduled().set_params(**params)

    @pytest.mark.parametrize(
        "callbacks", [3, "word", [3], [("a", "b", "c")], [(1, See())]]
    )
    def test_of_what_are_no_callbacks(self, callbacks, iris):
        clf = STDClassifier(callbacks=callbacks)
        assert clf.get_params()["callbacks"] is callbacks
        assert clf.set_params(lr=0.1).callbacks is callbacks

    @pytest.mark.parametrize("Search", [GridSearchCV, LabelSearchCV])
    def test_are_searched(self, Search, iris):
        clf = scheduled(lr=0.1)
        grid = {
            "callbacks__sched__gamma": [1e-6, 1.0],
            "callbacks__EarlyStopping": [None],
        }
        search = Search(clone(clf), grid, cv=2).fit(*iris)
        losses = [
            clone(clf).set_params(**params).fit(*iris).history_[-1]["train_loss"]
            for params in search.cv_results_["params"]
        ]
        assert losses[0] != losses[1]
        best = search.best_estimator_.history_[-1]["train_loss"]
        assert best == losses[int(search.best_index_)]
        assert clf.callbacks[0][1].kwargs["gamma"] == 0.1
