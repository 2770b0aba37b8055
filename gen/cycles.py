"""Cycle counts from the plan and the datasheets alone, exact for streams that never stall.

Every stage of the pipeline moves items (beats, words, positions, requests, chunks, vectors) under a
ready/valid handshake. The cycle in which an item moves is the earliest one that its arrival, the
stage's capacity and the items before it allow: a recurrence of maxima and sums, evaluated item by
item, each on its whole way downstream before the next. Nothing is simulated and no data is looked
at.

The rules, with ``accept`` the cycle in which an item enters a stage and ``leave`` that in which it
is taken from it; "free" stands for the ``leave`` of the item before:

- one-register stages (sums, sums of planes, threshold): ``accept >= free``, offered in
  ``accept + 1``;
- macros: see :class:`binohm.gen.plan.Array`;
- ``gather``: a chunk enters a cycle; the last one of a vector also waits for ``free``;
- skid buffers: a chunk enters when the one before has left, and leaves in the same cycle if it can;
- the input: a beat a cycle, the last one of a frame also waits for ``free``;
- the input of a convolution: a beat a cycle while there is room for two frames; the words of a
  frame leave when all of it is there; a position a cycle, cut out of the words;
- windows and pools: see :class:`binohm.hdl.layers.window.Window`, which goes on by itself at the
  end of an image until something comes, so that the last image of a stream leaves faster than
  others; windows that take several requests wait in a register of their own;
- replicas: a window enters the register of the replica whose turn it is, ``accept >= free`` there,
  and what becomes of it leaves in its turn;
- the output: a result enters when the last beat of the one before moves.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from binohm.gen.network import Network
from binohm.gen.plan import LayerPlan, Plan

__all__ = ["Prediction", "alone", "predict"]

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
        Between the last beats of the results of successive images, in the steady state: where there
        are windows, without the last image of the stream.
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
    sink = _Output(plan.host.output_beats(network.scores.outputs))
    chain: _Stage = sink
    for index in reversed(range(len(plan.layers))):
        before = plan.layers[index - 1] if index else None
        chain = _layer(plan.layers[index], before, chain)
    beats = plan.host.input_beats(network.input.elements)
    first = plan.layers[0].sweep
    source: _Input | _Frames
    if first:
        channels, width = first.image[2], plan.host.input_bytes
        source = _Frames(beats, _Positions(first.positions, channels, width, chain))
    else:
        source = _Input(beats, chain)
    for _ in range(images):
        source.frame()
    source.drain()
    results = tuple(sink.results)
    settled = int(first is not None and images > 2)
    if images > 1:
        interval = results[-1 - settled] - results[-2 - settled]
    else:
        interval = predict(network, plan, images=3).interval
    by_itself = (
        {"input": max(beats, first.positions if first else 0)}
        | {layer.name: alone(layer) for layer in plan.layers}
        | {"output": sink.beats}
    )
    return Prediction(
        latency=results[0],
        interval=interval,
        bottleneck=max(by_itself, key=lambda name: by_itself[name]),
        alone=by_itself,
        activations={layer.name: layer.activations for layer in plan.layers},
        results=results,
    )


def alone(layer: LayerPlan) -> int:
    """Interval that a layer would allow by itself."""
    windows = -(-layer.windows // layer.replicas)
    reads = windows * layer.reads * layer.array.interval
    if layer.array.readout != "pcsa":
        walks = layer.results if layer.early_pool else windows
        reads = max(reads, walks * layer.reads * layer.chunks)
    return max(reads, layer.sweep.positions) if layer.sweep else reads


class _Stage(Protocol):
    """What items go through."""

    def push(self, offered: int, *, last: bool = True) -> int:
        """Cycle in which an item that is offered from cycle ``offered`` on enters.

        ``last`` is the last chunk of a vector, or the last plane.
        """

    def drain(self) -> None:
        """Nothing comes any more."""


def _layer(layer: LayerPlan, before: LayerPlan | None, down: _Stage) -> _Stage:
    """The stages of a layer behind another one."""
    sweep = layer.sweep
    if sweep is None:
        down = _arrays(layer, _decision(layer, down))
        return _Collect(before.results, down, counts=True) if before and before.sweep else down
    if layer.early_pool:
        down = _decision(layer, down)
    if pool := sweep.pool:
        down = _Window(sweep.windows, pool.kernel, pool.stride, (0, 0), down)
    if layer.replicas > 1:
        merge = _Merge(down)
        down = _Dispatch([_replica(layer, merge) for _ in range(layer.replicas)], layer.windows)
    else:
        down = _replica(layer, down, held=layer.reads > 1)
    return _Window(sweep.image[:2], sweep.kernel, sweep.stride, sweep.padding, down)


def _replica(layer: LayerPlan, down: _Stage, *, held: bool = True) -> _Stage:
    """One copy of a convolution's arrays and of what follows them, up to a pool."""
    down = _arrays(layer, down if layer.early_pool else _decision(layer, down))
    return _Register(down) if held else down


