"""What is claimed of streams and registers, for every traffic that the rules of streams allow.

Each function takes the module that holds the component, so that a faulty one can take its place.
"""

from types import ModuleType
from typing import Any

from amaranth.hdl import Cat, Mux, Signal, Value
from formal import Monitor, Tagged

__all__ = ["PROOFS"]


def queue(module: ModuleType, depth: int) -> Monitor:
    """First in, first out; no more than ``depth``; as many out as in."""
    m = Monitor()
    m.submodules.part = part = module.Queue(2, depth=depth)
    came, left = m.source(part.i, "i"), m.sink(part.o, "o")
    tag = Tagged(m, came, part.i.payload, left, depth)
    m.claim(~tag.here | (part.o.valid & (part.o.payload == tag.value)))
    m.claim(part.o.valid == tag.inside.any())
    m.claim(part.i.ready == (tag.inside != depth))
    return m


def skid_buffer(module: ModuleType) -> Monitor:
    """What comes goes on at once or is kept, alone; ready says whether something is kept."""
    m = Monitor()
    m.submodules.part = part = module.SkidBuffer(2)
    came, left = m.source(part.i, "i"), m.sink(part.o, "o")
    kept, value = Signal(), Signal(2)
    m.d.sync += kept.eq(kept + came - left)
    with m.If(came):
        m.d.sync += value.eq(part.i.payload)
    m.claim(part.i.ready == ~kept)
    m.claim(part.o.valid == (kept | part.i.valid))
    m.claim(~part.o.valid | (part.o.payload == Mux(kept, value, part.i.payload)))
    for waited in (0, 1):
        m.cover(left & (kept == waited))
    m.cover(came & ~left)
    return m


def fork(module: ModuleType, branches: int) -> Monitor:
    """Each transfer is taken once by every branch, and is over when all have taken it."""
    m = Monitor()
    m.submodules.part = part = module.Fork(branches)
    moved = m.source(part.i, "i")
    all_took = Signal()
    took = []
    for b in range(branches):
        branch = getattr(part, f"o{b}")
        left = m.sink(branch, f"o{b}")
        has = Signal(name=f"has_{b}")
        m.d.sync += has.eq(~moved & (has | left))
        m.claim(~left | (part.i.valid & ~has))
        took.append(has | left)
        m.cover(left & ~moved)
    m.d.comb += all_took.eq(Cat(took).all())
    m.claim(moved == (part.i.valid & all_took))
    m.cover(moved)
    return m


def join(module: ModuleType, branches: int) -> Monitor:
    """A transfer takes one of every branch, all in one cycle."""
    m = Monitor()
    m.submodules.part = part = module.Join(branches)
    moved = [m.source(getattr(part, f"i{b}"), f"i{b}") for b in range(branches)]
    left = m.sink(part.o, "o")
    for came in moved:
        m.claim(came == left)
    valid = Cat(getattr(part, f"i{b}").valid for b in range(branches))
    m.claim(part.o.valid == valid.all())
    m.cover(left)
    m.cover(valid.any() & ~valid.all())
    return m


def turns(module: ModuleType, branches: int, items: int) -> Monitor:
    """Dealt out in turn and taken in turn, a stream is what it was.

    Between ``Dispatch`` and ``Merge`` lie queues, which the solver fills as it likes.
    """
    from binohm.hdl.streams.dispatch import Dispatch
    from binohm.hdl.streams.merge import Merge
    from binohm.hdl.streams.queue import Queue

    kinds: dict[str, Any] = {"Dispatch": Dispatch, "Merge": Merge}
    kinds |= {name: getattr(module, name) for name in kinds if hasattr(module, name)}
    m = Monitor()
    m.submodules.dispatch = dispatch = kinds["Dispatch"](2, branches=branches, items=items)
    m.submodules.merge = merge = kinds["Merge"](2, branches=branches, items=items)
    for b in range(branches):
        m.submodules[f"queue_{b}"] = queue = Queue(2, depth=1)
        giver, taker = getattr(dispatch, f"o{b}"), getattr(merge, f"i{b}")
        m.d.comb += [
            queue.i.payload.eq(giver.payload),
            queue.i.valid.eq(giver.valid),
            giver.ready.eq(queue.i.ready),
            taker.payload.eq(queue.o.payload),
            taker.valid.eq(queue.o.valid),
            queue.o.ready.eq(taker.ready),
        ]
        m.claim(m.held(giver, f"dealt_{b}"))
    came, left = m.source(dispatch.i, "i"), m.sink(merge.o, "o")
    tag = Tagged(m, came, dispatch.i.payload, left, 2 * branches)
    m.claim(~(tag.here & left) | (merge.o.payload == tag.value))
    return m


