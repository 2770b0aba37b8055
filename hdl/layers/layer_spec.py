"""What a layer is made from, in the words of the plan."""

from dataclasses import dataclass

from binohm.hdl.arrays.macro import MacroPins
from binohm.hdl.arrays.program_port import ProgramSpec
from binohm.hdl.layers.conv import ConvSpec

__all__ = ["LayerSpec", "TileSpec"]


@dataclass(frozen=True)
class TileSpec:
    """One macro: instance name, image, identity, and which part of the layer it serves.

    ``reference_image`` holds the reference codes of an array that has them, ``map`` names its
    device map if there is one. ``plane`` is the bit plane that it reads if they are read in
    parallel, ``replica`` the one to which it belongs.
    """

    name: str
    image: str
    id: int
    group: int
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    reference_image: str = ""
    map: str = ""
    plane: int = 0
    replica: int = 0


@dataclass(frozen=True)
class LayerSpec:
    """What a :class:`~binohm.hdl.layers.layer.Layer` is made from.

    Parameters
    ----------
    readout : str
        ``sa``, ``adc`` or ``pcsa``.
    inputs, outputs, groups, chunk, slices_per_read : int
    planes : tuple of int
        Weights of the bit planes.
    bipolar : bool
        A bit drives +1 or -1; otherwise +1 or off.
    sum_range : (low, high) or None
        Range of the data-dependent sum that travels with the activations, if one does.
    count : bool
        Whether the next layer wants the number of ones.
    socket : str
        Module name of the macro's socket.
    pins : MacroPins
        Its geometry.
    outstanding : int
        Requests a macro may hold.
    adc_bits : int
    tiles : tuple of TileSpec
    rom_image : str
        File of flips, thresholds or affines.
    fields : tuple of int
        Their widths: () for flips, (theta,) for thresholds, (scale, offset) for affines.
    program : ProgramSpec, optional
        What a programmer of the whole design can reach.
    spares : int
        Spare columns of a macro, its last ones.
    conv : ConvSpec, optional
        The layer looks at every window of an image that comes position by position.
    part : int
        Elements of which the layer's vectors are put together; 0 if they come whole.
    parallel_planes : bool
        Whether every bit plane has arrays of its own.
    replicas : int
        Copies of arrays and periphery, which take windows in turn.
    """

    readout: str
    inputs: int
    outputs: int
    groups: int
    chunk: int
    slices_per_read: int
    planes: tuple[int, ...]
    bipolar: bool
    sum_range: tuple[int, int] | None
    count: bool
    socket: str
    pins: MacroPins
    outstanding: int
    adc_bits: int
    tiles: tuple[TileSpec, ...]
    rom_image: str
    fields: tuple[int, ...]
    program: ProgramSpec | None = None
    spares: int = 0
    conv: ConvSpec | None = None
    part: int = 0
    parallel_planes: bool = False
    replicas: int = 1

    @property
    def side(self) -> int:
        """Bit planes that are read at once."""
        return len(self.planes) if self.parallel_planes else 1

    @property
    def series(self) -> tuple[int, ...]:
        """Weights of the bit planes that are read one after another."""
        return (1,) if self.parallel_planes else self.planes

    @property
    def early_pool(self) -> bool:
        """Whether a pool takes what sense amplifiers say."""
        return self.conv is not None and self.conv.pool is not None and self.conv.pool.early

    @property
    def masked(self) -> bool:
        """Whether inputs can be absent, and would else drive their lines."""
        return self.bipolar and self.conv is not None and self.conv.padded

    @property
    def scores(self) -> bool:
        """The last layer."""
        return len(self.fields) == 2

    @property
    def steps(self) -> int:
        """Chunks of one image."""
        return -(-self.outputs // self.chunk)

    @property
    def reads_per_output(self) -> int:
        """``pcsa``: reads of one output and plane."""
        return -(-self.inputs // (self.slices_per_read * self.pins.columns))
