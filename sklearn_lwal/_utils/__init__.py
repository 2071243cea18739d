"""Small parts that know nothing of classifiers: validation, seeds, files, errors."""
