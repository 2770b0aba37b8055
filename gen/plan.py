"""Which weight sits in which cell of which macro, and in which read it takes part.

Pure data, like :mod:`binohm.gen.network`. A plan belongs to one network; ``plan.layers[i]`` maps
``network.layers[i]``.

What a macro computes
---------------------
``sa`` and ``adc`` drive all rows at once. With ``x`` the drive of a row (+1, -1 or 0 for off)
and ``w`` the cell, a column has the sum ``s = sum(x * w)``; of the ``d`` driven rows, ``m``
match (``x == w``), so that ``s = 2 * m - d``. ``adc`` returns ``min(m, 2**adc_bits - 1)``; ``sa``
returns ``s + b + 1/2 > 0`` where ``b`` is the sum of the column's bias cells (-1, 0 or +1), or the
reference code of the column in an array that has reference codes instead of bias rows.
``pcsa`` reads one row (a word) and returns, for each enabled column, whether input and cell match.

How a layer is read
-------------------
``planes`` are the weights of the bit planes, read in series, or with ``parallel_planes`` at once,
each from arrays of its own; ``(1,)`` where the input is -1/+1.
``drive`` says what a bit puts on its line: ``bipolar``, +1 or -1; ``unipolar``, +1 or off.
``M = sum over planes of plane * m`` is what counts. ``D`` is the same sum over ``d``. Then the
layer's ``u`` is ``M`` if ``driven`` is false (``D`` is constant, and part of the thresholds) and
``2 * M - D`` if it is true (``D`` depends on the data and travels with the activations).

===================  ==================  =======  ========================================
input of the layer   cell and readout    driven   relation of ``u`` to ``s = w @ x``
===================  ==================  =======  ========================================
-1/+1                bipolar drive       false    ``s = 2 * u - n``, n inputs of the group
-1/+1                unipolar drive      true     ``s = 2 * u - sum(w)``
multi-bit            unipolar drive      true     ``s = u``
-1/+1, padded        bipolar drive       true     ``s = u``
===================  ==================  =======  ========================================

``sa`` has no ``u``: its bias cells, or its reference code, hold ``b = -ceil(theta)`` (bipolar
drive) or ``b = -ceil((theta + sum(w)) / 2)`` (unipolar drive).
"""

import json
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from binohm.gen.arrays import Array, Cell, Readout, Storage, Tile
from binohm.gen.errors import OutputError
from binohm.gen.network import Pool

__all__ = ["SCHEMA", "Array", "Cell", "Host", "Image", "LayerPlan", "Plan", "Readout", "Storage"]
__all__ += ["Sweep", "Tile"]

SCHEMA = 1

Drive = Literal["bipolar", "unipolar"]
Bus = Literal["axi4lite", "wishbone"]