def _arrays(layer: LayerPlan, down: _Stage) -> _Stage:
    """From vectors to what the arrays answer; words are added up."""
    if layer.array.readout == "pcsa":
        return _Words(layer, _Register(down))
    return _Columns(layer, down)


def _decision(layer: LayerPlan, down: _Stage) -> _Stage:
    """From there to vectors."""
    down = _Collect(layer.chunks, down)
    if not layer.scores:
        down = _Skid(down)
    if layer.array.readout != "sa":
        down = _Register(down)
    if layer.scores:
        down = _Skid(down)
    if layer.parallel_planes:
        down = _Register(down)
    return down if layer.array.readout == "pcsa" else _Walk(layer.chunks, down)


class _Input:
    """Beats into frames: the last beat waits until the frame before has been taken."""

    def __init__(self, beats: int, down: _Stage) -> None:
        self._beats = beats
        self._down = down
        self._last = BEFORE
        self._free = BEFORE

    def frame(self) -> None:
        """One more image."""
        self._last = max(self._last + self._beats, self._free)
        self._free = self._down.push(self._last + 1)

    def drain(self) -> None:
        self._down.drain()


class _Frames:
    """Beats into a memory of two frames, and out again as words, when a frame is whole."""

    def __init__(self, beats: int, down: _Stage) -> None:
        self._beats = beats
        self._down = down
        self._written = BEFORE
        self._fetched = deque([BEFORE] * 2 * beats, maxlen=2 * beats)
        self._free = BEFORE

    def frame(self) -> None:
        """One more image."""
        for fetched in [*self._fetched][: self._beats]:
            self._written = max(self._written, fetched) + 1
        offered = self._written + 1
        for _ in range(self._beats):
            offered = max(offered, self._fetched[-1] + 1, self._free)
            self._fetched.append(offered)
            self._free = self._down.push(offered + 1)

    def drain(self) -> None:
        self._down.drain()


class _Positions:
    """Words cut into positions: a word enters with the last position before it that is whole."""

    def __init__(self, positions: int, channels: int, width: int, down: _Stage) -> None:
        self._positions, self._channels, self._width = positions, channels, width
        self._down = down
        self._have = 0
        self._missing = positions
        self._free = BEFORE

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = max(offered, self._free)
        self._free = accepted + 1
        self._have += self._width
        moved = accepted
        while self._have >= self._channels:
            self._free = moved = self._down.push(moved + 1)
            self._have -= self._channels
            self._missing -= 1
            if not self._missing:
                self._have, self._missing = 0, self._positions
        return accepted

    def drain(self) -> None:
        self._down.drain()


