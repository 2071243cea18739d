"""Runnable benchmarks: one module per table or figure."""
