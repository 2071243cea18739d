"""Joint training of a stack of networks, the counterpart of ``LabelNet`` for one.

A candidate has the same batches, initial weights and schedule as in a separate fit.
"""

import contextlib
import copy
from itertools import chain

import numpy as np
import torch

from .._training.batches import (
    inference_batches,
    refine_head,
    rows_read_at_once,
    sums_by_class,
)
from .._training.epoch_totals import EpochTotals, check_finite, is_correct
from .._training.weight_average import WeightAverage
from ..heads import functional as F
from .cuda_graphs import GraphedStep, cuda_graphs
from .fold_batches import JointBatch, joint_epoch, joint_in_order
from .optimizer import PerModelOptimizer
from .stacked_network import StackView, stack


class Candidate:
    """One network in a joint training: its start, its options and its history.

    Parameters
    ----------
    start : InitializedFit
        The network before the first step, and the rows; candidates may share it.
    lr : float
    options : dict
        Numerical options of the head, by name.
    improvement : Improvement
        Tracks early stopping.
    """

    def __init__(self, start, lr, options, improvement):
        self.start, self.lr, self.options = start, lr, options
        self.improvement = improvement
        self.history = []
        self.error = None
        self.is_over = False


class JointTrainer:
    """Trains candidates together as one program.

    Parameters
    ----------
    candidates : list of S lists of K Candidate
        K candidates on each of S folds. Candidates on the same fold share the rows,
        the random numbers, the batches and the number of epochs.
    """

    def __init__(self, candidates):
        self.candidates = self.running = candidates
        starts = [row[0].start for row in candidates]
        self.net, self.n_epochs = starts[0].net, starts[0].n_epochs
        self.trains = [start.train for start in starts]
        self.valids = [start.valid for start in starts]
        self.generators = [start.generator() for start in starts]
        pairs = zip(starts, self.generators, strict=True)
        self.drops = [start.estimator._drops(generator) for start, generator in pairs]
        self.average = self.best = None
        self.graphs = self._graphs()
        self.kept = list(range(len(candidates[0])))
        self._run(self._stacked())
        if self.net.average:
            self.average = WeightAverage(self._averaged(), self._n_steps())

    def _graphs(self):
        """The :class:`CudaGraphs` for the steps, or None if they cannot be captured."""
        module = self.net.module_
        in_place = module.head.steps_in_place and not module.trains_features
        device = torch.device(self.net.device)
        return cuda_graphs(device) if device.type == "cuda" and in_place else None

    def _n_steps(self):
        """The step counter of the weight average; graphs need it on the device."""
        return 0 if self.graphs is None else torch.zeros((), device=self.net.device)

    def _stacked(self):
        return stack([[m.start.net.module_ for m in row] for row in self.candidates])

    def _run(self, module):
        """Train the stack ``module`` of the running candidates from now on."""
        self.module = module
        module.use_generator(self.drops)
        self.view = StackView(module, self.candidates[0][0].start.net.module_)
        options = {
            name: [[m.options[name] for m in row] for row in self.running]
            for name in self.running[0][0].options
        }
        module.head.set_options(
            **{
                name: _one_or_tensor(np.asarray(values), self.net.device)
                for name, values in options.items()
            }
        )
        rates = [[float(m.lr) for m in row] for row in self.running]
        rates = torch.tensor(rates, dtype=torch.float64)
        self.steps = PerModelOptimizer(module, self.net, rates, self.graphs is not None)
        self.totals = EpochTotals(self.net.device, self._shape)
        self.step = self._step
        if self.graphs is not None:
            self.step = GraphedStep(self._step, self.graphs)

    def _averaged(self):
        trained = [p for p in self.module.parameters() if p.requires_grad]
        return [*trained, *self.module.head.averaged_buffers()]

    def train(self):
        """Train for all epochs, then restore the best state and refine the labels."""
        # One more row, for the padding of batches.
        n_rows = 1 + max(map(len, self.trains))
        self.module.head.start_training(n_rows, self.n_epochs)
        for _ in range(self.n_epochs):
            self.module.head.start_epoch()
            self._train_epoch()
            if self.valids[0] is not None:
                self._validate()
                self._drop_finished()
            if all(candidate.is_over for candidate in self._each()):
                break
        self.module.head.end_training()
        if self.best is not None:
            self._restore_best()
        if self.net.refine_labels:
            self._refine(self.trains)
        self.module.use_generator(None)
        self.module.eval()
        # Gradients would keep the graphs' memory alive.
        self.module.zero_grad()
        self.average = self.steps = self.step = self.graphs = self.best = None

    def _drop_finished(self):
        """Drop candidates that have stopped on all folds, once they are the majority.

        Their best states are stored already.
        """
        over = [
            all(m.is_over for m in column) for column in zip(*self.running, strict=True)
        ]
        left = [k for k, is_over in enumerate(over) if not is_over]
        if not left or 2 * len(left) > len(over):
            return
        steps = self.steps
        self.running = [[row[k] for k in left] for row in self.running]
        self.kept = [self.kept[k] for k in left]
        self._run(self.view.columns(left))
        self.steps.go_on_from(steps, left)
        self.module.head.select_members(left)
        if self.average:
            self.average = self.average.narrowed(self._averaged(), left)

    def _train_epoch(self):
        self.module.train()
        self.totals.clear()
        batches = joint_epoch(self.trains, self.net.batch_size, self.generators)
        with contextlib.ExitStack() as inside:
            if self.average:
                inside.enter_context(self.average.iterating())
            if self.graphs:
                inside.enter_context(self.graphs.stream_of_steps())
            for batch in batches:
                self.step(*batch)
        self._note("train", self.totals)

    def _step(self, *batch):
        """A step of all candidates; it only changes tensors, in place."""
        batch = JointBatch(*batch)
        self.module.count_rows(batch.is_real, batch.counts)
        losses, scores = self.module.loss(*batch[:4])
        self.steps.take(losses)
        correct = is_correct(scores.detach(), batch.y)
        self.totals.add(losses.detach(), correct, batch.is_real)
        if self.average:
            self.average.update()

    def _note(self, prefix, totals):
        """Add an epoch's loss and accuracy to the histories."""
        read = (chain.from_iterable(values) for values in totals.read())
        for candidate, loss, accuracy in zip(self._each(), *read, strict=True):
            if candidate.is_over:
                continue
            if prefix == "train":
                candidate.history.append({"epoch": len(candidate.history) + 1})
            row = candidate.history[-1]
            row.update({f"{prefix}_loss": loss, f"{prefix}_acc": accuracy})
            try:
                check_finite(row["train_loss"], row["epoch"], candidate.lr)
            except ValueError as error:
                candidate.error, candidate.is_over = error, True

    @property
    def _shape(self):
        return len(self.running), len(self.running[0])

    def _each(self):
        return [candidate for row in self.running for candidate in row]

    @torch.no_grad()
    def _validate(self):
        """Validate the candidates as if training stopped now, and store the best."""
        totals, module = EpochTotals(self.net.device, self._shape), self.module.eval()
        head = module.head
        before = {name: buffer.clone() for name, buffer in head.named_buffers()}
        if self.net.refine_labels:
            self._refine(self.trains)
        for batch in self._in_order(self.valids):
            scores = module(batch.X)
            losses = F.cross_entropy(scores, batch.y, batch.weight)
            totals.add(losses, is_correct(scores, batch.y), batch.weight)
        for name, buffer in head.named_buffers():
            buffer.copy_(before[name])
        self._note("valid", totals)
        self._keep_best()

    def _in_order(self, folds):
        width = folds[0].rows.shape[1]
        # The outputs of all candidates are in memory at once.
        size = max(1, rows_read_at_once(width) // max(self._shape))
        return joint_in_order(folds, size)

    def _keep_best(self):
        better = []
        for candidate in self._each():
            row = candidate.history[-1]
            improved = not candidate.is_over and candidate.improvement.is_best(
                row["valid_acc"], row["valid_loss"]
            )
            better.append(improved)
            candidate.is_over = candidate.is_over or candidate.improvement.is_over
        better = torch.tensor(better, device=self.net.device).view(self._shape)
        state = self.view.trained()
        if self.best is None:
            self.best = [tensor.detach().clone() for tensor in state]
        for best, tensor in zip(self.best, state, strict=True):
            chosen = F.spread(better, tensor.ndim - 2)
            best[:, self.kept] = torch.where(chosen, tensor, best[:, self.kept])

    @torch.no_grad()
    def _restore_best(self):
        """Restore the best state of all candidates."""
        self.running, self.kept = self.candidates, list(range(len(self.candidates[0])))
        if self.steps.params[0].shape[:2] != self._shape:
            self._run(self._stacked())
        for tensor, best in zip(self.view.trained(), self.best, strict=True):
            tensor.copy_(best)

    @torch.no_grad()
    def _refine(self, trains):
        """Set labels by Eq. (1) over all training rows, like ``LabelNet.refine``."""
        refine_head(self.module.head, *self._feature_sums(trains))

    def _feature_sums(self, trains):
        """Class sums of the heads' inputs, (S, K or 1, n_classes, d), and weights."""
        if not self.module.trains_features:
            parts = [self.net.feature_sums(train) for train in trains]
            sums, masses = zip(*parts, strict=True)
            return torch.stack(sums)[:, None], torch.stack(masses)[:, None]
        features = self.module.eval().features
        batches = ((features(b.X), b.y, b.weight) for b in self._in_order(trains))
        return sums_by_class(batches, len(self.net.classes))

    def network(self, s, k):
        """The trained network of candidate k on fold s, equal to a separate fit's."""
        found = copy.deepcopy(self.candidates[s][k].start.net.module_)
        self.view.copy_into(found, s, k)
        found.head.set_options(**self.candidates[s][k].options)
        return found.eval()

    @torch.inference_mode()
    def scores(self, s, X):
        """Class scores of X by the candidates of fold s, (K, n, n_classes)."""
        part, n_members = self.view.fold(s, torch.float64), len(self.candidates[s])
        found = np.empty((n_members, X.shape[0], len(self.net.classes)))
        start = 0
        for rows in inference_batches(X, self.net.device, torch.float64, n_members):
            end = start + len(rows)
            found[:, start:end] = part(rows[None, None])[0].cpu().numpy()
            start = end
        return found


def _one_or_tensor(values, device):
    """The common value if all are equal, else a tensor (S, K)."""
    if (values == values[0, 0]).all():
        return values[0, 0].item()
    found = torch.from_numpy(values).to(device)
    return found.float() if found.is_floating_point() else found
