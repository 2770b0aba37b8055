"""The accelerator behind a serial line: what all boards have in common."""

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    Signal,
)

from binohm.hdl.board.command_receiver import CommandReceiver, Fault
from binohm.hdl.board.reply_sender import ReplySender
from binohm.hdl.board.uart_receiver import UartReceiver
from binohm.hdl.board.uart_transmitter import UartTransmitter
from binohm.hdl.checks import require_int

__all__ = ["BoardTop"]

WAKING = 255
"""Cycles of reset after configuration: block RAM of the iCE40 reads zeros for the first few."""


class BoardTop(Elaboratable):
    """A UART, packets, and the accelerator, which keeps its registers as reset leaves them.

    Ports: ``clk``; ``reset``, active high, asynchronous; ``rx`` and ``tx``; ``led_busy``, an image
    is inside, and ``led_fault``, a packet was dropped since the last good image. Packets are those
    of :class:`binohm.hdl.board.command_receiver.CommandReceiver` and
    :class:`binohm.hdl.board.reply_sender.ReplySender`.

    Parameters
    ----------
    accelerator : str
        Its module.
    divisor : int
        Clock cycles of a bit on the line. At least 4.
    elements, result_bytes : int
        Pixels of an image, bytes of a result. At least 1.
    input_bytes, output_bytes : int
        Widths of the accelerator's streams.
    build_id : int
        32 bits.
    """

    def __init__(
        self,
        accelerator: str,
        *,
        divisor: int,
        elements: int,
        result_bytes: int,
        input_bytes: int,
        output_bytes: int,
        build_id: int,
    ) -> None:
        require_int("divisor", divisor, least=4)
        self.accelerator = accelerator
        self.receiver = UartReceiver(divisor)
        self.transmitter = UartTransmitter(divisor)
        self.commands = CommandReceiver(elements, input_bytes=input_bytes)
        self.replies = ReplySender(
            build_id=build_id,
            elements=elements,
            result_bytes=result_bytes,
            output_bytes=output_bytes,
        )
        self.clk, self.reset, self.rx, self.tx, self.led_busy, self.led_fault = (
            Signal(name=n) for n in ("clk", "reset", "rx", "tx", "led_busy", "led_fault")
        )

    @property
    def ports(self) -> list[Signal]:
        """All ports."""
        return [self.clk, self.reset, self.rx, self.tx, self.led_busy, self.led_fault]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._reset(m)
        m.submodules.receiver = receiver = self.receiver
        m.submodules.transmitter = transmitter = self.transmitter
        m.submodules.commands = commands = self.commands
        m.submodules.replies = replies = self.replies
        m.d.comb += [
            receiver.rx.eq(self.rx),
            *(
                getattr(commands, name).eq(getattr(receiver, name))
                for name in ("byte", "received", "error")
            ),
            commands.busy.eq(replies.busy),
            *(
                getattr(replies, name).eq(getattr(commands, name))
                for name in ("image", "identify", "tag", "image_tag", "fault")
            ),
            transmitter.i.payload.eq(replies.o.payload),
            transmitter.i.valid.eq(replies.o.valid),
            replies.o.ready.eq(transmitter.i.ready),
            self.tx.eq(transmitter.tx),
            self.led_busy.eq(replies.busy),
        ]
        with m.If(commands.fault != Fault.NONE):
            m.d.sync += self.led_fault.eq(1)
        with m.Elif(commands.image):
            m.d.sync += self.led_fault.eq(0)

        running = Signal()
        m.d.sync += running.eq(1)
        forward = ("tdata", "tkeep", "tlast", "tvalid")
        m.submodules.accelerator = Instance(
            self.accelerator,
            i_aclk=ClockSignal(),
            i_aresetn=running,
            **{f"i_s_axis_{name}": getattr(commands, name) for name in forward},
            o_s_axis_tready=commands.tready,
            **{f"o_m_axis_{name}": getattr(replies, name) for name in forward},
            i_m_axis_tready=replies.tready,
            **{
                f"i_s_axi_{name}": Const(0, width)
                for name, width in (("awaddr", 12), ("wdata", 32), ("wstrb", 4), ("araddr", 12))
            },
            **{f"i_s_axi_{name}": Const(0, 1) for name in ("awvalid", "wvalid", "arvalid")},
            **{f"i_s_axi_{name}": Const(1, 1) for name in ("bready", "rready")},
        )
        return m

    def _reset(self, m: Module) -> None:
        """The clock domain: in reset for a while after configuration, and by ``reset``."""
        m.domains.early = early = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain()
        asked = Signal(2)
        waking = Signal(range(WAKING + 1))
        m.d.comb += [early.clk.eq(self.clk), sync.clk.eq(self.clk)]
        m.d.early += [asked.eq(Cat(self.reset, asked)), sync.rst.eq(waking != WAKING)]
        with m.If(asked[1]):
            m.d.early += waking.eq(0)
        with m.Elif(waking != WAKING):
            m.d.early += waking.eq(waking + 1)
