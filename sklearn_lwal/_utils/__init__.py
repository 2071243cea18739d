"""Utilities that do not depend on classifiers: validation, seeds, files, errors."""
