"""The trainer: forward, error, backward, update, refresh, readout and copy, in integers.

``docs/learning.md`` is the rule. Products of matrices are exact: sums that could reach 2^24 are
made in float64, others in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.network import Dense, Input, Network, Scores
from binohm.sim.training.pairs import IdealPairs, Pairs
from binohm.sim.training.rule import FRACTION, SHIFT_BITS, Counts, Rule, Xorshift, rsh

__all__ = ["Layer", "Training"]

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Levels = NDArray[np.uint8]


BLOCK = 1 << 15
"""Cells that are worked on at once, so that they stay in the cache of a processor."""


@dataclass
class Layer:
    """State of a layer.

    Attributes
    ----------
    pairs : Pairs
        The update array.
    signs : float32 array, shape (rows, columns)
        -1 and +1: what the propagation array holds.
    mean, offset : int64 array, shape (columns,)
        ``M`` and ``Bi``; of the last layer, 0.
    """

    pairs: Pairs
    signs: NDArray[np.float32]
    mean: Ints
    offset: Ints

    @property
    def theta(self) -> Ints:
        """Thresholds."""
        return (self.mean >> FRACTION) - (self.offset >> FRACTION)


@dataclass
class _Pass:
    """What the forward pass of one layer leaves for the others."""

    a: Floats
    s: Ints
    u: Ints


class Training:
    """A network that learns.

    Parameters
    ----------
    rule : Rule
    seed : int
        Of first weights and rounding; 1 to 2^32 - 1.
    pairs : sequence of Pairs, optional
        The update arrays of all layers, new; ideal ones by default.

    Attributes
    ----------
    layers : list of Layer
    counts : Counts
    """

    def __init__(self, rule: Rule, seed: int = 1, pairs: Sequence[Pairs] | None = None) -> None:
        self.rule = rule
        self.counts = Counts()
        self.random = Xorshift(seed)
        if pairs is None:
            pairs = [IdealPairs(rows, columns, rule.pulses) for rows, columns in rule.shapes]
        if len(pairs) != len(rule.shapes):
            raise ValueError(f"{len(rule.shapes)} layers need as many arrays, not {len(pairs)}")
        self.layers = [
            self._start(rows, columns, array)
            for (rows, columns), array in zip(rule.shapes, pairs, strict=True)
        ]

    def _start(self, rows: int, columns: int, pairs: Pairs) -> Layer:
        """INIT of one layer."""
        bits = self.rule.start_bits
        words = self.random.words(rows * columns).reshape(rows, columns)
        first = (words & ((2 << bits) - 1)) - (1 << bits)
        pairs.reset(np.ones((rows, columns), np.bool_))
        pairs.pulse(first.astype(np.int16))
        pulses = int(np.abs(first).max(axis=1).sum())
        self.counts.parallel.init += 5 * rows + pulses
        self.counts.by_row.init += 2 * rows + pulses
        zero = np.zeros(columns, np.int64)
        return Layer(pairs, _signs(pairs.positive()), zero, zero.copy())

    def scores(self, levels: Levels) -> Ints:
        """Scores of images, shape (N, classes); nothing changes.

        Parameters
        ----------
        levels : uint8 array, shape (N, inputs)
            Below ``2^pixel_bits``.
        """
        return self._forward(levels)[-1].s

    def step(self, levels: Levels, labels: Ints, slower: int = 0) -> None:
        """Learn from one batch.

        Parameters
        ----------
        levels : uint8 array, shape (batch, inputs)
            Below ``2^pixel_bits``.
        labels : int64 array, shape (batch,)
        slower : int
            Halvings of the rate.

        Raises
        ------
        ValueError
            If a shape or a value does not fit.
        """
        rule, counts = self.rule, self.counts
        self._check(levels, labels)
        shifts = [rule.shift(number, slower) for number in range(len(self.layers))]
        passes = self._forward(levels)
        errors = self._backward(passes, labels)
        self._count_reads()
        counts.batches += 1
        refresh = self._due(rule.refresh_bits)
        exchange = rule.exchange_bits >= 0 and self._due(rule.exchange_bits + slower)
        for number, (layer, done, d) in enumerate(zip(self.layers, passes, errors, strict=True)):
            if number < len(self.layers) - 1:
                d = self._follow(number, layer, done, d, slower)
            touched = self._update(layer, done.a, d, shifts[number])
            if refresh:
                again = self._refresh(layer.pairs, exchange=exchange)
                np.logical_or(touched, again, out=touched)
            self._copy(layer, touched)

    def network(self, name: str, input: Input) -> Network:
        """The network as it is, for every other part of the project.

        Parameters
        ----------
        name : str
        input : Input
            Whose table makes levels of pixels.
        """
        layers: list[Dense | Scores] = []
        for number, layer in enumerate(self.layers, 1):
            weights = layer.signs.T.astype(np.int8)
            if number == len(self.layers):
                layers.append(Scores(f"fc{number}", weights))
                continue
            flip = np.zeros((1, len(weights)), np.bool_)
            layers.append(Dense(f"fc{number}", weights, layer.theta[np.newaxis], flip))
        return Network(name, input, tuple(layers))

    def _check(self, levels: Levels, labels: Ints) -> None:
        rule = self.rule
        for name, values, shape, most in (
            ("levels", levels, (rule.batch, rule.sizes[0]), (1 << rule.pixel_bits) - 1),
            ("labels", labels, (rule.batch,), rule.sizes[-1] - 1),
        ):
            if values.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, not {values.shape}")
            if values.min() < 0 or values.max() > most:
                wrong = values.min() if values.min() < 0 else values.max()
                raise ValueError(f"{name} must be 0 to {most}, not {wrong}")

    def _forward(self, levels: Levels) -> list[_Pass]:
        rule = self.rule
        bound = rule.sizes[0] << rule.pixel_bits
        a = levels.astype(_exact(max(bound, *rule.sizes)))
        passes = []
        for layer in self.layers:
            s = _integers(a @ layer.signs)
            u = s - layer.theta.astype(s.dtype)
            passes.append(_Pass(a, s, u))
            a = _signs(u >= 0)
        return passes

    def _backward(self, passes: Sequence[_Pass], labels: Ints) -> list[Ints]:
        """Errors of every layer, lowest first."""
        m = self.rule.error_limit
        d = self._loss(passes[-1].s, labels)
        errors = [d]
        for number in range(len(passes) - 2, -1, -1):
            shifts = self.rule.layers[number]
            above = self.layers[number + 1].signs
            e = _integers(d.astype(_exact(m * above.shape[1])) @ above.T)
            e *= np.abs(passes[number].u) <= 1 << shifts.win
            d = np.clip(rsh(e, shifts.esh), -m, m)
            errors.insert(0, d)
        return errors

    def _loss(self, scores: Ints, labels: Ints) -> Ints:
        """Errors at the output."""
        rule, images = self.rule, np.arange(len(scores))
        others = scores.copy()
        others[images, labels] = np.iinfo(others.dtype).min
        rivals = others.argmax(axis=1)
        g = np.maximum(0, rule.margin - (scores[images, labels] - scores[images, rivals]))
        e = np.zeros_like(scores)
        e[images, labels] = rsh(g, rule.error_shift)
        e[images, rivals] = rsh(-g, rule.error_shift)
        return np.clip(e, -rule.error_limit, rule.error_limit)

    def _follow(self, number: int, layer: Layer, done: _Pass, d: Ints, slower: int) -> Ints:
        """Thresholds of a hidden layer follow the batch; returns its errors, centred."""
        rule, bits = self.rule, self.rule.batch_bits
        sd = d.sum(axis=0)
        layer.mean += ((done.s.sum(axis=0) << (FRACTION - bits)) - layer.mean) >> rule.mean_shift
        limit = 1 << (rule.layers[number].win + 1 + FRACTION)
        step = (sd << FRACTION) >> (rule.offset_shift + slower)
        layer.offset = np.clip(layer.offset + step, -limit, limit)
        return 4 * d - rsh(4 * sd, bits) if bits >= 2 else 4 * d

    def _update(self, layer: Layer, a: Floats, d: Ints, shift: int) -> NDArray[np.bool_]:
        """Pulses; returns the rows that got some."""
        rule, columns, rows = self.rule, d.shape[1], a.shape[1]
        words = self.random.words(columns + rows).astype(np.int32) & ((1 << SHIFT_BITS) - 1)
        rho, gamma = words[:columns], words[columns:, np.newaxis]
        bound = int(np.abs(a).max()) * int(np.abs(d).max()) * rule.batch
        a, d = a.astype(_exact(bound), copy=False), d.astype(_exact(bound))
        most = np.zeros(rows, np.int64)
        block = max(1, BLOCK // columns)
        for first in range(0, rows, block):
            part = slice(first, min(first + block, rows))
            rounding = rho + gamma[part]
            rounding &= (1 << shift) - 1
            g = (a[:, part].T @ d).astype(np.int32)
            g += rounding
            g >>= shift
            most[part] = self._limit(g)
            layer.pairs.pulse(g.astype(np.int16), first)
        activations = int(most.sum())
        self.counts.parallel.update += activations
        self.counts.by_row.update += activations
        touched: NDArray[np.bool_] = most > 0
        self.counts.rows += int(np.count_nonzero(touched))
        return touched

    def _limit(self, g: NDArray[np.int32]) -> Ints:
        """Limit the pulses of some rows in place and count them; returns the most of each."""
        counts, limit = self.counts, self.rule.most
        size = np.abs(g)
        if size.max() > limit:
            counts.clipped += int(np.count_nonzero(size > limit))
            np.minimum(np.maximum(g, -limit, out=g), limit, out=g)
            np.minimum(size, limit, out=size)
        total, net = (int(np.add.reduce(x, axis=None, dtype=np.int32)) for x in (size, g))
        counts.pulses_1 += (total + net) // 2
        counts.pulses_2 += (total - net) // 2
        most: Ints = size.max(axis=1).astype(np.int64)
        return most

    def _due(self, bits: int) -> bool:
        """Whether what is done every ``2^bits`` batches is done in this one."""
        return bits >= 0 and self.counts.batches % (1 << bits) == 0

    def _refresh(self, pairs: Pairs, *, exchange: bool) -> NDArray[np.bool_]:
        """Reset full pairs, or all, and give them their difference again; returns their rows.

        With ``exchange`` the branches exchange their roles in between.
        """
        rule, counts = self.rule, self.counts
        counts.saturations += sum(int(part.sum()) for part in pairs.reach(rule.pulses))
        (full_1, full_2), (gain_1, gain_2) = pairs.reach(rule.full), pairs.reach(rule.gain)
        full = (full_1 & gain_2) | (full_2 & gain_1) | exchange
        cell = full.reshape(-1).nonzero()[0]
        levels = pairs.levels(cell)
        again = np.zeros(full.shape, np.int16)
        again.reshape(-1)[cell] = levels[:, 0] - levels[:, 1]
        pairs.reset(full)
        if exchange:
            pairs.exchange()
        pairs.pulse(again)
        rows = np.asarray(full.any(axis=1))
        activations = int(
            2 * len(rows) + 2 * rows.sum() + np.abs(again).max(axis=1).sum(dtype=np.int64)
        )
        counts.refreshes += len(cell)
        counts.refresh_pulses += int(np.abs(again).sum(dtype=np.int64))
        counts.parallel.refresh += activations
        counts.by_row.refresh += activations
        return rows

    def _copy(self, layer: Layer, touched: NDArray[np.bool_]) -> None:
        """Signs of the rows that were touched, into the propagation array."""
        counts, (rows, columns) = self.counts, layer.signs.shape
        block = max(1, BLOCK // columns)
        signs = layer.signs.reshape(-1)
        changes = 0
        ups, downs = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        for first in range(0, rows, block):
            part = slice(first, first + block)
            positive = layer.pairs.positive(part)
            cell = (positive != (layer.signs[part] > 0)).reshape(-1).nonzero()[0]
            changes += len(cell)
            up = positive.reshape(-1)[cell]
            cell += first * columns
            row = cell // columns
            ups[row[up]] = True
            downs[row[~up]] = True
            signs[cell] *= -1
        writes = int(np.count_nonzero(ups) + np.count_nonzero(downs))
        read = int(np.count_nonzero(touched))
        counts.sign_changes += changes
        counts.parallel.readout += 2 * read
        counts.parallel.copy += 2 * read if self.rule.copy_all else writes
        counts.copies += read * columns if self.rule.copy_all else changes

    def _count_reads(self) -> None:
        """Reads of the forward and the backward pass."""
        rule, sizes = self.rule, self.rule.sizes
        hidden = len(self.layers) - 1
        parallel, by_row = self.counts.parallel, self.counts.by_row
        parallel.forward += hidden + rule.batch * (rule.pixel_bits + hidden)
        parallel.backward += rule.batch * hidden * 2 * (rule.error_bits - 1)
        by_row.forward += rule.batch * sum(sizes[:-1])
        by_row.backward += rule.batch * sum(sizes[1:-1])


def _signs(positive: NDArray[np.bool_]) -> NDArray[np.float32]:
    signs = positive.astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


def _exact(bound: int) -> type[np.floating[Any]]:
    """A float in which sums up to ``bound`` are exact."""
    return np.float32 if bound < 1 << 24 else np.float64


def _integers(sums: Floats) -> NDArray[Any]:
    """Exact sums as integers of 32 bits, or of 64 where they were made in float64."""
    return sums.astype(np.int32 if sums.dtype == np.float32 else np.int64)
