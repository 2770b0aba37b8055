"""Bench of a build directory: what leaves each layer, and the host, equals the golden model.

Stands alone: needs cocotb 2.1 and, beside this file, ``vectors.json``, which holds the facts of the
design, images, and what must come out. ``make`` in this directory runs it.

Image ``k`` after a reset is frame ``k`` modulo their number. What must come out may depend on
``k``, as noise does: the vectors then hold several rounds of the frames.

With ``TAPS=0`` in the environment only the top is watched: a netlist has no taps.

Traffic is driven and watched cycle by cycle: values are driven after the rising edge and sampled
when all is settled, and a transfer is what is valid and ready then. The taps are the streams
between the layers, below the top. The first difference is printed in one line and written to
``divergence.json``: image, layer, position, expected, found, cycle. ``measured.json`` counts what
was compared and holds the cycles per image.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

HERE = Path(__file__).parent
VECTORS: dict[str, Any] = json.loads((HERE / "vectors.json").read_text(encoding="utf-8"))
DIVERGENCE = HERE / "divergence.json"
MEASURED = HERE / "measured.json"
DIVERGENCE.unlink(missing_ok=True)
MEASURED.unlink(missing_ok=True)

ID, CONTROL, STATUS, CYCLES = 0x00, 0x08, 0x0C, 0x10
FRAMES_IN, FRAMES_OUT, ERRORS = 0x18, 0x1C, 0x20
ELEMENTS, CLASSES, ACTIVATIONS, UNMAPPED = 0x28, 0x2C, 0x40, 0xFFC
INTERRUPT_ENABLE, INTERRUPT_STATUS, DONE, DROPPED = 0x30, 0x34, 1, 2
ENABLE, CLEAR = 1, 2
TOO_SHORT, TOO_LONG, BADLY_KEPT = 4, 8, 16  # in STATUS
OKAY, SLVERR = 0, 2
ANSWER = 100  # cycles until a register must have answered
STALLS = 0.5
TRAFFIC = {  # odds of a stall in a cycle, at the input and at the output
    "flowing": (0.0, 0.0),
    "stalling_in": (STALLS, 0.0),
    "stalling_out": (0.0, STALLS),
    "stalling_both": (STALLS, STALLS),
}

FRAMES = [bytes.fromhex(frame) for frame in VECTORS["frames"]]
RESULTS: list[list[int]] = VECTORS["results"]
IN_BYTES, OUT_BYTES = VECTORS["input_bytes"], VECTORS["output_bytes"]

Beat = tuple[int, int, int]  # tdata, tkeep, tlast

measured: dict[str, Any] = {"compared": {}}
since_reset = {"images": 0}


class Wrong(AssertionError):
    """Something differs; the text says what."""


def wrong(text: str, **facts: int | str) -> Wrong:
    """Print and write the first difference of this run, and make the exception for it."""
    if not DIVERGENCE.exists():
        cocotb.log.error("divergence: %s", text)
        beside = DIVERGENCE.with_suffix(".part")
        beside.write_text(json.dumps({"text": text, **facts}, indent=1) + "\n", encoding="utf-8")
        beside.replace(DIVERGENCE)
        note()
    return Wrong(text)


def note() -> None:
    """Write what was measured so far."""
    beside = MEASURED.with_suffix(".part")
    beside.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    beside.replace(MEASURED)


def beats(frame: bytes) -> list[Beat]:
    """An image on the input stream: byte ``k`` is element ``k``, the last beat may be partial."""
    made = []
    for start in range(0, len(frame), IN_BYTES):
        part = frame[start : start + IN_BYTES]
        last = start + IN_BYTES >= len(frame)
        made.append((int.from_bytes(part, "little"), (1 << len(part)) - 1, int(last)))
    return made


def following(count: int) -> list[int]:
    """The next images after those since the last reset."""
    return [(since_reset["images"] + k) % len(FRAMES) for k in range(count)]


def place_of(number: int) -> int:
    """Where the vectors hold what comes out for image ``number`` after a reset."""
    return number % len(RESULTS)


def result_bytes(place: int) -> bytes:
    """The result frame: class, then scores if the host wants them, 32 bits little-endian each."""
    words = RESULTS[place] if VECTORS["scores"] else RESULTS[place][:1]
    return b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)


class Tap:
    """One stream below the top, compared with what golden computed.

    An image is one transfer, or as many as its map has positions.
    """

    def __init__(self, dut: Any, facts: dict[str, Any]) -> None:
        self.layer: str = facts["layer"]
        self.facts = facts
        stream = dut
        *path, name = facts["path"].split(".")
        for part in path:
            stream = getattr(stream, part)
        self.valid = getattr(stream, f"{name}__valid")
        self.ready = getattr(stream, f"{name}__ready")
        self.payload = getattr(stream, f"{name}__payload")
        self.width = len(self.payload)
        self.rows, self.columns = facts.get("map", (1, 1))
        self.each: int = self.rows * self.columns
        self.moved = 0

    @property
    def seen(self) -> int:
        """Images that are through."""
        return self.moved // self.each

    def check(self, images: list[int], before: int, where: dict[str, int | str]) -> None:
        """Compare the payload that moves now with the next of ``images``.

        ``before`` is how many images came between them and the last reset.
        """
        if self.seen == len(images):
            raise wrong(
                f"{self.layer}: a vector too many after {self.seen} images, {_at(where)}",
                layer=self.layer, **where,
            )  # fmt: skip
        image = images[self.seen]
        position = self.moved % self.each
        place = place_of(before + self.seen) * self.each + position
        self.moved += 1
        where = {"image": image, "layer": self.layer, **where}
        if "map" in self.facts:
            where |= {"y": position // self.columns, "x": position % self.columns}
        value = self.payload.value
        if "x" in str(value).lower() or "z" in str(value).lower():
            raise wrong(
                f"{self.layer}: undefined bits {value}, image {image}, {_at(where)}", **where
            )
        compare = self._scores if self.facts["kind"] == "scores" else self._activations
        compare(int(value), image, place, where)
        count(self.layer)

    def _activations(
        self, got: int, image: int, place: int, where: dict[str, int | str]
    ) -> None:  # fmt: skip
        bits, elements = self.facts["bits"], self.facts["elements"]
        found = got & (1 << bits) - 1
        expected = int(self.facts["vectors"][place], 16)
        if found != expected:
            different = found ^ expected
            plane, output = divmod((different & -different).bit_length() - 1, elements)
            values = [
                2 * (value >> plane * elements + output & 1) - 1 for value in (expected, found)
            ]
            what = "element" if self.layer == "input" else "output"
            if "map" in self.facts:
                what = f"position ({where['y']}, {where['x']}) channel"
            if bits > elements:
                what = f"plane {plane} {what}"
            self._differs(what, output, values[0], values[1], image, where)
        if self.facts["sums"]:
            width = self.width - bits
            expected, found = self.facts["sums"][place] % (1 << width), got >> bits
            if found != expected:
                self._differs("sum", "", expected, found, image, where)

    def _scores(self, got: int, image: int, place: int, where: dict[str, int | str]) -> None:
        best, *scores = RESULTS[place]
        low = self.width - 32 * len(scores)
        for k, expected in enumerate(scores):
            found = got >> low + 32 * k & 0xFFFFFFFF
            found -= found >> 31 << 32
            if found != expected:
                self._differs("output", k, expected, found, image, where)
        found = got & (1 << low) - 1
        if found != best:
            self._differs("best", "", best, found, image, where)

    def _differs(
        self, what: str, output: Any, expected: int, found: int, image: int,
        where: dict[str, int | str],
    ) -> None:  # fmt: skip
        name = f"{self.layer} {what} {output}".rstrip()
        text = f"{name}: expected {expected}, found {found}, image {image}, {_at(where)}"
        position = {"output": output} if output != "" else {}
        raise wrong(text, **where, what=what, **position, expected=expected, found=found)


def _at(where: dict[str, int | str]) -> str:
    return f"cycle {where['cycle']} of {where['test']}"


def count(name: str) -> None:
    """One more vector of ``name`` was compared and equal."""
    compared = measured["compared"]
    compared[name] = compared.get(name, 0) + 1


class Moods:
    """When a side of the host moves: stalls in single cycles, and long ones between frames.

    The long ones fill the pipeline to the brim, or drain it.
    """

    def __init__(self, odds: float) -> None:
        self._odds = odds
        self._pause = 0

    def cycle(self) -> bool:
        """Whether to move in this cycle."""
        if self._pause:
            self._pause -= 1
            return False
        return random.random() >= self._odds

    def frame(self) -> None:
        """A frame has ended."""
        if random.random() < self._odds:
            self._pause = random.randint(1, VECTORS["pause"])


class Bench:
    """Traffic through the top: frames in, results out, taps and protocol watched.

    Parameters
    ----------
    images : list of int
        The frames that must give results, in order: indices into the vectors.
    queue : list of frames
        What is sent, each a list of beats; all of ``images`` if left out.
    stall_in, stall_out : float
        Odds of a stall in a cycle.
    """

    def __init__(
        self, dut: Any, test: str, images: list[int], queue: list[list[Beat]] | None = None,
        *, stall_in: float = 0.0, stall_out: float = 0.0,
    ) -> None:  # fmt: skip
        self.dut = dut
        self.test = test
        self.images = images
        self.before = since_reset["images"]
        since_reset["images"] += len(images)
        frames = [beats(FRAMES[image]) for image in images] if queue is None else queue
        self.beats = [beat for frame in frames for beat in frame]
        self.sent = 0
        self.offered = False
        self.giving = Moods(stall_in)
        self.accepting = Moods(stall_out)
        self.taking = False
        watched = VECTORS["taps"] if os.environ.get("TAPS", "1") != "0" else []
        self.taps = [Tap(dut, facts) for facts in watched]
        self.frame = b""
        self.results: list[int] = []  # cycle of the last beat of each
        self.stalled: tuple[int, int, int] | None = None
        self.cycle = 0
        self.first: int | None = None  # cycle of the first input beat
        self.moved = 0  # cycle of the last transfer anywhere

    async def run(self, until: Callable[[], bool] | None = None) -> None:
        """Run until all results are there, or ``until`` says so."""
        until = until or (lambda: len(self.results) == len(self.images) and self.idle)
        while not until():
            await self.step()

    async def rest(self, cycles: int) -> None:
        """Run on; whatever comes out now is too much."""
        for _ in range(cycles):
            await self.step()

    @property
    def idle(self) -> bool:
        """Everything has been sent."""
        return self.sent == len(self.beats)

    async def step(self) -> None:
        """One cycle, from after a rising edge to before the next one."""
        await RisingEdge(self.dut.aclk)
        self.cycle += 1
        self._drive()
        await ReadOnly()
        where: dict[str, int | str] = {"cycle": self.cycle, "test": self.test}
        for tap in self.taps:
            if tap.valid.value and tap.ready.value:
                tap.check(self.images, self.before, where)
                self.moved = self.cycle
        self._sample_input()
        self._sample_output(where)
        if self.cycle - self.moved > VECTORS["patience"]:
            self._stuck(where)

    def _drive(self) -> None:
        dut = self.dut
        if not self.offered and not self.idle and self.giving.cycle():
            dut.s_axis_tdata.value, dut.s_axis_tkeep.value, dut.s_axis_tlast.value = self.beats[
                self.sent
            ]
            self.offered = True
            dut.s_axis_tvalid.value = 1
        elif not self.offered:
            dut.s_axis_tvalid.value = 0
        self.taking = self.accepting.cycle()
        dut.m_axis_tready.value = int(self.taking)

    def _sample_input(self) -> None:
        if self.offered and self.dut.s_axis_tready.value:
            self.offered = False
            if self.beats[self.sent][2]:
                self.giving.frame()
            self.sent += 1
            self.moved = self.cycle
            if self.first is None:
                self.first = self.cycle

    def _sample_output(self, where: dict[str, int | str]) -> None:
        dut = self.dut
        if not dut.m_axis_tvalid.value:
            if self.stalled is not None:
                raise self._result("tvalid fell while stalled", where)
            return
        beat = (
            int(dut.m_axis_tdata.value),
            int(dut.m_axis_tkeep.value),
            int(dut.m_axis_tlast.value),
        )
        if self.stalled not in (None, beat):
            raise self._result("the beat changed while stalled", where)
        self.stalled = None if self.taking else beat
        if self.taking:
            self.moved = self.cycle
            self._take(beat, where)

    def _take(self, beat: Beat, where: dict[str, int | str]) -> None:
        data, keep, last = beat
        kept = keep.bit_count()
        if keep != (1 << kept) - 1 or not kept:
            raise self._result(f"tkeep is {keep:#x}", where)
        self.frame += data.to_bytes(OUT_BYTES, "little")[:kept]
        if not last:
            if len(self.frame) > len(result_bytes(0)):
                raise self._result("a frame does not end", where)
            if kept != OUT_BYTES:
                raise self._result("a partial beat is not the last", where)
            return
        if len(self.results) == len(self.images):
            raise self._result("a frame too many", where)
        expected = result_bytes(place_of(self.before + len(self.results))).hex()
        found = self.frame.hex()
        if found != expected:
            text = f"expected {expected}, found {found}"
            raise self._result(text, where, expected=expected, found=found)
        self.frame = b""
        self.accepting.frame()
        self.results.append(self.cycle)
        count("result")

    def _result(self, text: str, where: dict[str, int | str], **facts: int | str) -> Wrong:
        if len(self.results) < len(self.images):
            facts["image"] = self.images[len(self.results)]
            text = f"{text}, image {facts['image']}"
        return wrong(f"result: {text}, {_at(where)}", layer="result", **where, **facts)

    def _stuck(self, where: dict[str, int | str]) -> None:
        counts = {tap.layer: tap.seen for tap in self.taps} | {"result": len(self.results)}
        passed = ", ".join(f"{name} {seen}" for name, seen in counts.items())
        layer = next((name for name, seen in counts.items() if seen < len(self.images)), "result")
        text = f"{layer}: nothing moved for {VECTORS['patience']} cycles; vectors so far: {passed}"
        raise wrong(f"{text}, {_at(where)}", layer=layer, image=counts[layer], **where)


async def start(dut: Any) -> None:
    """Start the clock, drive all inputs, hold reset for two cycles."""
    if DIVERGENCE.exists():
        raise Wrong("not run: an earlier test diverged")
    for name in ("tdata", "tkeep", "tlast", "tvalid"):
        getattr(dut, f"s_axis_{name}").value = 0
    dut.m_axis_tready.value = 0
    for name in ("awaddr", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arvalid",
                 "rready"):  # fmt: skip
        getattr(dut, f"s_axi_{name}").value = 0
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, unit="ns").start()
    await reset(dut, 2)


async def reset(dut: Any, cycles: int) -> None:
    """Hold reset for ``cycles`` rising edges. The host is silent meanwhile."""
    await RisingEdge(dut.aclk)
    dut.aresetn.value = 0
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    since_reset["images"] = 0
    for _ in range(cycles):
        await RisingEdge(dut.aclk)
    dut.aresetn.value = 1


async def read(dut: Any, address: int) -> tuple[int, int]:
    """Read a register: data and response."""
    await RisingEdge(dut.aclk)
    dut.s_axi_araddr.value = address
    dut.s_axi_arvalid.value = 1
    dut.s_axi_rready.value = 1
    asked, got = False, (0, 0)
    for _ in range(ANSWER):
        await ReadOnly()
        asked = asked or bool(dut.s_axi_arready.value)
        answered = bool(dut.s_axi_rvalid.value)
        if answered:
            got = (int(dut.s_axi_rdata.value), int(dut.s_axi_rresp.value))
        await RisingEdge(dut.aclk)
        dut.s_axi_arvalid.value = int(not asked)
        if answered:
            dut.s_axi_rready.value = 0
            return got
    raise wrong(f"register {address:#x}: no answer to a read", layer="registers")


async def write(dut: Any, address: int, value: int) -> int:
    """Write a register: the response."""
    await RisingEdge(dut.aclk)
    dut.s_axi_awaddr.value = address
    dut.s_axi_awvalid.value = 1
    dut.s_axi_wdata.value = value
    dut.s_axi_wstrb.value = 0xF
    dut.s_axi_wvalid.value = 1
    dut.s_axi_bready.value = 1
    addressed, written, response = False, False, 0
    for _ in range(ANSWER):
        await ReadOnly()
        addressed = addressed or bool(dut.s_axi_awready.value)
        written = written or bool(dut.s_axi_wready.value)
        answered = bool(dut.s_axi_bvalid.value)
        if answered:
            response = int(dut.s_axi_bresp.value)
        await RisingEdge(dut.aclk)
        dut.s_axi_awvalid.value = int(not addressed)
        dut.s_axi_wvalid.value = int(not written)
        if answered:
            dut.s_axi_bready.value = 0
            return response
    raise wrong(f"register {address:#x}: no answer to a write", layer="registers")


async def expect(dut: Any, address: int, value: int, name: str, response: int = OKAY) -> None:
    """A register must hold ``value``."""
    got, answer = await read(dut, address)
    if answer != response:
        text = f"register {name}: expected response {response}, found {answer}"
        raise wrong(text, layer="registers", what=name, expected=response, found=answer)
    if response == OKAY and got != value:
        text = f"register {name}: expected {value}, found {got}"
        raise wrong(text, layer="registers", what=name, expected=value, found=got)


@cocotb.test()
@cocotb.parametrize(traffic=[*TRAFFIC])
async def equals_golden(dut: Any, traffic: str) -> None:
    """Every tap and every result, back to back, under stalls of either side."""
    await start(dut)
    stall_in, stall_out = TRAFFIC[traffic]
    images = [*range(len(FRAMES))]
    bench = Bench(dut, traffic, images, stall_in=stall_in, stall_out=stall_out)
    await bench.run()
    if traffic == "flowing":
        measure(bench)
    await bench.rest(16)
    note()


def measure(bench: Bench) -> None:
    """Latency and interval of traffic that never stalls; as predicted, if anything is."""
    assert bench.first is not None
    spacing = [b - a for a, b in zip(bench.results, bench.results[1:], strict=False)]
    found: dict[str, int | list[int]] = {
        "results": [cycle - bench.first for cycle in bench.results]
    }
    found["latency"] = bench.results[0] - bench.first
    if spacing:
        # The last image of a stream leaves windows faster than others: nothing comes behind it.
        maps = any("map" in facts for facts in VECTORS["taps"])
        found["interval"] = spacing[-2 if maps and len(spacing) > 1 else -1]
    measured.update(found)
    expected = VECTORS["cycles"]
    for image, (cycle, wanted) in enumerate(zip(measured["results"], expected, strict=False)):
        if cycle != wanted:
            text = f"result of image {image}: expected in cycle {wanted}, found in cycle {cycle}"
            raise wrong(
                text, layer="result", what="cycle", image=image, expected=wanted, found=cycle
            )


@cocotb.test()
async def recovers_from_reset(dut: Any) -> None:
    """A reset of one cycle, at any moment of the traffic, leaves nothing behind."""
    await start(dut)
    few = min(3, len(FRAMES))
    undisturbed = Bench(dut, "before reset", following(few))
    await undisturbed.run()
    for attempt in range(4):
        stop = random.randint(1, undisturbed.cycle)
        doomed = Bench(dut, f"to be reset in cycle {stop}", following(few))
        await doomed.run(lambda: doomed.cycle == stop)  # noqa: B023
        await reset(dut, 1)
        again = Bench(dut, f"after reset {attempt}", following(few))
        await again.run()
        await again.rest(16)
        await expect(dut, FRAMES_IN, few, "FRAMES_IN")
        await expect(dut, FRAMES_OUT, few, "FRAMES_OUT")
    note()


@cocotb.test()
async def counts(dut: Any) -> None:
    """The registers tell what the design is and what it has done."""
    await start(dut)
    images = [*range(len(FRAMES))]
    await expect(dut, ID, VECTORS["id"], "ID")
    await expect(dut, ELEMENTS, len(FRAMES[0]), "ELEMENTS")
    await expect(dut, CLASSES, VECTORS["classes"], "CLASSES")
    await expect(dut, UNMAPPED, 0, "at an unmapped address", SLVERR)
    for total in (len(images), 2 * len(images)):
        await Bench(dut, "counting", images, stall_in=STALLS, stall_out=STALLS).run()
        await expect_counts(dut, total, 0)
    await write(dut, CONTROL, CLEAR | ENABLE)
    await expect_counts(dut, 0, 0)
    await expect(dut, CYCLES, 0, "CYCLES_LO")
    flowing = Bench(dut, "counting cycles", images)
    await flowing.run()
    assert flowing.first is not None
    await expect(dut, CYCLES, flowing.results[-1] - flowing.first + 1, "CYCLES_LO")
    await write(dut, CONTROL, 0)
    held = Bench(dut, "disabled", images[:1])
    await held.rest(16)
    if held.sent:
        raise wrong("input: a beat was accepted while CONTROL.enable was 0", layer="input")
    note()


async def expect_counts(dut: Any, frames: int, errors: int, kinds: int = 0) -> None:
    """All counters after ``frames`` images, and what was wrong with others."""
    await expect(dut, FRAMES_IN, frames, "FRAMES_IN")
    await expect(dut, FRAMES_OUT, frames, "FRAMES_OUT")
    await expect(dut, ERRORS, errors, "FRAME_ERRORS")
    await expect(dut, STATUS, 2 * bool(errors) | kinds, "STATUS")
    for number, (layer, each) in enumerate(VECTORS["activations"].items()):
        await expect(dut, ACTIVATIONS + 4 * number, each * frames, f"ACTIVATIONS of {layer}")


@cocotb.test()
async def drops_malformed_frames(dut: Any) -> None:
    """Frames that are short, long or badly kept give no result and disturb no other frame."""
    await start(dut)
    good = beats(FRAMES[0])
    data, keep, _ = good[-1]
    bad = [[*good[:-1], (data, keep, 0), good[-1]], [*good[:-1], (data, keep >> 1, 1)]]
    kinds = TOO_LONG | BADLY_KEPT
    if len(good) > 1:
        kinds |= TOO_SHORT
        bad.append([*good[:-2], (good[-2][0], good[-2][1], 1)])
        bad.append([(good[0][0], good[0][1], 1)])
        bad.append([(good[0][0], good[0][1] & ~1, 0), *good[1:]])
    random.shuffle(bad)
    images = [k % len(FRAMES) for k in range(len(bad) + 1)]
    queue = [good]
    for frame, image in zip(bad, images[1:], strict=True):
        queue += [frame, beats(FRAMES[image])]
    bench = Bench(dut, "malformed frames", images, queue, stall_in=0.2)
    await bench.run()
    await bench.rest(16)
    await expect_counts(dut, len(images), len(bad), kinds)
    note()


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """The interrupt tells that a result has left, or a frame was dropped, until it is cleared."""
    await start(dut)
    await write(dut, INTERRUPT_ENABLE, DONE | DROPPED)
    data, keep, _ = beats(FRAMES[0])[-1]
    for queue, event in ((None, DONE), ([[(data, keep >> 1, 1)]], DROPPED), (None, DONE)):
        images = following(1) if queue is None else []
        bench = Bench(dut, "interrupts", images, queue)
        await bench.run()
        await bench.rest(2)
        if not dut.irq.value:
            raise wrong(f"irq: expected for event {event}, found none", layer="registers")
        await expect(dut, INTERRUPT_STATUS, event, "INTERRUPT_STATUS")
        await write(dut, INTERRUPT_STATUS, event)
        await ReadOnly()
        if dut.irq.value:
            raise wrong("irq: it stays though it was cleared", layer="registers")
    note()
