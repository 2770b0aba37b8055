"""Cycle counts from the plan and the datasheets alone, exact for streams that never stall.

Every stage of the pipeline moves items (beats, requests, chunks, vectors) under a ready/valid
handshake. The cycle in which an item moves is the earliest one that its arrival, the stage's
capacity and the items before it allow: a recurrence of maxima and sums, evaluated image by image,
downstream before the next image. Nothing is simulated and no data is looked at.

The rules, with ``accept`` the cycle in which an item enters a stage and ``leave`` that in which it
is taken from it; "free" stands for the ``leave`` of the item before:

- one-register stages (sums, threshold): ``accept >= free``, offered in ``accept + 1``;
- macros: see :class:`binohm.gen.plan.Array`;
- ``gather``: a chunk enters a cycle; the last one of a vector also waits for ``free``;
- the input: a beat a cycle, the last one of a frame also waits for ``free``;
- the output: a result enters when the last beat of the one before moves.
"""

from collections import deque
from dataclasses import dataclass

from binohm.gen.network import Network
from binohm.gen.plan import LayerPlan, Plan

__all__ = ["Prediction", "predict"]

BEFORE = -1
"""A cycle before any other."""


@dataclass(frozen=True)
class Prediction:
    """What a run without stalls takes, in cycles of ``aclk``.

    Parameters
    ----------
    latency : int
        From the first beat of an image that finds the pipeline empty to the last beat of its
        result.
    interval : int
        Between the last beats of the results of successive images, in the steady state.
    bottleneck : str
        The layer that alone would need the longest interval; ``input`` or ``output`` if a stream
        at the top does.
    alone : dict of str to int
        Interval that each layer, ``input`` and ``output`` would allow by itself.
    activations : dict of str to int
        Array activations per image, by layer.
    results : tuple of int
        Cycle of the last result beat of image 0, 1, ...; the first input beat moves in cycle 0.
    """

    latency: int
    interval: int
    bottleneck: str
    alone: dict[str, int]
    activations: dict[str, int]
    results: tuple[int, ...]

    def total(self, images: int) -> int:
        """Cycles from the first input beat to the last result beat of ``images`` images, both in.

        Exact as long as the interval has settled within ``results``.
        """
        if images <= len(self.results):
            return self.results[images - 1] + 1
        return self.results[-1] + (images - len(self.results)) * self.interval + 1


def predict(network: Network, plan: Plan, *, images: int = 32) -> Prediction:
    """Follow ``images`` images through the pipeline."""
    source = _Input(plan.host.input_beats(network.input.elements))
    layers = [_Layer(layer) for layer in plan.layers]
    sink = _Output(plan.host.output_beats(network.scores.outputs))
    for _ in range(images):
        offered = source.next()
        for position, layer in enumerate(layers):
            accepted, following = layer.next(offered)
            (layers[position - 1] if position else source).taken(accepted)
            offered = following
        layers[-1].taken(sink.next(offered))
    results = tuple(sink.results)
    alone = (
        {"input": source.beats}
        | {layer.name: _alone(layer) for layer in plan.layers}
        | {"output": sink.beats}
    )
    return Prediction(
        latency=results[0],
        interval=results[-1] - results[-2],
        bottleneck=max(alone, key=lambda name: alone[name]),
        alone=alone,
        activations={layer.name: layer.activations for layer in plan.layers},
        results=results,
    )


def _alone(layer: LayerPlan) -> int:
    reads = layer.activations * layer.array.interval
    if layer.array.readout == "pcsa":
        return reads
    return max(reads, layer.activations * layer.chunks)


class _Input:
    """Beats into frames: the last beat waits until the frame before has been taken."""

    def __init__(self, beats: int) -> None:
        self.beats = beats
        self._last = BEFORE
        self._free = BEFORE

    def next(self) -> int:
        """Cycle from which the next image is offered."""
        self._last = max(self._last + self.beats, self._free)
        return self._last + 1

    def taken(self, cycle: int) -> None:
        self._free = cycle