@dataclass(frozen=True)
class Image:
    """One memory file under ``mem/``.

    Parameters
    ----------
    name : str
        ``mem/<name>.hex``: ``depth`` lines of ``ceil(width / 4)`` lower-case hex digits.
    kind : str
        - ``cells``: a tile and its copies. ``sa``, ``adc``: word ``a`` holds columns
          ``a * per_cycle`` and up, the first in the low bits, ``column_bits`` each: bit ``r`` is
          row ``r`` (1 is +1), then a bit for each bias row that is +1, then a bit for each bias row
          that is -1. The bias ``b`` of a column is in its first ``|b|`` bias rows, all of b's sign.
          ``pcsa``: word ``r`` is row ``r``, bit ``c`` is column ``c``. Unused cells are 0.
        - ``reference``: the same of reference codes, ``<tile>_reference``; one word of
          ``fields[0]`` bits a code, two's complement, that of column 0 lowest, 0 where unused.
        - ``flip``: ``sa``; word ``a`` holds outputs ``a * chunk`` and up, ``groups`` bits each.
        - ``threshold``: word ``a`` holds outputs ``a * chunk`` and up; for each output its groups,
          the first lowest: ``fields[0]`` bits of theta (two's complement, compared ``u >= theta``)
          and one bit of flip above it.
        - ``pool``: one word; bit ``o`` tells that a pool takes the smallest of output ``o``, since
          its flip turned the largest into that.
        - ``affine``: word ``a`` holds outputs ``a * chunk`` and up, for each ``fields[0]`` bits
          of scale and above it ``fields[1]`` bits of offset, two's complement:
          ``score = scale * u + offset``.
        - ``table``: word ``p`` is the value of pixel byte ``p``, two's complement if signed.
    layer : str
        The layer's name, or ``input``.
    depth, width : int
    fields : tuple of int
    """

    name: str
    kind: Literal["cells", "reference", "flip", "threshold", "pool", "affine", "table"]
    layer: str
    depth: int
    width: int
    fields: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sweep:
    """How a convolution goes over an image, see :class:`binohm.gen.network.Conv`.

    Positions come and go row by row, each with all its channels.

    Parameters
    ----------
    image : (int, int, int)
    kernel, stride, padding : (int, int)
    pool : Pool or None
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    pool: Pool | None = None

    @property
    def positions(self) -> int:
        """Positions of the image."""
        return self.image[0] * self.image[1]

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            (self.image[k] + 2 * self.padding[k] - self.kernel[k]) // self.stride[k] + 1
            for k in range(2)
        )
        return rows, columns

    @property
    def result(self) -> tuple[int, int]:
        """Rows and columns of what comes out."""
        return self.pool.size(*self.windows) if self.pool else self.windows


@dataclass(frozen=True)
class LayerPlan:
    """How one layer is computed.

    Parameters
    ----------
    name : str
    scores : bool
        The last layer: integer scores instead of bits.
    array : Array
    inputs, outputs, groups : int
    planes : tuple of int
    drive : str
    driven : bool
        Whether ``D`` travels with the activations, see the module.
    chunk : int
        Outputs that leave the arrays' periphery in a cycle; for ``pcsa`` the engines. Chunk ``t``
        holds outputs ``t * chunk`` and up.
    slices_per_read : int
        ``pcsa``: slices of ``array.columns`` inputs read at once by an engine; 1 otherwise.
        An engine keeps the word of output ``t * chunk + e``, slice ``j * slices_per_read + v``
        in row ``t * reads_per_output + j`` of its tile ``v``.
    u_range : (low, high)
        All values ``u`` can take; (0, 1) for ``sa``.
    tiles : tuple of Tile
        By replica, then by plane, if in parallel. Then ``sa``, ``adc``: by group, rows, columns;
        ``pcsa``: by engine, slice.
    sweep : Sweep or None
        What makes a convolution of the layer: each window is a vector of ``inputs``.
    parallel_planes : bool
        Whether each bit plane has arrays of its own, so that all are read at once.
    replicas : int
        Copies of the arrays and what follows them; window ``w`` of an image is that of replica
        ``w % replicas``.
    """

    name: str
    scores: bool
    array: Array
    inputs: int
    outputs: int
    groups: int
    planes: tuple[int, ...]
    drive: Drive
    driven: bool
    chunk: int
    slices_per_read: int
    u_range: tuple[int, int]
    tiles: tuple[Tile, ...]
    sweep: Sweep | None = None
    parallel_planes: bool = False
    replicas: int = 1

    @property
    def series(self) -> int:
        """Bit planes that are read one after another."""
        return 1 if self.parallel_planes else len(self.planes)

    @property
    def copies(self) -> int:
        """Tiles that hold the same cells."""
        return self.replicas * len(self.planes) // self.series

    @property
    def originals(self) -> tuple[Tile, ...]:
        """The tiles that are not copies of another."""
        return self.tiles[: len(self.tiles) // self.copies]

    @property
    def windows(self) -> int:
        """Vectors of one image."""
        return prod(self.sweep.windows) if self.sweep else 1

    @property
    def results(self) -> int:
        """Transfers that leave for one image."""
        return prod(self.sweep.result) if self.sweep else 1

    @property
    def early_pool(self) -> bool:
        """Whether a pool of sums takes what sense amplifiers say, before flip and majority."""
        return self._pools_sums and self.array.readout == "sa"

    @property
    def late_pool(self) -> bool:
        """Whether a pool of sums takes the layer's bits: the smallest where a flip turned them."""
        return self._pools_sums and self.array.readout != "sa"

    @property
    def _pools_sums(self) -> bool:
        pool = self.sweep.pool if self.sweep else None
        return pool is not None and pool.of == "sums"

    @property
    def chunks(self) -> int:
        """Chunks of one vector."""
        return -(-self.outputs // self.chunk)

    @property
    def slices(self) -> int:
        """``pcsa``: slices of an input vector; 1 otherwise."""
        return -(-self.inputs // self.array.columns) if self.array.readout == "pcsa" else 1

    @property
    def reads_per_output(self) -> int:
        """``pcsa``: reads of one output and plane; 1 otherwise."""
        return -(-self.slices // self.slices_per_read)

    @property
    def activations(self) -> int:
        """Array activations (read requests, each to one replica) per image."""
        return self.windows * self.reads

    @property
    def reads(self) -> int:
        """Array activations per vector."""
        if self.array.readout == "pcsa":
            return self.chunks * self.reads_per_output * self.series
        return self.series

    def cells(self, tile: Tile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Output and input of every cell, shape (rows, columns) each; -1 where a cell is unused."""
        shape = (self.array.rows, self.array.columns)
        row, column = np.indices(shape, dtype=np.int64)
        if self.array.readout == "pcsa":
            step, part = np.divmod(row, self.reads_per_output)
            output = tile.outputs[0] + step * tile.outputs[2]
            where = part * self.slices_per_read + tile.slice
            source = where * self.array.columns + column
        else:
            output = tile.outputs[0] + column
            source = tile.inputs[0] + row
        used = (output < tile.outputs[1]) & (source < tile.inputs[1])
        return np.where(used, output, -1), np.where(used, source, -1)


@dataclass(frozen=True)
class Host:
    """The streams at the top.

    Parameters
    ----------
    input_bytes, output_bytes : int
        Width of TDATA in bytes.
    scores : bool
        Whether a result frame holds the scores after the class. A frame is a sequence of 32-bit
        little-endian words: the class, then one signed score per class.
    programming : bool
        Whether the host can program the arrays.
    bus : str
        Where the registers are: ``axi4lite``; or ``wishbone``, with a module around the whole.
    wishbone_base : int
        Byte address of the first register, a multiple of 4096. 0 without Wishbone.
    """

    input_bytes: int
    output_bytes: int
    scores: bool
    programming: bool = False
    bus: Bus = "axi4lite"
    wishbone_base: int = 0

    def input_beats(self, elements: int) -> int:
        """Beats of one image, a byte per pixel."""
        return -(-elements // self.input_bytes)

    def output_beats(self, classes: int) -> int:
        """Beats of one result frame."""
        return -(-4 * (1 + classes * self.scores) // self.output_bytes)


@dataclass(frozen=True)
class Plan:
    """The mapping of a network.

    Parameters
    ----------
    name : str
        The network's: the Verilog top is ``binohm_<name>``.
    host : Host
    layers : tuple of LayerPlan
    images : tuple of Image
    taps : dict
        Layer name to the hierarchical path of its output stream below the top, a prefix to which
        ``__valid``, ``__ready`` and ``__payload`` are added. ``input`` is the first layer's input.
    storage : Storage or None
        Where the words lie in the storage view, if the build has one.
    """

    name: str
    host: Host
    layers: tuple[LayerPlan, ...]
    images: tuple[Image, ...]
    taps: dict[str, str]
    storage: Storage | None = None

    @property
    def on_storage(self) -> "Plan":
        """The same with the cycles of words that are fetched from the storage for each read."""
        if self.storage is None:
            return self
        layers = []
        for layer in self.layers:
            cycles = self.storage.fetch_cycles(layer.array)
            array = replace(layer.array, latency=cycles, interval=cycles, outstanding=1)
            layers.append(replace(layer, array=array))
        return replace(self, layers=tuple(layers))

    @property
    def top(self) -> str:
        """The module that a user instantiates."""
        return f"binohm_{self.name}{'_wishbone' if self.host.bus == 'wishbone' else ''}"

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The kinds of macro, each once, in order of first use."""
        return tuple(dict.fromkeys(layer.array for layer in self.layers))

    def to_json(self) -> str:
        """The text of ``plan.json``."""
        facts = {"schema": SCHEMA, **asdict(self)}
        for layer in facts["layers"]:
            if not layer["sweep"]:
                del layer["sweep"]
            if not layer["parallel_planes"]:
                del layer["parallel_planes"]
            if layer["replicas"] == 1:
                del layer["replicas"]
            for tile in layer["tiles"]:
                for key in ("plane", "replica", "copy_of"):
                    if not tile[key]:
                        del tile[key]
            layer["array"] = {
                key: value
                for key, value in layer["array"].items()
                if value or key not in ("ref_bits", "ref_per_column", "spare_columns", "transposed")
            }
        if not self.host.programming:
            del facts["host"]["programming"]
        if self.storage is None:
            del facts["storage"]
        if self.host.bus == "axi4lite":
            del facts["host"]["bus"], facts["host"]["wishbone_base"]
        return json.dumps(facts, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        OutputError
            If the text is not a plan of this schema.
        """
        try:
            raw = json.loads(text)
            if raw["schema"] != SCHEMA:
                raise OutputError(
                    f"plan.json has schema {raw['schema']}, but this version reads {SCHEMA}; "
                    "build again"
                )
            layers = tuple(_layer(layer) for layer in raw["layers"])
            images = tuple(
                Image(**{**image, "fields": tuple(image["fields"])}) for image in raw["images"]
            )
            storage = Storage(**raw["storage"]) if "storage" in raw else None
            return cls(raw["name"], Host(**raw["host"]), layers, images, raw["taps"], storage)
        except (KeyError, TypeError, ValueError) as error:
            raise OutputError(f"plan.json is damaged ({error!r}); build again") from error


def _layer(raw: dict[str, Any]) -> LayerPlan:
    tiles = tuple(
        Tile(**{**tile, "inputs": tuple(tile["inputs"]), "outputs": tuple(tile["outputs"])})
        for tile in raw["tiles"]
    )
    sweep = raw.get("sweep")
    if sweep:
        pool = sweep["pool"] and Pool(
            tuple(sweep["pool"]["kernel"]), tuple(sweep["pool"]["stride"]), sweep["pool"]["of"]
        )
        lengths = {key: tuple(value) for key, value in sweep.items() if key != "pool"}
        sweep = Sweep(**lengths, pool=pool)
    return LayerPlan(**{
        **raw,
        "sweep": sweep,
        "array": Array(**raw["array"]),
        "planes": tuple(raw["planes"]),
        "u_range": tuple(raw["u_range"]),
        "tiles": tiles,
    })
