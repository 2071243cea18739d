"""Files that are written whole or not at all, and the paths that lead to them.

Every error of the file system says which file it is about.
"""

import contextlib
import errno
import glob
import os
import stat
import time
import uuid

# Name of a file until it is complete, and seconds after which it never will be.
_BESIDE = ".sklearn_lwal-{}.tmp"
LEFT_OVER = 3600


def as_path(path):
    """A path as a str; ``~`` is the home of the user.

    Raises
    ------
    TypeError
        If it is none.
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
    """Let each OSError name the file that was asked for, and no other."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, error.strerror or str(error), os.fspath(path)) from error


@contextlib.contextmanager
def replacing(path):
    """An open file that takes the place and the rights of another once it is complete.

    Raises
    ------
    TypeError
        If ``path`` is none.
    OSError
        If the file can not be written, or what is there is none.
    """
    path = as_path(path)
    with naming(path):
        # Through a link, as ever in writing a file.
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
            # The error on its way tells more than one of tidying up would.
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
        _sync_folder(folder)


def remove_leftovers(folder):
    """Remove what writing to the folder left there when it was killed, an hour ago."""
    for path in glob.iglob(os.path.join(glob.escape(folder), _BESIDE.format("*"))):
        remove_if_old(path)


def remove_if_old(path):
    """Remove a file that is an hour old, so nobody will complete it any more.

    Errors are ignored: nobody asked for this, and the next write tries again.
    """
    with contextlib.suppress(OSError):
        if os.path.getmtime(path) < time.time() - LEFT_OVER:
            os.unlink(path)


def _resolved(path):
    try:
        # Without strict, a link that can not be read would be taken for a file.
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return os.path.realpath(path)


def _status(path):
    """The file's status, or None where there is no file."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _sync_folder(folder):
    """Let the new name of the file outlast a loss of power, where that can be.

    Errors are ignored: some network drives can not, and a folder may be closed to
    readers. The new file is complete under its name, and after a loss of power there
    is still one whole file, that or the one before.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
