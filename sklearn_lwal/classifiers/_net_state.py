"""The training state of a net as values that a file can hold, and its restoration."""

import math
from numbers import Real

import torch

from .._serialization.checks import (
    check_fields,
    check_finite,
    check_like,
    check_tensors,
    wrong,
)
from .._training.history import CountedHistory

# Options of an optimizer that depend on the device and are not saved.
IMPLEMENTATION = frozenset(["params", "fused", "foreach", "capturable"])
# Fields of the dict that :func:`net_state` returns, and their types.
STATE = {
    "network": dict,
    "flags": dict,
    "optimizer": dict,
    "average": (dict, type(None)),
    "history": list,
    "best": dict,
}


def net_state(net):
    """Everything that training changes in a :class:`LabelNet`, as in ``STATE``.

    The tensors are the net's own, not copies.
    """
    found = {
        "network": dict(net.module_.state_dict()),
        "flags": {name: getattr(part, flag) for name, part, flag in _flags(net)},
        "optimizer": _optimizer_state(net.optimizer_),
        "average": None,
        "history": net.history.plain_rows(),
        "best": net.best_values_,
    }
    if net.average_ is not None:
        others, steps = net.average_.state()
        found["average"] = {"tensors": others, "steps": steps}
    return found


def set_net_state(net, saved):
    """Restore a state of :func:`net_state` in a net with the same structure.

    Raises
    ------
    ValueError
        If ``saved`` does not fit the net.
    """
    module = net.module_
    check_tensors(saved["network"], module, "network")
    check_finite(saved["network"])
    # Before the weights are loaded, because this changes them.
    _set_optimizer(net.optimizer_, saved["optimizer"])
    module.load_state_dict(saved["network"])
    places = {name: place for name, *place in _flags(net)}
    kinds = dict.fromkeys(places, bool)
    for name, value in check_fields(saved["flags"], "network's state", kinds).items():
        setattr(*places[name], value)
    module.eval()
    _set_history(net, saved["history"], saved["best"])
    net.restart_average()
    if saved["average"] is not None:
        _set_average(net, saved["average"])


def _flags(net):
    """Yield the ``state_flags`` of the modules: full name, module, attribute name."""
    for name, part in net.module_.named_modules():
        for flag in getattr(type(part), "state_flags", ()):
            yield f"{name}.{flag}", part, flag


def _optimizer_state(optimizer):
    state = optimizer.state_dict()
    return {
        "groups": [
            {key: group[key] for key in sorted(group.keys() - IMPLEMENTATION)}
            for group in state["param_groups"]
        ],
        "state": {str(index): dict(kept) for index, kept in state["state"].items()},
    }


def _set_optimizer(optimizer, saved):
    """Restore the optimizer's state; this changes the weights."""
    saved = check_fields(saved, "optimizer", {"groups": list, "state": dict})
    groups, states = saved["groups"], saved["state"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    indices = {str(i): p for i, p in enumerate(parameters)}
    if len(groups) != len(optimizer.param_groups) or states.keys() - indices.keys():
        raise wrong("optimizer's groups and state", (groups, sorted(states)))
    if states:
        # A step creates the optimizer's state, so that saved values can be checked and
        # copied into it.
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
        if isinstance(known[key], Real) and isinstance(value, Real):
            known[key] = value
        else:
            check_like(value, known[key], f"{name}.{key}")
            known[key].copy_(value)


def _set_options(group, saved):
    # Options differ between torch versions, but those of the learning rate are needed.
    if not isinstance(saved, dict) or not {"lr", "rate"} <= saved.keys():
        raise wrong("optimizer's group", saved)
    for name, value in saved.items():
        # Schedulers add numbers to a group.
        fits = _is_like(value, group[name]) if name in group else _is_plain(value)
        if name in IMPLEMENTATION or not fits:
            raise wrong(f"optimizer's {name!r}", value)
        group[name] = value


def _is_like(value, known):
    """Whether a saved option of an optimizer has the type and form of a known one."""
    if isinstance(known, bool):
        # Flags such as amsgrad determine which state the optimizer keeps.
        return value is known
    if isinstance(known, Real):
        return _is_number(value) and not isinstance(value, bool)
    if isinstance(known, (tuple, list)):
        alike = type(value) is type(known) and len(value) == len(known)
        return alike and all(map(_is_like, value, known))
    return type(value) is type(known)


def _is_plain(value):
    return value is None or _is_number(value)


def _is_number(value):
    return isinstance(value, Real) and math.isfinite(value)


def _set_history(net, rows, best):
    if not all(isinstance(row, dict) and "batches" not in row for row in rows):
        raise wrong("history", rows)
    numbers = [row.get("epoch") for row in rows]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise wrong("numbers of the epochs", numbers)
    net.history = CountedHistory.of_rows(rows)
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
