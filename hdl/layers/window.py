"""Sliding windows over an image that streams in position by position."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from binohm.hdl.checks import require_int

__all__ = ["Window", "window_layout"]


def window_layout(depth: int, taps: int) -> data.StructLayout:
    """Layout of one window.

    ``bits``: what stands under tap ``t`` is bits ``t * depth`` and up. ``on``: one bit a tap; a tap
    beyond the border of the image is off, and its bits are 0.
    """
    return data.StructLayout({"bits": taps * depth, "on": taps})


class Window(wiring.Component):
    """Offer every window of every image.

    Positions come row by row and pass through a chain of line buffers that holds ``kernel - 1``
    lines. Windows leave row by row; tap ``ky * kernel_x + kx`` is the position ``ky`` rows below
    and ``kx`` columns right of the window's corner.

    A window is valid in the cycle after the position under its last tap came in. Where that tap
    lies beyond the border, positions of the next image count, and so do cycles in which none is
    offered and none of its positions has come yet: once begun, an image is expected to come to its
    end. Throughput is one position and one window per cycle; images follow each other without a
    gap, unless a window reaches over two of them.

    Parameters
    ----------
    depth : int
        Bits of a position. At least 1.
    image, kernel, stride : (int, int)
        Rows and columns. At least 1.
    padding : (int, int)
        Positions that are off before the first row and column, and after the last: at most
        ``(kernel - 1) // 2``.

    Members
    -------
    i : In(stream.Signature(depth))
    o : Out(stream.Signature(window_layout(depth, taps)))
    """

    def __init__(
        self,
        depth: int,
        *,
        image: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        require_int("depth", depth)
        for axis in range(2):
            require_int("image", image[axis])
            require_int("kernel", kernel[axis])
            require_int("stride", stride[axis])
            require_int("padding", padding[axis], least=0)
            if padding[axis] > (kernel[axis] - 1) // 2:
                raise ValueError(
                    f"padding must be at most {(kernel[axis] - 1) // 2} for a kernel of "
                    f"{kernel[axis]}, not {padding[axis]}"
                )
            if image[axis] + 2 * padding[axis] < kernel[axis]:
                raise ValueError(
                    f"kernel must be at most {image[axis] + 2 * padding[axis]} for an image of "
                    f"{image[axis]} with padding {padding[axis]}, not {kernel[axis]}"
                )
        self.depth = depth
        self.image = image
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.windows = tuple(
            (image[k] + 2 * padding[k] - kernel[k]) // stride[k] + 1 for k in range(2)
        )
        super().__init__({
            "i": In(stream.Signature(depth)),
            "o": Out(stream.Signature(window_layout(depth, kernel[0] * kernel[1]))),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        free = Signal()
        shift = Signal()
        came = Signal()
        hold = Signal()
        pause = Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free & ~hold),
            came.eq(self.i.valid & self.i.ready),
            shift.eq(came | (free & (pause | hold))),
        ]
        self._chain(m, shift)
        complete, begun = self._schedule(m, shift, came)
        # A new image may not be whole before the windows of the last one are out.
        overlaps = self._end >= 2 * self.image[0] * self.image[1]
        m.d.comb += [hold.eq(complete & overlaps), pause.eq(complete & ~begun & ~self.i.valid)]
        return m

    @property
    def _first(self) -> int:
        """Number of the position that completes the first window, from 0."""
        return self._due(0, 0)

    @property
    def _end(self) -> int:
        """Number of the position with which an image is over: all is in, all windows are out."""
        last = self._due(self.windows[0] - 1, self.windows[1] - 1)
        return max(last, self.image[0] * self.image[1] - 1)

    def _due(self, y: int, x: int) -> int:
        """Number of the position under the last tap of window (y, x)."""
        row, column = (
            at * self.stride[k] - self.padding[k] + self.kernel[k] - 1
            for k, at in enumerate((y, x))
        )
        return row * self.image[1] + column

    def _chain(self, m: Module, shift: Signal) -> None:
        """Registers under the taps, and memories for the rest of the lines."""
        rows, columns = self.kernel
        width = self.image[1]
        lines: list[Value] = [self.i.payload]
        taps = [
            [Signal(self.depth, name=f"tap_{y}_{x}") for x in range(columns)] for y in range(rows)
        ]
        if rows > 1 and width > 1:
            m.submodules.lines = memory = Memory(
                shape=(rows - 1) * self.depth, depth=width, init=[]
            )
            write, read = memory.write_port(), memory.read_port()
            place = Signal(range(width))
            following = Signal(range(width))
            m.d.comb += [
                following.eq(Mux(shift, Mux(place == width - 1, 0, place + 1), place)),
                read.addr.eq(following),
                write.addr.eq(place),
                write.en.eq(shift),
            ]
            m.d.sync += place.eq(following)
            lines += [read.data.word_select(k, self.depth) for k in range(rows - 1)]
            m.d.comb += write.data.eq(Cat(*lines[:-1]))
        elif rows > 1:
            lines += [taps[y][-1] for y in range(rows - 1, 0, -1)]
        for y in range(rows):
            with m.If(shift):
                m.d.sync += Cat(*taps[y]).eq(Cat(*taps[y][1:], lines[rows - 1 - y]))
        on = self.o.payload.on
        m.d.comb += self.o.payload.bits.eq(
            Cat(
                tap & on[y * columns + x].replicate(self.depth)
                for y, row in enumerate(taps)
                for x, tap in enumerate(row)
            )
        )

    def _schedule(self, m: Module, shift: Signal, came: Signal) -> tuple[Value, Value]:
        """When windows are complete, and which of their taps are on.

        Returns two flags: the image whose windows leave is all in; the next one has begun.
        """
        positions = self.image[0] * self.image[1]
        position = Signal(range(positions))  # of the one that comes next
        complete = Signal()
        age = Signal(range(self._end + 1))  # shifts of the image whose windows leave
        due = Signal(range(self._end + 1), init=self._first)
        over = Signal()
        whole = Signal()
        following = Signal(range(positions + 1))
        m.d.comb += [
            over.eq(shift & (age == self._end)),
            whole.eq(came & (position == positions - 1)),
            following.eq(position + came),
        ]
        with m.If(came):
            m.d.sync += position.eq(Mux(whole, 0, position + 1))
        with m.If(over):
            m.d.sync += [age.eq(Mux(complete, following, 0)), complete.eq(complete & whole)]
        with m.Elif(shift):
            m.d.sync += [age.eq(age + 1), complete.eq(complete | whole)]

        emit = Signal()
        m.d.comb += emit.eq(shift & (age == due))
        with m.If(shift | self.o.ready):
            m.d.sync += self.o.valid.eq(emit)
        self._walk(m, emit, due)
        return complete, position != 0

    def _walk(self, m: Module, emit: Signal, due: Signal) -> None:
        """Corner of the window that comes next, counted from the padding's."""
        at = [
            Signal(range(max(1, (n - 1) * s) + 1), name=f"corner_{axis}")
            for n, s, axis in zip(self.windows, self.stride, "yx", strict=True)
        ]
        last = [at[k] == (self.windows[k] - 1) * self.stride[k] for k in range(2)]
        right = self.stride[1]
        down = self._due(1, 0) - self._due(0, self.windows[1] - 1)
        with m.If(emit):
            m.d.sync += self.o.payload.on.eq(
                Cat(
                    self._inside(at[0], y, 0) & self._inside(at[1], x, 1)
                    for y in range(self.kernel[0])
                    for x in range(self.kernel[1])
                )
            )
            with m.If(~last[1]):
                m.d.sync += [at[1].eq(at[1] + self.stride[1]), due.eq(due + right)]
            with m.Elif(~last[0]):
                m.d.sync += [at[1].eq(0), at[0].eq(at[0] + self.stride[0]), due.eq(due + down)]
            with m.Else():
                m.d.sync += [at[1].eq(0), at[0].eq(0), due.eq(self._first)]

    def _inside(self, corner: Signal, offset: int, axis: int) -> Value:
        """Whether a tap lies within the image."""
        place = corner + offset
        before = self.padding[axis]
        inside: Value = place < self.image[axis] + before
        return (place >= before) & inside if before else inside
