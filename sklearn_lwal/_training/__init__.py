"""The training engine: the skorch net, its batches, initialisation and averages."""