def gather(module: ModuleType, outputs: int, chunk: int) -> Monitor:
    """A vector is its chunks, in order, and its number of ones."""
    m = Monitor()
    m.submodules.part = part = module.Gather(outputs, chunk=chunk, count=True)
    steps = -(-outputs // chunk)
    came, left = m.source(part.i, "i"), m.sink(part.o, "o")
    step = Signal(range(steps))
    chunks = [Signal(chunk, name=f"chunk_{k}") for k in range(steps)]
    whole, waits = Signal(outputs), Signal()
    ended = came & (step == steps - 1)
    with m.If(came):
        m.d.sync += step.eq(Mux(ended, 0, step + 1))
        for k, kept in enumerate(chunks):
            with m.If(step == k):
                m.d.sync += kept.eq(part.i.payload)
    m.d.sync += waits.eq(ended | (waits & ~left))
    with m.If(ended):
        m.d.sync += whole.eq(Cat(*chunks[:-1], part.i.payload))
    m.claim(part.o.valid == waits)
    m.claim(~waits | (part.o.p.bits == whole))
    m.claim(~waits | (part.o.p.sum == sum(whole[k] for k in range(outputs))))
    m.claim(~ended | ~waits | left)
    m.cover(ended & waits)
    m.cover(waits & ~left)
    return m


def frame_output(module: ModuleType, classes: int, output_bytes: int) -> Monitor:
    """A frame is the class and the scores, byte by byte; TKEEP and TLAST are where they belong."""
    m = Monitor()
    m.submodules.part = part = module.FrameOutput(classes, output_bytes=output_bytes, scores=True)
    came = m.source(part.i, "i")
    ready = m.free(1, "tready")
    m.d.comb += part.tready.eq(ready)
    m.claim(m.waits(part.tvalid, ready, Cat(part.tdata, part.tkeep, part.tlast), "beat"))
    moved = part.tvalid & ready
    best = part.i.p.best
    words = Cat(best, Value.cast(0).replicate(32 - len(best)), part.i.p.scores.as_value())
    beats = -(-len(words) // (8 * output_bytes))
    given, waits, beat = Signal(8 * output_bytes * beats), Signal(), Signal(range(beats + 1))
    ended = moved & (beat == beats - 1)
    with m.If(came):
        m.d.sync += [given.eq(words), beat.eq(0), waits.eq(1)]
    with m.Elif(moved):
        m.d.sync += [beat.eq(beat + 1), waits.eq(waits & ~ended)]
    m.claim(part.tvalid == waits)
    m.claim(~came | ~waits | ended)
    with m.If(waits):
        m.claim(part.tdata == given.word_select(beat, 8 * output_bytes))
        m.claim(part.tlast == (beat == beats - 1))
        rest = len(words) // 8 - (beats - 1) * output_bytes
        m.claim(part.tkeep == Mux(beat == beats - 1, (1 << rest) - 1, (1 << output_bytes) - 1))
    m.claim(part.done == ended)
    m.cover(ended & came)
    m.cover(waits & ~ready)
    return m


def pixel_input(module: ModuleType, elements: int, input_bytes: int) -> Monitor:
    """Frames that are an image come out, as they were, and nothing else does; each is judged."""
    m = Monitor()
    m.submodules.part = part = module.PixelInput(
        elements, input_bytes=input_bytes, bits=8, form="identity"
    )
    beats = -(-elements // input_bytes)
    rest = elements - (beats - 1) * input_bytes
    names = {"tdata": 8 * input_bytes, "tkeep": input_bytes, "tlast": 1, "tvalid": 1, "enable": 1}
    for name, width in names.items():
        m.d.comb += getattr(part, name).eq(m.free(width, name))
    beat = Cat(part.tdata, part.tkeep, part.tlast)
    m.assume(m.waits(part.tvalid, part.tready, beat, "i_given"))
    moved, left = part.tvalid & part.tready, m.sink(part.o, "o")

    # What came of the frame so far: how many beats, whether one was unlike an image's, its bytes.
    place, bad = Signal(range(beats + 2)), Signal()
    image, whole, waits = (Signal(8 * n, name=f"b_{n}_{k}") for k, n in enumerate(
        (beats * input_bytes, elements, 1)
    ))  # fmt: skip
    keep = Mux(place == beats - 1, (1 << rest) - 1, (1 << input_bytes) - 1)
    worse = bad | (place >= beats) | (part.tkeep != keep) | (part.tlast & (place != beats - 1))
    good = moved & part.tlast & ~worse
    with m.If(moved):
        m.d.sync += [
            place.eq(Mux(part.tlast, 0, Mux(place > beats, place, place + 1))),
            bad.eq(worse & ~part.tlast),
            image.word_select(place, 8 * input_bytes).eq(part.tdata),
        ]
    before = image[: 8 * (beats - 1) * input_bytes]
    with m.If(good):
        m.d.sync += whole.eq(Cat(before, part.tdata))
    m.d.sync += waits.eq(good | (waits.bool() & ~left))
    m.claim(part.o.valid == waits.bool())
    pixels = Cat(Cat(whole[8 * e + b] for e in range(elements)) for b in range(8))
    m.claim(~part.o.valid | (part.o.p.bits == pixels))
    m.claim(part.accepted == good)
    m.claim(part.error == (moved & part.tlast & worse))
    faults = Cat(part.too_short, part.too_long, part.badly_kept)
    m.claim(faults.any() == part.error)
    m.claim((faults & (faults - 1)) == 0)
    m.claim(~part.too_long | (place >= beats))
    m.claim(~part.too_short | (place < beats - 1) | bad)
    m.claim(part.started == (moved & (place == 0)))
    m.claim(~part.started | part.enable)
    m.cover(good & waits.bool())
    for k in range(3):
        m.cover(faults[k])
    return m


def registers(module: ModuleType) -> Monitor:
    """AXI4-Lite: each request has one answer, which waits unchanged; and what registers do."""
    from binohm.hdl.host.axi_lite import AXI_LITE

    m = Monitor()
    part = module.Registers(1, build_id=5, elements=3, classes=2)
    m.submodules.part = part
    members = part.signature.members
    for name in members:
        if name in AXI_LITE and AXI_LITE[name][1]:
            m.d.comb += getattr(part, name).eq(m.free(AXI_LITE[name][0], name))
        elif name not in AXI_LITE and name not in ("enable", "irq"):
            shape = 1
            port = Value.cast(getattr(part, name))
            m.d.comb += port.eq(m.free(max(shape, len(port)), name))
    for channel, what in (
        ("aw", part.awaddr), ("w", Cat(part.wdata, part.wstrb)), ("ar", part.araddr),
    ):  # fmt: skip
        valid, ready = getattr(part, f"{channel}valid"), getattr(part, f"{channel}ready")
        m.assume(m.waits(valid, ready, what, channel))
    m.claim(m.waits(part.bvalid, part.bready, part.bresp, "b"))
    m.claim(m.waits(part.rvalid, part.rready, Cat(part.rdata, part.rresp), "r"))

    owed = {}
    for name, came, left in (
        ("aw", part.awvalid & part.awready, part.bvalid & part.bready),
        ("w", part.wvalid & part.wready, part.bvalid & part.bready),
        ("ar", part.arvalid & part.arready, part.rvalid & part.rready),
    ):
        owed[name] = count = Signal(3, name=f"owed_{name}")
        m.d.sync += count.eq(count + came - left)
        m.claim(count <= 1)
    m.claim(part.bvalid == owed["aw"].any())
    m.claim(part.bvalid == owed["w"].any())
    m.claim(part.rvalid == owed["ar"].any())

    # The last write to each register that holds something, seen again by a read.
    wrote = part.awvalid & part.awready & part.wstrb[0]
    enable, masked = Signal(init=1), Signal(3)
    with m.If(wrote & (part.awaddr[2:] == 0x08 >> 2)):
        m.d.sync += enable.eq(part.wdata[0])
    with m.If(wrote & (part.awaddr[2:] == 0x30 >> 2)):
        m.d.sync += masked.eq(part.wdata[:3])
    m.claim(part.enable == enable)
    asked, address = part.arvalid & part.arready, Signal(10)
    expected = {0: Value.cast(0x424E4F48), 2: Value.cast(enable), 12: Value.cast(masked)}
    seen = {number: Signal(32, name=f"seen_{number}") for number in expected}
    with m.If(asked):
        m.d.sync += address.eq(part.araddr[2:])
        m.d.sync += [seen[number].eq(value) for number, value in expected.items()]
    for number, value in seen.items():
        m.claim(~part.rvalid | (address != number) | (Cat(part.rdata, part.rresp) == value))
    m.claim(~part.rvalid | (part.rresp == 0) | (part.rdata == 0))
    m.claim(~part.rvalid | (part.rresp == Mux(address > 0x40 >> 2, 2, part.rresp)))
    m.claim(~part.irq | masked.any())
    for resp in (0, 2):
        m.cover(part.bvalid & part.bready & (part.bresp == resp))
        m.cover(part.rvalid & part.rready & (part.rresp == resp))
    m.cover(part.bvalid & ~part.bready & part.rvalid & ~part.rready)
    m.cover(part.irq)
    return m


def wishbone(module: ModuleType) -> Monitor:
    """An access is acknowledged once, in its second cycle, and never somebody else's."""
    from binohm.hdl.host.axi_lite import AXI_LITE
    from binohm.hdl.host.registers import Registers

    base = 0x3000_0000
    m = Monitor()
    m.submodules.part = part = module.WishboneBridge(base)
    m.submodules.registers = inner = Registers(1, build_id=5, elements=3, classes=2)
    for name, (_, driven) in AXI_LITE.items():
        here, there = getattr(part, name), getattr(inner, name)
        m.d.comb += there.eq(here) if driven else here.eq(there)
    pins = {"stb_i": 1, "cyc_i": 1, "we_i": 1, "sel_i": 4, "dat_i": 32, "adr_i": 32}
    for name, width in pins.items():
        m.d.comb += getattr(part, name).eq(m.free(width, name))
    offered = part.cyc_i & part.stb_i
    access = Cat(part.we_i, part.sel_i, part.dat_i, part.adr_i)
    waiting, before = Signal(), Signal(len(access))
    m.d.sync += [waiting.eq(offered & ~part.ack_o), before.eq(access)]
    m.assume(~waiting | ~offered | (access == before))  # it may be given up, but not changed

    ours = offered & (part.adr_i[12:] == base >> 12)
    second, wrote, asked = Signal(), Signal(3), Signal(3)
    m.d.sync += second.eq(ours & ~second)
    m.claim(part.ack_o == (ours & second))
    m.claim(part.ack_o | (part.dat_o == 0))
    m.claim(~part.ack_o | ~part.we_i | (part.dat_o == 0))
    m.claim(~part.ack_o | part.we_i | (part.adr_i[2:12] != 0) | (part.dat_o == 0x424E4F48))
    # As many accesses to the registers as were begun: none lost, none twice.
    m.d.comb += [
        wrote.eq(inner.awvalid & inner.awready & inner.wvalid & inner.wready),
        asked.eq(inner.arvalid & inner.arready),
    ]
    m.claim(wrote == (ours & ~second & part.we_i))
    m.claim(asked == (ours & ~second & ~part.we_i))
    m.claim((inner.awvalid == inner.awready) & (inner.arvalid <= inner.arready))
    for we in (0, 1):
        m.cover(part.ack_o & (part.we_i == we))
    m.cover(waiting & ~offered)
    return m


STREAMS = "binohm.hdl.streams"
HOST = "binohm.hdl.host"

PROOFS: dict[str, tuple[str, Any, tuple[int, ...], int, int]] = {
    "queue 1": (f"{STREAMS}.queue", queue, (1,), 10, 0),
    "queue 3": (f"{STREAMS}.queue", queue, (3,), 12, 0),
    "skid buffer": (f"{STREAMS}.skid_buffer", skid_buffer, (), 8, 2),
    "fork": (f"{STREAMS}.fork", fork, (3,), 10, 0),
    "join": (f"{STREAMS}.join", join, (3,), 8, 2),
    "dispatch": (f"{STREAMS}.dispatch", turns, (2, 3), 10, 0),
    "merge": (f"{STREAMS}.merge", turns, (3, 3), 10, 0),
    "gather": (f"{STREAMS}.gather", gather, (5, 2), 10, 0),
    "frame output": (f"{HOST}.frame_output", frame_output, (1, 5), 10, 0),
    "pixel input": (f"{HOST}.pixel_input", pixel_input, (3, 2), 10, 0),
    "registers": (f"{HOST}.registers", registers, (), 8, 0),
    "wishbone": (f"{HOST}.wishbone", wishbone, (), 8, 0),
}
"""By name: module, claims, sizes, cycles from the start, cycles of induction (0: not for ever)."""
