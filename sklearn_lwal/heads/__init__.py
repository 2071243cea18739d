"""Label representations as torch modules; a method is a :class:`Head`."""

from .base import Head

__all__ = ["Head"]
