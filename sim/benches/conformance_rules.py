"""The rules of a macro, on a record of what its pins did in every cycle: one line for each broken.

A response in cycle ``n`` is judged in this order, and only the first kind of mistake is reported:
unknown values, the handshake, responses that are missing or too many, their order, their values,
and at last when they came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Sample", "judge"]

Cycles = tuple[int, int, int]
"""Latency, interval, outstanding."""

Values = tuple[int, ...]
"""A response, column by column."""


FEW = 4
"""Different responses, among which wrong ones may well look like others in another order."""


@dataclass(frozen=True)
class Sample:
    """The pins in one cycle, before the clock edge at its end; None or text where not known.

    ``offered`` is the number of the request that is offered, ``early`` are ``q_valid`` and ``q`` in
    the same cycle while all inputs were something else.
    """

    reset: bool
    offered: int | None
    ready: bool | None
    valid: bool | None
    q: int | str
    q_ready: bool
    early: tuple[bool | None, int | str] | None = None

    @property
    def accepted(self) -> bool:
        """Whether a request is taken in."""
        return self.offered is not None and self.ready is True

    @property
    def taken(self) -> bool:
        """Whether a response is given."""
        return self.valid is True and self.q_ready


def judge(
    kind: str, samples: Sequence[Sample], timing: Sequence[Cycles], expected: Sequence[Values],
    bits: int,
) -> list[str]:  # fmt: skip
    """What is wrong, one line a rule, each with the number of its request; empty if nothing is.

    Parameters
    ----------
    kind : str
        Of the traffic, for the message.
    samples : sequence of Sample
    timing : sequence of Cycles
        Of each request's command.
    expected : sequence of Values
        What each request must be answered with.
    bits : int
        Of a column in ``q``.
    """
    for rule in (_unknown, _handshake, _answers, _cycles):
        found = list(rule(samples, timing, expected, bits))
        if found:
            return [f"{line} ({kind})" for line in found]
    return []


def _unknown(
    samples: Sequence[Sample], timing: Sequence[Cycles], expected: Sequence[Values], bits: int
) -> Iterator[str]:
    """Handshakes are 0 or 1, and so is all of ``q`` when it is valid."""
    request = _Counter()
    seen = set()
    for sample in samples:
        request.step(sample)
        bad = {
            "req_ready": sample.ready is None,
            "q_valid": sample.valid is None,
            "q": sample.valid is True and isinstance(sample.q, str),
        }
        for pin in (pin for pin, wrong in bad.items() if wrong and pin not in seen):
            seen.add(pin)
            found = sample.q if pin == "q" else "x"
            yield f"{pin}: request {request.due}: expected 0 or 1, found {found}"


def _handshake(
    samples: Sequence[Sample], timing: Sequence[Cycles], expected: Sequence[Values], bits: int
) -> Iterator[str]:
    """A response that is not taken stays; ``q`` and ``q_valid`` come from registers."""
    request = _Counter()
    rules: dict[str, str] = {}
    before = None
    for sample in samples:
        request.step(sample)
        head = f"request {request.due}: expected"
        if before is not None and before.valid and not before.q_ready and not before.reset:
            if not sample.valid:
                rules.setdefault("q_valid", f"q_valid fell while stalled: {head} 1, found 0")
            elif sample.q != before.q:
                text = f"q changed while stalled: {head} {before.q:x}, found {sample.q:x}"
                rules.setdefault("q", text)
        if sample.early is not None and sample.early[0] != sample.valid:
            text = f"q_valid is not registered: {head} {sample.valid:d}, found {sample.early[0]:d}"
            rules.setdefault("early valid", f"{text} while other pins moved")
        elif sample.early is not None and sample.valid and sample.early[1] != sample.q:
            text = f"q is not registered: {head} {sample.q:x}, found {sample.early[1]:x}"
            rules.setdefault("early q", f"{text} while other pins moved")
        before = sample
    yield from rules.values()


def _answers(
    samples: Sequence[Sample], timing: Sequence[Cycles], expected: Sequence[Values], bits: int
) -> Iterator[str]:
    """Every request that reset did not drop is answered once, in order, with what it asked for."""
    columns = len(expected[0]) if expected else 0
    for accepted, responses, refused in _runs(samples, len(expected)):
        got = [tuple(q >> bits * c & (1 << bits) - 1 for c in range(columns)) for q in responses]
        want = [expected[k] for k in accepted]
        late, extra, stray = _unexpected(samples, timing)
        differ = any(g != w for g, w in zip(got, want, strict=False))
        if len(got) > len(want) or (differ and stray):
            last = "none" if extra is None else extra
            yield f"q_valid: request {last}: expected no further response, found one"
            return
        if len(got) < len(want) and refused is not False:  # no reset came between
            k = next((k for k in range(len(got)) if got[k] != want[k]), len(got))
            first = accepted[k] if late is None else min(late, accepted[k])
            yield f"q_valid: request {first}: expected a response, found none"
            return
        wrong = next(
            (k for k, pair in enumerate(zip(got, want, strict=False)) if len({*pair}) > 1), None
        )
        if wrong is not None:
            yield _value(got, want, wrong, accepted)
            return
        if refused:
            yield f"req_ready: request {refused - 1}: expected 1, found 0 for ever"
            return


def _unexpected(
    samples: Sequence[Sample], timing: Sequence[Cycles]
) -> tuple[int | None, int | None, bool]:
    """The first request whose response is late, and the last one before a response too many.

    Responses that are equal do not tell which of them is missing; the cycles do. The third says
    whether a response came while none was due at all.
    """
    waiting: list[tuple[int, int]] = []
    late = extra = last = None
    stray = False
    for now, sample in enumerate(samples):
        if sample.reset:
            last = waiting[0][1] if waiting else last
            waiting = []
            continue
        if waiting and not sample.valid and now >= waiting[0][0] and late is None:
            late = waiting[0][1]
        if sample.valid and extra is None and (not waiting or now < waiting[0][0]):
            extra = last
        stray = stray or (sample.valid is True and not waiting)
        if sample.taken and waiting:
            last = waiting.pop(0)[1]
        if sample.accepted and sample.offered is not None:
            waiting.append((now + timing[sample.offered][0], sample.offered))
    return late, extra, stray


def _value(
    got: Sequence[Values], want: Sequence[Values], wrong: int, accepted: Sequence[int]
) -> str:
    """Which column, or which order, makes a response wrong."""
    found, right = got[wrong], want[wrong]
    request = accepted[wrong]
    if all(g == w[::-1] for g, w in zip(got, want, strict=False)):
        return f"q has its columns in reverse order: request {request}: {_differ(right, found)}"
    later = [k for k in range(wrong + 1, len(want)) if want[k] == found]
    if later and len(set(want)) > FEW and sorted(got) == sorted(want[: len(got)]):
        return (
            f"order: request {request}: expected its own response, found that of request "
            f"{accepted[later[0]]}"
        )
    column = next(c for c, (a, b) in enumerate(zip(found, right, strict=True)) if a != b)
    return f"q column {column}: request {request}: expected {right[column]}, found {found[column]}"


def _differ(right: Values, found: Values) -> str:
    return f"expected {list(right)}, found {list(found)}"


def _runs(
    samples: Sequence[Sample], count: int
) -> Iterator[tuple[list[int], list[int], int | bool | None]]:
    """Requests accepted and responses taken between resets.

    The third is False if a reset ended the run, and at the end one more than the number of a
    request that was never accepted, or None.
    """
    accepted: list[int] = []
    responses: list[int] = []
    offered = None
    for sample in samples:
        if sample.taken and not sample.reset:
            assert isinstance(sample.q, int)
            responses.append(sample.q)
        if sample.accepted and not sample.reset and sample.offered is not None:
            accepted.append(sample.offered)
        offered = None if sample.accepted else sample.offered
        if sample.reset:
            yield accepted, responses, False
            accepted, responses = [], []
    yield accepted, responses, None if offered is None else offered + 1


def _cycles(
    samples: Sequence[Sample], timing: Sequence[Cycles], expected: Sequence[Values], bits: int
) -> Iterator[str]:
    """Responses and readiness in exactly the cycles of the datasheet."""
    accepted: list[tuple[int, int]] = []  # cycle, request
    taken: list[int] = []
    for now, sample in enumerate(samples):
        if len(taken) < len(accepted):
            start, request = accepted[len(taken)]
            due = max(start + timing[request][0], taken[-1] + 1 if taken else 0)
            if bool(sample.valid) != (now >= due) and not sample.reset:
                came = next((n for n, s in enumerate(samples) if n >= now and s.valid), now)
                yield (
                    f"latency: request {request}: expected a response {due - start} cycles after "
                    f"it, found it {came - start} after"
                )
                return
        if sample.taken:
            taken.append(now)
        if not sample.reset and sample.offered is not None:
            yield from (wrong := list(_accepts(samples, now, accepted, len(taken), timing)))
            if wrong:
                return
        if sample.accepted and sample.offered is not None:
            accepted.append((now, sample.offered))
        if sample.reset:
            accepted, taken = [], []


def _accepts(
    samples: Sequence[Sample], now: int, accepted: Sequence[tuple[int, int]], taken: int,
    timing: Sequence[Cycles],
) -> Iterator[str]:  # fmt: skip
    """Whether the request that is offered now is accepted when it should be."""
    sample = samples[now]
    request = sample.offered
    assert request is not None
    most = timing[request][2]
    full = len(accepted) - taken >= most
    if not accepted:  # the first after reset may wait
        return
    last, before = accepted[-1]
    interval = timing[before][1]
    if bool(sample.ready) == (not full and now >= last + interval):
        return
    if full:
        yield f"outstanding: request {request}: expected at most {most} waiting, found {most + 1}"
    elif sample.ready:
        yield f"interval: request {request}: expected {interval} cycles, found {now - last}"
    else:
        came = next((n for n, s in enumerate(samples) if n > now and s.accepted), len(samples))
        yield (
            f"req_ready: request {request}: expected 1 in cycle {now - last} after the request "
            f"before, found 0 until {came - last}"
        )


class _Counter:
    """Number of the request whose response is due."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.due: int | str = "none"
        self._last: Sample | None = None

    def step(self, sample: Sample) -> None:
        """Take in the cycle before, then look at this one."""
        last = self._last
        if last is not None:
            if last.taken and self.waiting:
                self.waiting.pop(0)
            if last.accepted and last.offered is not None:
                self.waiting.append(last.offered)
            if last.reset:
                self.waiting = []
        self.due = self.waiting[0] if self.waiting else "none"
        self._last = sample