class _Window:
    """Positions into windows, shift by shift."""

    def __init__(
        self,
        image: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        down: _Stage,
    ) -> None:
        self._down = down
        self._positions = image[0] * image[1]
        rows, columns = (
            [at * stride[k] - padding[k] + kernel[k] - 1 for at in range(count)]
            for k in range(2)
            for count in [(image[k] + 2 * padding[k] - kernel[k]) // stride[k] + 1]
        )
        self._due = {row * image[1] + column for row in rows for column in columns}
        self._end = max(*self._due, self._positions - 1)
        self._overlaps = self._end >= 2 * self._positions
        self._position = self._age = 0
        self._complete = False
        self._free = BEFORE  # the next shift, if nothing is waited for

    def push(self, offered: int, *, last: bool = True) -> int:
        while self._complete and (self._overlaps or (not self._position and offered > self._free)):
            self._shift(self._free, came=False)
        accepted = max(offered, self._free)
        self._shift(accepted, came=True)
        return accepted

    def drain(self) -> None:
        while self._complete:
            self._shift(self._free, came=False)
        self._down.drain()

    def _shift(self, cycle: int, *, came: bool) -> None:
        emit = self._age in self._due
        position = self._position + came
        whole = position == self._positions
        if self._age == self._end:
            self._age = position if self._complete else 0
            self._complete = self._complete and whole
        else:
            self._age += 1
            self._complete = self._complete or whole
        self._position = 0 if whole else position
        self._free = self._down.push(cycle + 1) if emit else cycle + 1


class _Output:
    """Results into frames of beats."""

    def __init__(self, beats: int) -> None:
        self.beats = beats
        self.results: list[int] = []

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = max(offered, self.results[-1] if self.results else BEFORE)
        self.results.append(accepted + self.beats)
        return accepted

    def drain(self) -> None:
        pass


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


class _Register:
    """One register: an item enters when the one before leaves, and is offered a cycle later.

    What is not the last of a series goes no further.
    """

    def __init__(self, down: _Stage) -> None:
        self._down = down
        self._accepted = BEFORE
        self._free = BEFORE

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = self.enter(offered)
        self.leave(last=last)
        return accepted

    def enter(self, offered: int) -> int:
        """Take an item."""
        self._accepted = max(offered, self._accepted + 1, self._free)
        return self._accepted

    def leave(self, *, last: bool) -> None:
        """Give it away."""
        self._free = self._down.push(self._accepted + 1, last=last)

    def drain(self) -> None:
        self._down.drain()


class _Skid:
    """A place to stop: an item is passed on in the cycle in which it enters, or waits inside."""

    def __init__(self, down: _Stage) -> None:
        self._down = down
        self._left = BEFORE

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = max(offered, self._left + 1)
        self._left = self._down.push(accepted, last=last)
        return accepted

    def drain(self) -> None:
        self._down.drain()


class _Walk:
    """A held response, chunk by chunk; ``last`` is the last plane, with which sums leave."""

    def __init__(self, chunks: int, down: _Stage) -> None:
        self._chunks = chunks
        self._register = _Register(down)

    def push(self, offered: int, *, last: bool = True) -> int:
        moved = BEFORE
        for chunk in range(self._chunks):
            moved = self._register.enter(offered)
            if last:
                self._register.leave(last=chunk == self._chunks - 1)
        return moved

    def drain(self) -> None:
        self._register.drain()


class _Columns:
    """``sa`` and ``adc``: a request for each plane of a vector."""

    def __init__(self, layer: LayerPlan, down: _Stage) -> None:
        self._planes = layer.series
        self._arrays = _Arrays(layer)
        self._down = down

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = BEFORE
        for plane in range(self._planes):
            accepted, response = self._arrays.request(offered)
            self._arrays.taken(self._down.push(response, last=plane == self._planes - 1))
        return accepted

    def drain(self) -> None:
        self._down.drain()


class _Words:
    """``pcsa``: a request for each word, and a sum of all that belong to an output."""

    def __init__(self, layer: LayerPlan, down: _Register) -> None:
        self._chunks = layer.chunks
        self._reads = layer.reads_per_output * layer.series
        self._arrays = _Arrays(layer)
        self._down = down

    def push(self, offered: int, *, last: bool = True) -> int:
        accepted = BEFORE
        for chunk in range(self._chunks):
            for read in range(self._reads):
                accepted, response = self._arrays.request(offered)
                self._arrays.taken(self._down.enter(response))
                if read == self._reads - 1:
                    self._down.leave(last=chunk == self._chunks - 1)
        return accepted

    def drain(self) -> None:
        self._down.drain()


class _Dispatch:
    """Windows in turn, each to a replica, which holds it in a register."""

    def __init__(self, replicas: list[_Stage], windows: int) -> None:
        self._replicas = replicas
        self._windows = windows
        self._window = 0

    def push(self, offered: int, *, last: bool = True) -> int:
        replica = self._replicas[self._window % len(self._replicas)]
        self._window = (self._window + 1) % self._windows
        return replica.push(offered)

    def drain(self) -> None:
        self._replicas[0].drain()


class _Merge:
    """What replicas give, taken in the order in which it comes here: one a cycle."""

    def __init__(self, down: _Stage) -> None:
        self._down = down
        self._taken = BEFORE

    def push(self, offered: int, *, last: bool = True) -> int:
        self._taken = self._down.push(max(offered, self._taken + 1))
        return self._taken

    def drain(self) -> None:
        self._down.drain()


class _Collect:
    """Chunks into a vector: the last one needs the output register.

    With ``counts`` every ``chunks``-th is the last one, else whoever gives it says so.
    """

    def __init__(self, chunks: int, down: _Stage, *, counts: bool = False) -> None:
        self._chunks = chunks
        self._down = down
        self._counts = counts
        self._collected = BEFORE
        self._missing = chunks
        self._free = BEFORE

    def push(self, offered: int, *, last: bool = True) -> int:
        if self._counts:
            self._missing = self._missing - 1 or self._chunks
            last = self._missing == self._chunks
        self._collected = max(offered, self._collected + 1, self._free if last else BEFORE)
        collected = self._collected
        if last:
            self._free = self._down.push(collected + 1)
        return collected

    def drain(self) -> None:
        self._down.drain()
