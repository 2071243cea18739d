"""Parameters of callbacks are the classifier's, as ``callbacks__name__parameter``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from skorch.callbacks import Callback
from typing_extensions import Self

from ._parameters import FittedAttributes

PREFIX = "callbacks__"


class CallbackParametersMixin(FittedAttributes):
    """Gets and sets what is in the list ``callbacks`` by name, as a skorch net does."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; deep with callbacks and their own parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to give ``callbacks__name`` and ``callbacks__name__parameter``,
            too. A callback without a name has that of its class, with ``_1``, ``_2``
            ... behind it where there are several.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep)
        for name, callback in _named(self.callbacks) if deep else ():
            params[PREFIX + name] = callback
            if isinstance(callback, Callback):
                own = callback.get_params()
                params |= {f"{PREFIX}{name}__{key}": own[key] for key in own}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of callbacks; see :meth:`get_params`.

        Parameters
        ----------
        **params : dict
            ``callbacks__name=None`` leaves a callback out.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such parameter or callback.
        """
        changes: dict[str, dict[str, Any]] = {}
        for key in [key for key in params if key.startswith(PREFIX)]:
            name, _, parameter = key.removeprefix(PREFIX).partition("__")
            changes.setdefault(name, {})[parameter] = params.pop(key)
        super().set_params(**params)
        if changes:
            self.callbacks = _changed([*_named(self.callbacks)], changes)
        return self


def _named(callbacks):
    """Pairs (name, callback); the names are those that skorch gives."""
    items = callbacks if isinstance(callbacks, list) else []
    pairs = [item if _is_pair(item) else (None, item) for item in items]
    kinds = [getattr(cb, "__name__", type(cb).__name__) for _, cb in pairs]
    unnamed = [kind for (name, _), kind in zip(pairs, kinds, strict=True) if not name]
    n_all, n_before = Counter(unnamed), Counter()
    for (name, callback), kind in zip(pairs, kinds, strict=True):
        if not name:
            n_before[kind] += 1
            name = f"{kind}_{n_before[kind]}" if n_all[kind] > 1 else kind
        yield name, callback


def _is_pair(item):
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _changed(pairs, changes):
    """A new list with the changes by name and parameter; "" is the callback itself."""
    unknown = changes.keys() - dict(pairs)
    if unknown:
        raise ValueError(
            f"No callback is called {min(unknown)!r}. The 'callbacks' parameter has "
            f"{[name for name, _ in pairs]}."
        )
    found = []
    for name, callback in pairs:
        parameters = changes.get(name, {})
        callback = parameters.pop("", callback)
        if parameters and not isinstance(callback, (Callback, type)):
            raise ValueError(
                f"The callback {name!r} is {callback!r} and has no parameters "
                f"{[*parameters]}."
            )
        if parameters and isinstance(callback, type):
            callback = callback(**parameters)
        elif parameters:
            callback.set_params(**parameters)
        found.append((name, callback))
    return found
