"""The net of a classifier as a file has it, weights and all that training goes on from.

Before anything of a size that a file claims is made, its tensors are held against an
outline of the network that has no memory (torch's meta device).
"""

import contextlib
from numbers import Real

import torch
from skorch.history import History

from ._archive import DAMAGED
from ._expected import check_fields, check_like, check_tensors, wrong
from ._saving import IMPLEMENTATION, flags
from ._seeding import construct_seeded
from ._static_label import StaticLabelClassifier

# Bytes that a network may need beside those of its tensors in the file.
UNSTORED = 2**30


def build_net(clf, fitted):
    """Let ``clf`` have the net with the weights of the file.

    Parameters
    ----------
    clf : LabelLearningClassifier
        With its parameters and all fitted attributes that a net is built from.
    fitted : dict
        What ``_saving`` wrote of the fitted model, decoded.
    """
    stored = fitted["network"]
    if fitted["batch_size"] < 1:
        raise wrong("batch size", fitted["batch_size"])
    with _embeddings_of(clf, stored):
        with torch.device("meta"):
            outline, _ = construct_seeded(0, clf._make_network)
        check_tensors(stored, outline, "network")
        _check_size(outline)
        clf._build_net(fitted["batch_size"])
    net, module = clf.net_, clf.net_.module_
    # Before the weights, which this changes.
    _set_optimizer(net.optimizer_, fitted["optimizer"])
    module.load_state_dict(stored)
    places = {name: place for name, *place in flags(module)}
    kinds = dict.fromkeys(places, bool)
    for name, value in check_fields(fitted["flags"], "network's state", kinds).items():
        setattr(*places[name], value)
    module.eval()
    _set_history(net, fitted["history"], fitted["best"])
    if fitted["average"] is not None:
        _set_average(net, fitted["average"])


@contextlib.contextmanager
def _embeddings_of(clf, stored):
    """Let a :class:`StaticLabelClassifier` take the embeddings that it had."""
    if not isinstance(clf, StaticLabelClassifier):
        yield
        return
    kept, embeddings = clf.label_embeddings, stored.get("head.label_embeddings")
    if not isinstance(embeddings, torch.Tensor):
        raise ValueError(f"It has no label embeddings. {DAMAGED}")
    clf.label_embeddings = embeddings.numpy()
    try:
        yield
    finally:
        clf.label_embeddings = kept


def _check_size(outline):
    """Buffers that are made anew may be larger than all that is in the file."""
    stored = outline.state_dict().keys()
    buffers = dict(outline.named_buffers())
    needed = sum(buffers[name].nbytes for name in buffers.keys() - stored)
    if needed > UNSTORED:
        raise ValueError(
            f"It needs {needed} bytes besides its tensors, for too many classes. "
            f"{DAMAGED}"
        )


def _set_optimizer(optimizer, saved):
    """Let the optimizer go on from the saved state; the weights change."""
    saved = check_fields(saved, "optimizer", {"groups": list, "state": dict})
    groups, states = saved["groups"], saved["state"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    indices = {str(i): p for i, p in enumerate(parameters)}
    if len(groups) != len(optimizer.param_groups) or states.keys() - indices.keys():
        raise wrong("optimizer's groups and state", (groups, sorted(states)))
    if states:
        # A step shows what it keeps, of which shape and how that lies in memory.
        for parameter in parameters:
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    for index, parameter in indices.items():
        if index in states:
            known = optimizer.state.get(parameter, {})
            _set_state(known, states[index], f"optimizer.state.{index}")
        else:
            optimizer.state.pop(parameter, None)
    for group, options in zip(optimizer.param_groups, groups, strict=True):
        _set_options(group, options)


def _set_state(known, saved, name):
    if not isinstance(saved, dict) or saved.keys() != known.keys():
        raise wrong(name, saved)
    for key, value in saved.items():
        check_like(value, known[key], f"{name}.{key}")
        known[key].copy_(value)


def _set_options(group, saved):
    # Other versions of torch may have others; those that set the rate must be there.
    if not isinstance(saved, dict) or not {"lr", "rate"} <= saved.keys():
        raise wrong("optimizer's group", saved)
    for name, value in saved.items():
        known = group.get(name)
        fits = not isinstance(known, Real) or (
            isinstance(value, Real)
            and isinstance(value, bool) == isinstance(known, bool)
        )
        if name in IMPLEMENTATION or not fits:
            raise wrong(f"optimizer's {name!r}", value)
        group[name] = value


def _set_history(net, rows, best):
    if not all(isinstance(row, dict) and "batches" not in row for row in rows):
        raise wrong("history", rows)
    net.history_ = History({"batches": [{}], **row} for row in rows)
    if not all(isinstance(value, Real) for value in best.values()):
        raise wrong("best values", best)
    net.best_values_ = best


def _set_average(net, saved):
    saved = check_fields(saved, "average", {"tensors": list, "steps": int})
    average, tensors = net._weight_average(), saved["tensors"]
    if average is None or len(average.others) != len(tensors) or saved["steps"] < 0:
        raise wrong("average", saved)
    for i, (stored, other) in enumerate(zip(tensors, average.others, strict=True)):
        check_like(stored, other, f"average.tensors.{i}")
    average.load((tensors, saved["steps"]))
