"""A whole network on its device maps: what the device view of a build computes, bit for bit.

Layer by layer, the arrays are read as :mod:`binohm.gen.plan` lays them out, and their answers are
put together by that module's formulas. Nothing is shared with the generator's periphery:
thresholds are the network's, compared with the sum ``s`` that the answers stand for. One limit of
the hardware is restated: it keeps thresholds within what ``u`` can be in an ideal array, and
scores in 32 bits, which only errors of devices can exceed.

A convolution reads its arrays window by window, row by row; so the number of a read within an image
goes by window first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import OutputError
from binohm.gen.network import Conv, Dense, Ints, Network, Scores, Signs
from binohm.gen.plan import LayerPlan, Plan, Tile
from binohm.sim.device.map import DeviceMap, reads_per_image
from binohm.sim.device.read import Reader
from binohm.sim.device.state import State
from binohm.sim.golden import Trace, check_images
from binohm.sim.words import Windows, largest

__all__ = ["Devices", "cells", "load_maps"]

VECTORS = 1 << 12
"""Windows that a layer reads at once: memory stays small."""


@dataclass(frozen=True)
class _Vectors:
    """What a layer multiplies by its weights, and when.

    Parameters
    ----------
    x : array, shape (N, inputs)
        Elements of a window beyond the border are 0.
    images, windows : int64 array, shape (N,)
        Numbers of the image, and of the window in it.
    """

    x: NDArray[Any]
    images: Ints
    windows: Ints


class Devices:
    """A network loaded into arrays of devices.

    Parameters
    ----------
    network : Network
    plan : Plan
    maps : mapping of str to DeviceMap
        For every tile, by its name.
    spares : mapping of str to mapping of int to int, optional
        By tile: bad columns, and the number of the spare column that holds the weights of each and
        answers instead, counted from 0.

    Attributes
    ----------
    states : dict of str to State
        The devices of each tile. Pulses given to them are seen by the next :meth:`forward`.

    Raises
    ------
    ValueError
        If the map of a tile is missing or of another array, or it has no such columns. Names the
        tile.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        maps: Mapping[str, DeviceMap],
        spares: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        self.network = network
        self.plan = plan
        self.states: dict[str, State] = {}
        self._homes: dict[str, Ints] = {}
        for layer, part in zip(network.layers, plan.layers, strict=True):
            for tile in part.tiles:
                if tile.name not in maps:
                    raise ValueError(f"{tile.name}: there is no map of this tile")
                try:
                    maps[tile.name].require(part.array, reads_per_image(part, tile))
                except ValueError as error:
                    raise ValueError(f"{tile.name}: {error}") from error
                homes = _homes(part, tile, (spares or {}).get(tile.name, {}))
                stored = cells(layer, part, tile)
                stored[:, homes] = stored[:, : len(homes)]
                self._homes[tile.name] = homes
                self.states[tile.name] = State(maps[tile.name], tile.id, stored)

    def forward(self, images: NDArray[np.uint8], first: int = 0) -> Trace:
        """Compute the network on ``images``, of which the first has number ``first``.

        Parameters
        ----------
        images : uint8 array, shape (N, *network.input.shape)
        first : int
            Images since reset; the noise of a read depends on its image's number.
        """
        source = self.network.input
        check_images(source, images)
        values = source.table[images.reshape(len(images), source.elements)]
        numbers = first + np.arange(len(images))
        x: NDArray[Any] = values
        hidden: list[Signs] = []
        for layer, part in zip(self.network.hidden, self.plan.layers, strict=False):
            step = max(1, VECTORS // part.windows)
            x = np.concatenate([
                self._hidden(layer, part, x[at : at + step], numbers[at : at + step])
                for at in range(0, len(x) or 1, step)
            ])
            hidden.append(x)
        last = self.network.scores
        sums, _ = self._sums(last, self.plan.layers[-1], _vectors(last, x, numbers))
        scores = (last.scale * sums[0] + last.offset).astype(np.int32).astype(np.int64)
        return Trace(values, tuple(hidden), scores, scores.argmax(axis=1).astype(np.int64))

    def _hidden(self, layer: Dense, part: LayerPlan, x: NDArray[Any], numbers: Ints) -> Signs:
        """Results of a hidden layer, shape (N, layer.gives)."""
        vectors = _vectors(layer, x, numbers)
        pool = layer.pool.of if isinstance(layer, Conv) and layer.pool else None
        if part.array.readout == "sa":
            bits = self._sensed(layer, part, vectors)
        else:
            sums, (low, above) = self._sums(layer, part, vectors)
            bits = sums >= np.clip(layer.theta, low, above)[:, None]
        if pool == "sums":
            bits = _pooled(layer, bits)
        ballots = np.where(bits != layer.flip[:, None], 1, -1).sum(axis=0)
        votes = ballots >= 0
        if pool == "signs":
            votes = _pooled(layer, votes[None])[0]
        return np.where(votes, 1, -1).astype(np.int8).reshape(len(x), layer.gives)

    def _sensed(self, layer: Dense, part: LayerPlan, vectors: _Vectors) -> NDArray[np.bool_]:
        """``sa``: what each group and output senses, shape (groups, N, outputs)."""
        bits = np.zeros((part.groups, len(vectors.x), part.outputs), np.bool_)
        codes = -_thresholds(layer, part)
        ((_, drive),) = self._planes(part, vectors.x)
        for tile, reader in self._readers(part):
            mine, reads = _of_replica(part, tile, vectors)
            start, stop, _ = tile.outputs
            own = np.zeros(part.array.columns, np.int64)
            if part.array.ref_bits:
                own[: stop - start] = codes[tile.group, start:stop]
            q = reader.read(*_lines(part, tile, drive[mine]), vectors.images[mine], reads, own)
            bits[tile.group][mine, start:stop] = q[:, self._homes[tile.name][: stop - start]]
        return bits

    def _sums(
        self, layer: Dense | Scores, part: LayerPlan, vectors: _Vectors
    ) -> tuple[Ints, tuple[Ints, Ints]]:
        """``adc``, ``pcsa``: ``s``, shape (groups, N, outputs), at the two ends of thresholds too.

        The ends are what ``s`` is where ``u`` is at its lowest and above its highest.
        """
        counts = np.zeros((part.groups, len(vectors.x), part.outputs), np.int64)
        planes = list(self._planes(part, vectors.x))
        read = self._words if part.array.readout == "pcsa" else self._columns
        for tile, reader in self._readers(part):
            mine, reads = _of_replica(part, tile, vectors)
            outputs = np.arange(*tile.outputs)
            found = np.zeros((len(reads), len(outputs)), np.int64)
            own = [planes[tile.plane]] if part.parallel_planes else planes
            for turn, (worth, drive) in enumerate(own):
                when = vectors.images[mine], reads, turn
                found += worth * read(part, tile, reader, drive[mine], *when)
            counts[tile.group][np.ix_(mine, outputs)] += found
        driven = sum(worth * np.abs(drive).sum(axis=1, keepdims=True) for worth, drive in planes)
        u = 2 * counts - driven if part.driven else counts
        factor, constant = self._relation(layer, part)
        low, high = (factor * end - constant for end in (part.u_range[0], part.u_range[1] + 1))
        return factor * u - constant[:, None], (low, high)

    def _columns(
        self,
        part: LayerPlan,
        tile: Tile,
        reader: Reader,
        drive: Ints,
        images: Ints,
        reads: Ints,
        turn: int,
    ) -> Ints:
        """``adc``: counts of a tile's outputs in its plane number ``turn``."""
        counts = reader.read(*_lines(part, tile, drive), images, reads + turn)
        return counts[:, self._homes[tile.name][: tile.outputs[1] - tile.outputs[0]]]

    def _words(
        self,
        part: LayerPlan,
        tile: Tile,
        reader: Reader,
        drive: Ints,
        images: Ints,
        reads: Ints,
        turn: int,
    ) -> Ints:
        """``pcsa``: counts of a tile's outputs in its plane number ``turn``.

        Reads of a vector go by output, then by word, then by plane.
        """
        width, words = part.array.columns, part.reads_per_output
        steps = np.arange(len(range(*tile.outputs)))
        counts = np.zeros((len(drive), len(steps)), np.int64)
        for word in range(words):
            at = (word * part.slices_per_read + tile.slice) * width
            own = np.zeros((len(drive), width), np.int64)
            there = drive[:, at : at + width]
            own[:, : there.shape[1]] = there
            rows = steps * words + word
            when = reads[:, None] + rows * part.series + turn
            counts += reader.matches(rows, when, own, images)
        return counts

    def _readers(self, part: LayerPlan) -> Iterator[tuple[Tile, Reader]]:
        for tile in part.tiles:
            yield tile, Reader(part.array, self.states[tile.name])

    def _planes(self, part: LayerPlan, x: NDArray[Any]) -> Iterator[tuple[int, Ints]]:
        """Weight of every bit plane, and what it puts on the lines: -1, 0 or +1."""
        if self._multibit(part):
            for bit, worth in enumerate(part.planes):
                yield worth, x >> bit & 1
        else:
            yield 1, (x if part.drive == "bipolar" else np.maximum(x, 0)).astype(np.int64)

    def _relation(self, layer: Dense | Scores, part: LayerPlan) -> tuple[int, Ints]:
        """``factor`` and ``constant`` of ``s = factor * u - constant``, by group and output."""
        if self._multibit(part) or (part.driven and part.drive == "bipolar"):
            return 1, np.zeros((1, part.outputs), np.int64)
        ones = layer.weights if part.drive == "unipolar" else np.ones_like(layer.weights)
        bounds = layer.bounds if isinstance(layer, Dense) else (0, layer.inputs)
        return 2, np.add.reduceat(ones, bounds[:-1], axis=1, dtype=np.int64).T

    def _multibit(self, part: LayerPlan) -> bool:
        return part is self.plan.layers[0] and not self.network.input.bipolar


def _vectors(layer: Dense | Scores, x: NDArray[Any], numbers: Ints) -> _Vectors:
    """The windows of images ``x``, shape (N, layer.takes), that have these numbers."""
    if not isinstance(layer, Conv):
        return _Vectors(x, numbers, np.zeros_like(numbers))
    maps = np.moveaxis(x.reshape(len(x), *layer.image), -1, 1)
    taps = list(Windows.of(layer, layer.image).taps(maps))
    count = layer.windows[0] * layer.windows[1]
    vectors = np.stack(taps, axis=2).reshape(len(x), layer.inputs, count)
    return _Vectors(
        np.moveaxis(vectors, 1, 2).reshape(-1, layer.inputs),
        np.repeat(numbers, count),
        np.tile(np.arange(count), len(x)),
    )


def _pooled(layer: Dense, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any window of a pool has its bit set, of bits (groups, N, outputs)."""
    assert isinstance(layer, Conv) and layer.pool
    maps = bits.reshape(len(bits), -1, *layer.windows, layer.outputs)
    pooled = largest(np.moveaxis(maps, -1, 2), layer.pool.kernel, layer.pool.stride)
    return np.moveaxis(pooled, 2, -1).reshape(len(bits), -1, layer.outputs)


def _of_replica(part: LayerPlan, tile: Tile, vectors: _Vectors) -> tuple[Ints, Ints]:
    """Which vectors a tile reads, and the number of the first read of each in its image."""
    mine = np.flatnonzero(vectors.windows % part.replicas == tile.replica)
    return mine, vectors.windows[mine] // part.replicas * part.reads


def cells(layer: Dense | Scores, part: LayerPlan, tile: Tile) -> Signs:
    """The weights that a tile holds: -1 and +1, in bias rows also 0; -1 where unused.

    Returns
    -------
    int8 array, shape (lines, columns)
    """
    array = part.array
    output, source = part.cells(tile)
    stored = np.zeros((array.lines, array.columns), np.int8)
    stored[: array.rows] = np.where(output < 0, -1, layer.weights[output, source])
    if array.bias_rows:
        assert isinstance(layer, Dense)
        start, stop, _ = tile.outputs
        bias = -_thresholds(layer, part)[tile.group, start:stop]
        used = np.arange(array.bias_rows)[:, None] < np.abs(bias)
        stored[array.rows :, : stop - start] = np.sign(bias) * used
    return stored


def load_maps(directory: Path, plan: Plan) -> dict[str, DeviceMap]:
    """The maps of a build directory, by tile.

    Raises
    ------
    OutputError
        If one is missing or damaged, or of another array.
    """
    maps = {}
    for layer in plan.layers:
        for tile in layer.tiles:
            path = directory / "device" / f"{tile.name}.hex"
            try:
                found = DeviceMap.from_text(path.read_text(encoding="ascii"), str(path))
                found.require(layer.array, reads_per_image(layer, tile))
            except OSError as error:
                raise OutputError(
                    f"{path}: {error.strerror}; draw maps with `binohm build --set device.seed=1`"
                ) from error
            except ValueError as error:
                named = str(error) if str(path) in str(error) else f"{path}: {error}"
                raise OutputError(named) from error
            maps[tile.name] = found
    return maps


def _homes(part: LayerPlan, tile: Tile, spares: Mapping[int, int]) -> Ints:
    """The column that holds each column's weights, spare or not."""
    own, count = part.array.own_columns, part.array.spare_columns
    homes = np.arange(own)
    for column, spare in spares.items():
        if not (0 <= column < own and 0 <= spare < count):
            raise ValueError(
                f"{tile.name}: column {column} and spare {spare}: there are {own} columns and "
                f"{count} spare ones"
            )
        homes[column] = own + spare
    return homes


def _thresholds(layer: Dense, part: LayerPlan) -> Ints:
    """``sa``: the sum of the driven cells from which on a bit is set, shape (groups, outputs).

    At most one beyond what the sum can be, at either end.
    """
    sizes = np.diff(layer.bounds)[:, None]
    if part.drive == "bipolar":
        return np.asarray(np.clip(layer.theta, -sizes, sizes + 1))
    totals = np.add.reduceat(layer.weights, layer.bounds[:-1], axis=1, dtype=np.int64).T
    positive = np.add.reduceat(layer.weights > 0, layer.bounds[:-1], axis=1, dtype=np.int64).T
    half = -((-layer.theta - totals) // 2)
    return np.asarray(np.clip(half, positive - sizes, positive + 1))


def _lines(part: LayerPlan, tile: Tile, drive: Ints) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lines driven with +1 and with -1; bias rows always with +1."""
    start, stop = tile.inputs
    x = np.zeros((len(drive), part.array.lines), np.int64)
    x[:, : stop - start] = drive[:, start:stop]
    x[:, part.array.rows :] = 1
    return x > 0, x < 0
