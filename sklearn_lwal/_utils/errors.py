"""What happens to the model and to the message when training fails."""

import contextlib

from .compat import OutOfMemoryError


@contextlib.contextmanager
def unchanged_on_error(estimator, resume):
    """Leave the estimator as it was when training fails.

    ``resume`` says whether its net is to be trained on, in place.
    """
    before = vars(estimator).copy()
    if resume:
        snapshot, drawn = estimator.net_.snapshot(), estimator._rng.get_state()
    try:
        yield
    except BaseException:
        # Never without what another thread may be looking for.
        vars(estimator).update(before)
        for name in vars(estimator).keys() - before.keys():
            delattr(estimator, name)
        if resume:
            estimator.net_.restore(snapshot)
            estimator._rng.set_state(drawn)
        raise


# What torch says of the host's memory, which has no error of its own.
NO_MEMORY = (
    "allocate memory",
    "not enough memory",
    "Storage size calculation overf",
    "Overflow when unpacking",
)


@contextlib.contextmanager
def memory_errors(advice):
    """Turn a lack of memory into an error that says what helps."""
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
