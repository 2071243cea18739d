"""Torch modules with the mathematics of each label representation."""
