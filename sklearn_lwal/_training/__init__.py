"""The engine: the skorch net, its rows and batches, its start and its averages."""
