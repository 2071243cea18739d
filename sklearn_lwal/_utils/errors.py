"""Error handling of training: the estimator's state and the message."""

import contextlib

from .compat import OutOfMemoryError


@contextlib.contextmanager
def unchanged_on_error(estimator, resume):
    """Restore the estimator when training fails.

    ``resume`` says whether its present net is trained further, in place.
    """
    before = vars(estimator).copy()
    if resume:
        snapshot, drawn = estimator.net_.snapshot(), estimator._rng.get_state()
    try:
        yield
    except BaseException:
        # Another thread may be predicting, so no attribute may be missing meanwhile.
        vars(estimator).update(before)
        for name in vars(estimator).keys() - before.keys():
            delattr(estimator, name)
        if resume:
            estimator.net_.restore(snapshot)
            estimator._rng.set_state(drawn)
        raise


# Messages of torch when the host runs out of memory; there is no exception class.
NO_MEMORY = (
    "allocate memory",
    "not enough memory",
    "Storage size calculation overf",
    "Overflow when unpacking",
)


@contextlib.contextmanager
def memory_errors(advice):
    """Turn an out-of-memory error into a MemoryError that includes ``advice``."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        on_gpu = isinstance(error, OutOfMemoryError)
        if not on_gpu and not any(words in str(error) for words in NO_MEMORY):
            raise
        instead = ", or use device='cpu'" if on_gpu else ""
        raise MemoryError(
            f"The device ran out of memory. {advice}{instead}."
        ) from error
