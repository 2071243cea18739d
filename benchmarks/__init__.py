"""Benchmarks: a folder for each; ``python -m benchmarks --help`` lists them."""
