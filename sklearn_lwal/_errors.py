"""What happens to the model and to the message when training fails."""

import contextlib

from ._compat import OutOfMemoryError


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
        vars(estimator).clear()
        vars(estimator).update(before)
        if resume:
            estimator.net_.restore(snapshot)
            estimator._rng.set_state(drawn)
        raise


@contextlib.contextmanager
def memory_errors(advice):
    """Turn a GPU's lack of memory into an error that says what helps."""
    try:
        yield
    except OutOfMemoryError as error:
        raise MemoryError(
            f"The device ran out of memory. {advice}, or use device='cpu'."
        ) from error
