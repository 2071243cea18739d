"""Atomic writing of files, and their paths.

Every file system error names the file that the user asked for.
"""

import contextlib
import errno
import glob
import os
import stat
import time
import uuid

# Temporary name of a file until it is complete, and the age in seconds at which it is
# considered abandoned.
_BESIDE = ".sklearn_lwal-{}.tmp"
LEFT_OVER = 3600


def as_path(path):
    """A path as a str; ``~`` is the user's home directory.

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    """
    try:
        return os.path.expanduser(os.fsdecode(path))
    except TypeError:
        raise TypeError(
            "The 'path' parameter must be the path of a file, a str or os.PathLike. "
            f"Got {type(path).__name__}. Bytes in memory go through a file, such as "
            "one in tempfile.TemporaryDirectory()."
        ) from None


@contextlib.contextmanager
def naming(path):
    """Make each OSError name ``path`` instead of a temporary file."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, error.strerror or str(error), os.fspath(path)) from error


@contextlib.contextmanager
def replacing(path):
    """Open a new file that replaces the one at ``path`` once it is complete.

    It takes over the permissions of the file that it replaces.

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be written, or ``path`` exists and is not a regular file.
    """
    path = as_path(path)
    with naming(path):
        # Like open(), write to the target of a symbolic link.
        target = _resolved(path)
        folder = os.path.dirname(target)
        before = _status(target)
        if before is not None and not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        remove_leftovers(folder)
        beside = os.path.join(folder, _BESIDE.format(uuid.uuid4().hex))
        try:
            with open(beside, "xb") as file:
                if before is not None:
                    os.chmod(beside, stat.S_IMODE(before.st_mode))
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        except BaseException:
            # The original error is more helpful than one of the cleanup.
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
        _sync_folder(folder)


def remove_leftovers(folder):
    """Remove temporary files of writers that were killed at least an hour ago."""
    for path in glob.iglob(os.path.join(glob.escape(folder), _BESIDE.format("*"))):
        remove_if_old(path)


def remove_if_old(path):
    """Remove a temporary file that is an hour old: its writer must be dead.

    Errors are ignored; the next write tries again.
    """
    with contextlib.suppress(OSError):
        if os.path.getmtime(path) < time.time() - LEFT_OVER:
            os.unlink(path)


def _resolved(path):
    try:
        # Without strict=True, realpath treats an unreadable link as a file.
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return os.path.realpath(path)


def _status(path):
    """The file's status, or None if there is no file."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _sync_folder(folder):
    """Flush the renaming of a file to the disk, if the system supports that.

    Errors are ignored: some network drives cannot do it, and the folder may be
    unreadable. Even then a power failure leaves one complete file, the old or the new.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
