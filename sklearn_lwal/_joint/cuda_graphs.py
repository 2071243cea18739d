"""Steps on a GPU without Python between their operations: captured, then replayed.

The operations of a step of small networks are short, and a GPU would wait for each of
them to be started. A graph of them starts as one.
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
        Takes tensors or None. All that it changes are tensors, in place, and it reads
        nothing back; but the first time it may make what is then kept.
    graphs : CudaGraphs
    """

    def __init__(self, step, graphs):
        self.step, self.graphs = step, graphs
        # No graph reads what another leaves there.
        self.pool = graphs.new_pool()
        self.known = {}

    def __call__(self, *batch):
        shape = tuple(None if part is None else part.shape for part in batch)
        if shape not in self.known:
            # A step like any other, which also makes an optimiser's state, say.
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
                "are started operation by operation, which takes longer.",
                RuntimeWarning,
                stacklevel=2,
            )
            self.graphs.can_capture = False
            return None


class CudaGraphs:
    """Captures steps on a stream of their own, which a capture asks for.

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
        """Run what is inside on that stream: after all before, before all after."""
        outside = torch.cuda.current_stream(self.stream.device)
        # What another thread starts there would become part of a capture.
        with self.lock:
            self.stream.wait_stream(outside)
            try:
                with torch.cuda.stream(self.stream):
                    yield
            finally:
                outside.wait_stream(self.stream)

    @staticmethod
    def new_pool():
        """Memory for the graphs of one program."""
        return torch.cuda.graph_pool_handle()

    def capture(self, step, inputs, pool):
        """A function that does the step again, with what is in the inputs by then."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on with what a capture would forbid.
        with torch.cuda.graph(
            graph, pool, self.stream, capture_error_mode="thread_local"
        ):
            step(*inputs)
        return graph.replay


@functools.cache
def cuda_graphs(device):
    """Those of the device: each stream keeps memory for as long as there is one."""
    return CudaGraphs(device)