class _Output:
    """Results into frames of beats."""

    def __init__(self, beats: int) -> None:
        self.beats = beats
        self.results: list[int] = []

    def next(self, offered: int) -> int:
        """Cycle in which a result that is offered from cycle ``offered`` on is accepted."""
        accepted = max(offered, self.results[-1] if self.results else BEFORE)
        self.results.append(accepted + self.beats)
        return accepted


class _Arrays:
    """The macros of a layer, all in step."""

    def __init__(self, layer: LayerPlan) -> None:
        self._array = layer.array
        self._accepted = BEFORE - layer.array.interval
        self._taken: deque[int] = deque(maxlen=layer.array.outstanding)

    def request(self, offered: int) -> tuple[int, int]:
        """Cycles in which a request is accepted and from which its response is valid."""
        array = self._array
        full = self._taken[0] if len(self._taken) == array.outstanding else BEFORE
        self._accepted = max(offered, self._accepted + array.interval, full)
        before = self._taken[-1] if self._taken else BEFORE
        return self._accepted, max(self._accepted + array.latency, before + 1)

    def taken(self, cycle: int) -> None:
        self._taken.append(cycle)


class _Stage:
    """One register: an item enters when the one before leaves, and is offered a cycle later."""

    def __init__(self) -> None:
        self._accepted = BEFORE
        self._free = BEFORE

    def next(self, offered: int) -> int:
        """Cycle in which an item that is offered from cycle ``offered`` on enters."""
        self._accepted = max(offered, self._accepted + 1, self._free)
        return self._accepted

    def taken(self, cycle: int) -> None:
        self._free = cycle


class _Layer:
    """One layer: requests, walk, decision, vector."""

    def __init__(self, layer: LayerPlan) -> None:
        self._layer = layer
        self._arrays = _Arrays(layer)
        self._walk = _Stage()
        self._decide = None if layer.array.readout == "sa" else _Stage()
        self._collected = BEFORE
        self._free = BEFORE

    def taken(self, cycle: int) -> None:
        """The output vector, or the scores, were taken in ``cycle``."""
        self._free = cycle

    def next(self, offered: int) -> tuple[int, int]:
        """One image: cycles of its acceptance and from which its result is offered."""
        if self._layer.array.readout == "pcsa":
            accepted = self._words(offered)
        else:
            accepted = self._columns(offered)
        return accepted, self._collected + 1

    def _columns(self, offered: int) -> int:
        chunks, planes = self._layer.chunks, len(self._layer.planes)
        accepted = BEFORE
        for plane in range(planes):
            accepted, response = self._arrays.request(offered)
            moved = BEFORE
            for chunk in range(chunks):
                moved = self._walk.next(response)
                if plane == planes - 1:
                    self._walk.taken(self._leave(moved + 1, last=chunk == chunks - 1))
            self._arrays.taken(moved)
        return accepted

    def _words(self, offered: int) -> int:
        layer = self._layer
        reads = layer.reads_per_output * len(layer.planes)
        accepted = BEFORE
        for chunk in range(layer.chunks):
            for read in range(reads):
                accepted, response = self._arrays.request(offered)
                moved = self._walk.next(response)
                self._arrays.taken(moved)
                if read == reads - 1:
                    self._walk.taken(self._leave(moved + 1, last=chunk == layer.chunks - 1))
        return accepted

    def _leave(self, offered: int, *, last: bool) -> int:
        """Cycle in which a chunk leaves the walk's register."""
        if self._decide is None:
            return self._collect(offered, last=last)
        moved = self._decide.next(offered)
        self._decide.taken(self._collect(moved + 1, last=last))
        return moved

    def _collect(self, offered: int, *, last: bool) -> int:
        """Cycle in which a chunk enters the vector; the last one needs the output register."""
        self._collected = max(offered, self._collected + 1, self._free if last else BEFORE)
        return self._collected
