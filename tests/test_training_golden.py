"""Learning on the arrays: the golden model against a transcription, weight by weight."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from binohm.sim.training.pairs import IdealPairs
from binohm.sim.training.rule import Counts, LayerRule, Rule, Xorshift
from binohm.sim.training.trainer import Training

RULES = {
    "two layers": Rule((5, 4, 3), (LayerRule(2, 2, 1), LayerRule(2)), batch_bits=3, pulses=8,
                       start_bits=2, most=3, margin=10, full=6, gain=2, refresh_bits=1,
                       exchange_bits=1),
    "three layers": Rule((6, 5, 4, 2), (LayerRule(1, 3, 0), LayerRule(2, 1, 1), LayerRule(1)),
                         pixel_bits=3, batch_bits=2, pulses=16, start_bits=1, most=2, margin=12,
                         error_bits=3, error_shift=0, full=12, gain=3, refresh_bits=0,
                         exchange_bits=0, copy_all=True),
    "one layer": Rule((4, 3), (LayerRule(1),), pixel_bits=1, batch_bits=1, pulses=4, start_bits=2,
                      most=1, margin=5, full=3, gain=1, refresh_bits=2),
    "one image": Rule((6, 4, 3), (LayerRule(1, 2, 0), LayerRule(1)), batch_bits=0, pulses=6,
                      start_bits=2, most=2, margin=9, mean_shift=11, full=2, gain=4,
                      refresh_bits=3),
    "no refresh": Rule((6, 4, 3), (LayerRule(0, 2, 0), LayerRule(1)), batch_bits=2, pulses=6,
                       start_bits=1, most=4, margin=9, refresh_bits=-1, full=4, gain=2),
}  # fmt: skip


class Plain:
    """The page ``docs/learning.md``, one Python integer at a time."""

    def __init__(self, rule: Rule, seed: int) -> None:
        self.rule, self.sizes, self.t = rule, rule.sizes, 0
        self.exchanged = False
        self.c, self.x = Counts(), seed
        self.n, self.w, self.mean, self.offset = [], [], [], []
        for rows, columns in zip(self.sizes, self.sizes[1:], strict=False):
            n = [[[0, 0] for _ in range(columns)] for _ in range(rows)]
            for row in n:
                largest = 0
                for pair in row:
                    v = self.draw() % (2 << rule.start_bits) - (1 << rule.start_bits)
                    pair[0 if v >= 0 else 1] = min(abs(v), rule.pulses)
                    largest = max(largest, abs(v))
                self.c.parallel.init += 2 + largest + 1 + 2
                self.c.by_row.init += 2 + largest
            self.n.append(n)
            self.w.append([[self.sign(pair, exchanged=False) for pair in row] for row in n])
            self.mean.append([0] * columns)
            self.offset.append([0] * columns)

    @staticmethod
    def sign(pair: list[int], *, exchanged: bool) -> int:
        return 1 if pair[0] > pair[1] or (pair[0] == pair[1] and not exchanged) else -1

    def draw(self) -> int:
        self.x = (self.x ^ self.x << 13) & 0xFFFFFFFF
        self.x ^= self.x >> 17
        self.x = (self.x ^ self.x << 5) & 0xFFFFFFFF
        return self.x >> 8

    @staticmethod
    def rsh(x: int, n: int) -> int:
        return x if n == 0 else (x + 2 ** (n - 1)) // 2**n

    def forward(self, image: list[int]) -> list[tuple[list[int], list[int], list[int]]]:
        a, passes = image, []
        self.c.parallel.forward += self.rule.pixel_bits + len(self.w) - 1
        for k, w in enumerate(self.w):
            self.c.by_row.forward += len(w)
            s = [sum(w[i][j] * a[i] for i in range(len(w))) for j in range(len(w[0]))]
            theta = [
                m // 4096 - b // 4096 for m, b in zip(self.mean[k], self.offset[k], strict=True)
            ]
            u = [x - y for x, y in zip(s, theta, strict=True)]
            passes.append((a, s, u))
            a = [1 if x >= 0 else -1 for x in u]
        return passes

    def backward(self, passes: list[tuple[list[int], ...]], y: int) -> list[list[int]]:
        rule, m = self.rule, 2 ** (self.rule.error_bits - 1) - 1
        s = passes[-1][1]
        r = max((c for c in range(len(s)) if c != y), key=lambda c: (s[c], -c))
        g = max(0, rule.margin - (s[y] - s[r]))
        d = [0] * len(s)
        d[y] = max(-m, min(m, self.rsh(g, rule.error_shift)))
        d[r] = max(-m, min(m, self.rsh(-g, rule.error_shift)))
        errors = [d]
        for k in range(len(self.w) - 2, -1, -1):
            shifts, w, u = rule.layers[k], self.w[k + 1], passes[k][2]
            self.c.parallel.backward += 2 * (rule.error_bits - 1)
            self.c.by_row.backward += len(w)
            e = [sum(w[i][j] * d[j] for j in range(len(d))) for i in range(len(w))]
            e = [0 if abs(x) > 2**shifts.win else v for v, x in zip(e, u, strict=True)]
            d = [max(-m, min(m, self.rsh(v, shifts.esh))) for v in e]
            errors.insert(0, d)
        return errors

    def step(self, images: list[list[int]], labels: list[int], slower: int) -> None:
        rule = self.rule
        every = [self.forward(image) for image in images]
        errors = [self.backward(p, y) for p, y in zip(every, labels, strict=True)]
        self.t += 1
        self.c.parallel.forward += len(self.w) - 1
        self.c.batches += 1
        exchange = self.due(rule.exchange_bits, slower)
        for k in range(len(self.w)):
            a = [p[k][0] for p in every]
            d = [e[k] for e in errors]
            shift = rule.layers[k].k + slower
            if k < len(self.w) - 1:
                d = self.follow(k, [p[k][1] for p in every], d, slower)
                shift += 2
            self.update(k, a, d, shift, exchange=exchange)
        self.exchanged ^= exchange

    def due(self, bits: int, more: int = 0) -> bool:
        return bits >= 0 and self.t % 2 ** (bits + more) == 0

    def follow(
        self, k: int, s: list[list[int]], d: list[list[int]], slower: int
    ) -> list[list[int]]:
        rule, bits = self.rule, self.rule.batch_bits
        columns = range(len(d[0]))
        sd = [sum(row[j] for row in d) for j in columns]
        for j in columns:
            total = sum(row[j] for row in s)
            self.mean[k][j] += (total * 2 ** (12 - bits) - self.mean[k][j]) >> rule.mean_shift
            limit = 2 ** (rule.layers[k].win + 13)
            step = sd[j] * 4096 >> rule.offset_shift + slower
            self.offset[k][j] = max(-limit, min(limit, self.offset[k][j] + step))
        centre = [self.rsh(4 * x, bits) if bits >= 2 else 0 for x in sd]
        return [[4 * row[j] - centre[j] for j in columns] for row in d]

    def update(
        self, k: int, a: list[list[int]], d: list[list[int]], shift: int, *, exchange: bool
    ) -> None:
        rule, c, columns = self.rule, self.c, range(len(d[0]))
        rho = [self.draw() for _ in columns]
        for i, row in enumerate(self.n[k]):
            gamma = self.draw()
            before = [self.sign(pair, exchanged=self.exchanged) for pair in row]
            largest, touched = 0, False
            for j, pair in enumerate(row):
                g = sum(d[b][j] * a[b][i] for b in range(len(a)))
                wanted = (g + (rho[j] + gamma) % 2**shift) >> shift
                p = max(-rule.most, min(rule.most, wanted))
                c.clipped += p != wanted
                c.pulses_1 += max(p, 0)
                c.pulses_2 += max(-p, 0)
                pair[p < 0] = min(rule.pulses, pair[p < 0] + abs(p))
                largest = max(largest, abs(p))
            c.rows += largest > 0
            c.parallel.update += largest
            c.by_row.update += largest
            if self.due(rule.refresh_bits):
                touched = self.refresh(row, exchange=exchange)
            if largest or touched:
                exchanged = self.exchanged != exchange
                after = [self.sign(pair, exchanged=exchanged) for pair in row]
                self.copy(self.w[k][i], before, after)

    def refresh(self, row: list[list[int]], *, exchange: bool) -> bool:
        rule, c, found, largest = self.rule, self.c, False, 0
        for pair in row:
            c.saturations += sum(n == rule.pulses for n in pair)
            if exchange or any(pair[k] >= rule.full and pair[1 - k] >= rule.gain for k in (0, 1)):
                found, difference = True, pair[0] - pair[1]
                pair[:] = [0, 0]
                pair[difference < 0] = abs(difference)
                c.refreshes += 1
                c.refresh_pulses += abs(difference)
                largest = max(largest, abs(difference))
        steps = 2 + (2 + largest if found else 0)
        c.parallel.refresh += steps
        c.by_row.refresh += steps
        return found

    def copy(self, w: list[int], before: list[int], after: list[int]) -> None:
        c = self.c
        assert w == before
        changed = [j for j in range(len(w)) if before[j] != after[j]]
        c.sign_changes += len(changed)
        c.parallel.readout += 2
        c.copies += len(w) if self.rule.copy_all else len(changed)
        ways = {1, -1} if self.rule.copy_all else {after[j] for j in changed}
        c.parallel.copy += len(ways)
        w[:] = after


def batches(rule: Rule, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Random levels; classes that the levels say something about."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        levels = rng.integers(0, 1 << rule.pixel_bits, (rule.batch, rule.sizes[0])).astype(np.uint8)
        yield levels, levels[:, 0].astype(np.int64) % rule.sizes[-1]


@pytest.mark.parametrize("name", RULES)
def test_every_integer_is_that_of_the_page(name: str) -> None:
    rule = RULES[name]
    plain, golden = Plain(rule, 77), Training(rule, 77)
    for step, (levels, labels) in enumerate(batches(rule, 40, 5)):
        slower = step // 16
        plain.step(levels.tolist(), labels.tolist(), slower)
        golden.step(levels, labels, slower)
        for k, layer in enumerate(golden.layers):
            assert isinstance(layer.pairs, IdealPairs)
            pairs = layer.pairs.levels().reshape(*layer.signs.shape, 2)
            assert pairs.tolist() == plain.n[k], f"step {step}, layer {k + 1}"
            assert layer.signs.tolist() == plain.w[k]
            assert layer.mean.tolist() == plain.mean[k]
            assert layer.offset.tolist() == plain.offset[k]
        assert golden.counts == plain.c, f"step {step}"
        assert golden.random.state == plain.x
    counts = golden.counts
    happened = {field.name for field in dataclasses.fields(counts) if getattr(counts, field.name)}
    refreshed = {"saturations", "refreshes", "refresh_pulses"}
    missing = {field.name for field in dataclasses.fields(counts)} - happened
    assert missing <= (refreshed if rule.refresh_bits < 0 else set())


def test_words_are_those_of_the_generator() -> None:
    known = Xorshift(1)  # Marsaglia's generator from 1: 270369, 67634689, ...
    assert known.words(3).tolist() == [270369 >> 8, 67634689 >> 8, 2647435461 >> 8]
    assert known.state == 2647435461
    whole = Xorshift(12345).words(200_000)
    parts = Xorshift(12345)
    cut = [parts.words(count) for count in (0, 1, 70_000, 129_998, 1)]
    np.testing.assert_array_equal(np.concatenate(cut), whole)
    again = Xorshift(12345)
    again.words(1000)
    np.testing.assert_array_equal(Xorshift(again.state).words(5), whole[1000:1005])
