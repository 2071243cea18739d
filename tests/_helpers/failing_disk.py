"""A folder in which one operation of the file system fails, whichever it is."""

import builtins
import contextlib
import io
import os
import shutil
import types

# They take a path, or a number as of an open file, and touch no file.
HARMLESS = {"_exit", "fspath", "kill", "killpg", "putenv", "strerror", "unsetenv"}
# They take time, and change nothing that a test could see.
SLOW = {"fdatasync", "fsync", "sync"}
# Methods of an open file that touch none.
TELLS = {"fileno", "isatty", "readable", "seekable", "writable"}


class FailingDisk:
    """Counts the operations below a folder, and lets one of them fail.

    All functions of ``os`` that are built in are counted, so one that nobody uses yet
    is, too; and all methods of the files that ``open`` gives.

    Parameters
    ----------
    folder : path
    fail : callable, default=None
        Gives the error to raise in the place of the operation, or None to let it run.
    at : int, default=0
        Number of the operation that fails.
    lasting : bool, default=False
        Whether those after it fail as well.
    done : bool, default=False
        Whether what fails has been done all the same.
    """

    def __init__(self, folder, fail=None, at=0, lasting=False, done=False):
        self.folder = os.path.realpath(folder)
        self.fail, self.at, self.lasting, self.done = fail, at, lasting, done
        # Pairs (operation, path).
        self.seen = []
        self.paths = {}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for name, function in list(vars(os).items()):
                builtin = isinstance(function, types.BuiltinFunctionType)
                if builtin and name not in HARMLESS:
                    function = (lambda *_: None) if name in SLOW else function
                    self._patch(stack, os, name, self._counted(name, function))
            opened = self._counted("open", io.open, self._as_file)
            for module in (builtins, io):
                self._patch(stack, module, "open", opened)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    @property
    def failed(self):
        """Whether there was an operation to fail."""
        return len(self.seen) > self.at

    def run(self, name, path, operation, *args, **kwargs):
        """One operation, if it does not fail."""
        self.seen.append((name, path))
        n = len(self.seen) - 1
        error = None
        if self.fail and (n == self.at or (self.lasting and n > self.at)):
            error = self.fail()
        if error is None:
            return operation(*args, **kwargs)
        if args and isinstance(args[0], (str, bytes, os.PathLike)) and name != "write":
            # Files that are open do not tell their name.
            error.filename = args[0]
        if name == "write" and not self.done:
            # It is cut short.
            operation(*args[:-1], memoryview(args[-1])[: len(args[-1]) // 2])
        elif name == "close" or self.done:
            _closed(operation(*args, **kwargs), name)
        raise error

    @staticmethod
    def _patch(stack, module, name, function):
        stack.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, function)

    def _counted(self, name, function, wrap=None):
        def counted(*args, **kwargs):
            path = next(filter(None, map(self._below, args[:2])), None)
            if path is None:
                return function(*args, **kwargs)
            if name == "close":
                del self.paths[args[0]]
            found = self.run(name, path, function, *args, **kwargs)
            if name == "open" and wrap is None:
                self.paths[found] = path
            return wrap(found, path) if wrap else found

        return counted

    def _below(self, value):
        """The path below the folder that a value is or is open for, or None."""
        if type(value) is int:
            return self.paths.get(value)
        if not isinstance(value, (str, bytes, os.PathLike)):
            return None
        path = os.path.abspath(os.fsdecode(value))
        return path if f"{path}/".startswith(f"{self.folder}/") else None

    def _as_file(self, file, path):
        self.paths[file.fileno()] = path
        return _File(file, path, self)


def _closed(found, name):
    """Close what the failed operation has opened, which nobody will get."""
    if hasattr(found, "close"):
        found.close()
    elif name == "open":
        os.close(found)


class _File:
    """An open file, whose methods are counted."""

    def __init__(self, file, path, disk):
        self._file, self._path, self._disk = file, path, disk

    def __getattr__(self, name):
        value = getattr(self._file, name)
        if not callable(value) or name in TELLS:
            return value

        def counted(*args):
            if name == "close":
                if self._file.closed:
                    return None
                self._disk.paths.pop(self._file.fileno())
            return self._disk.run(name, self._path, value, *args)

        return counted

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __iter__(self):
        return iter(self._file)


def vanishing(folder):
    """As ``fail`` of a :class:`FailingDisk`: the folder is gone from then on."""
    remove = shutil.rmtree

    def fail():
        with contextlib.suppress(OSError):
            remove(folder)

    return fail
