"""Training steps captured in CUDA graphs, which run without Python in between.

The operations of small networks are so short that a GPU waits for the launch of each.
A graph launches all operations of a step at once.
"""

import contextlib
import functools
import threading
import warnings

import torch


class GraphedStep:
    """A step that is captured once for each shape of its batch.

    Parameters
    ----------
    step : callable
        Takes tensors or None. It changes tensors only, in place, and reads nothing
        back. The first call may create tensors that later calls reuse.
    graphs : CudaGraphs
    """

    def __init__(self, step, graphs):
        self.step, self.graphs = step, graphs
        # The graphs can share a pool: none reads memory that another has written.
        self.pool = graphs.new_pool()
        self.known = {}

    def __call__(self, *batch):
        shape = tuple(None if part is None else part.shape for part in batch)
        if shape not in self.known:
            # The first step runs without capture, because it also creates state, for
            # example that of the optimiser.
            self.known[shape] = None
            self.step(*batch)
            return
        if self.known[shape] is None and self.graphs.can_capture:
            self.known[shape] = self._captured(batch)
        if self.known[shape] is None:
            self.step(*batch)
            return
        inputs, replay = self.known[shape]
        for place, part in zip(inputs, batch, strict=True):
            if part is not None:
                place.copy_(part)
        replay()

    def _captured(self, batch):
        inputs = [None if part is None else part.clone() for part in batch]
        try:
            return inputs, self.graphs.capture(self.step, inputs, self.pool)
        except RuntimeError as error:
            warnings.warn(
                f"Training steps were not captured in a CUDA graph ({error}). They "
                "are launched operation by operation, which takes longer.",
                RuntimeWarning,
                stacklevel=2,
            )
            self.graphs.can_capture = False
            return None


class CudaGraphs:
    """Captures steps on a separate stream, because the default stream cannot capture.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device):
        self.stream = torch.cuda.Stream(device)
        self.lock = threading.RLock()
        self.can_capture = True

    @contextlib.contextmanager
    def stream_of_steps(self):
        """Run the body on that stream, in order with the work before and after it."""
        outside = torch.cuda.current_stream(self.stream.device)
        # Work that another thread submits to this stream would become part of a
        # capture.
        with self.lock:
            self.stream.wait_stream(outside)
            try:
                with torch.cuda.stream(self.stream):
                    yield
            finally:
                outside.wait_stream(self.stream)

    @staticmethod
    def new_pool():
        """A memory pool for the graphs of one step."""
        return torch.cuda.graph_pool_handle()

    def capture(self, step, inputs, pool):
        """Return a function that repeats the step with the current inputs' values."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may continue with operations that a capture forbids.
        with torch.cuda.graph(
            graph, pool, self.stream, capture_error_mode="thread_local"
        ):
            step(*inputs)
        return graph.replay


@functools.cache
def cuda_graphs(device):
    """The shared object of a device; one stream, as each stream holds on to memory."""
    return CudaGraphs(device)
