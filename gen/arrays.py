"""The macros of a plan: their kinds, and each one with its place in a layer. Pure data.

:mod:`binohm.gen.plan`, which offers these names too, says what a macro computes.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Array", "Cell", "Readout", "Storage", "Tile"]

Readout = Literal["sa", "adc", "pcsa"]
Cell = Literal["1t1r", "2t2r", "complementary"]


@dataclass(frozen=True)
class Array:
    """One kind of macro: its geometry and its datasheet. Equal arrays share one socket module.

    Parameters
    ----------
    readout, cell : str
    rows, columns : int
        Logical inputs (``pcsa``: words) and columns, spare ones included.
    bias_rows : int
        Rows beyond ``rows``, always driven +1. ``sa`` without reference codes only, else 0.
    adc_bits : int
        ``adc`` only, else 0.
    per_cycle : int
        Columns that the digital view computes in a cycle; ``columns`` for ``pcsa``.
    latency, interval, outstanding : int
        A request accepted in cycle ``t`` has its response valid from cycle ``t + latency`` (or
        from the cycle after the one in which the previous response was taken, if that is later);
        the next request is accepted in ``t + interval`` at the earliest; and a request is accepted
        no earlier than the cycle in which the response ``outstanding`` requests before was taken.
    ref_bits : int
        ``sa``: bits of a signed reference code, which pin ``ref_code`` brings with each request; 0
        for thresholds in bias rows.
    ref_per_column : bool
        Whether each column has a code of its own, column 0 lowest; else one code is for all.
    spare_columns : int
        Of the columns, the last so many hold no output, until they replace a bad column.
    transposed : bool
        ``adc`` with ``1t1r`` cells: word, bit and source lines are distinct, and the same cells are
        also read from the columns to the rows, by converters on the source lines. Field ``k`` of
        a response is then column ``k`` or, of a transposed read, row ``k``: the columns that are
        on (``col_x`` and ``col_en``) and whose cell is +1, at most ``2**adc_bits - 1``.
    """

    readout: Readout
    cell: Cell
    rows: int
    columns: int
    bias_rows: int
    adc_bits: int
    per_cycle: int
    latency: int
    interval: int
    outstanding: int
    ref_bits: int = 0
    ref_per_column: bool = False
    spare_columns: int = 0
    transposed: bool = False

    @property
    def name(self) -> str:
        """Suffix of the socket module, such as ``sa_2t2r_128x64_b16_p4``."""
        parts = [self.readout, self.cell, f"{self.rows}x{self.columns}"]
        if self.ref_bits:
            parts.append(f"r{self.ref_bits}{'c' if self.ref_per_column else ''}")
        elif self.readout == "sa":
            parts.append(f"b{self.bias_rows}")
        if self.readout == "adc":
            parts.append(f"q{self.adc_bits}")
        if self.readout != "pcsa":
            parts.append(f"p{self.per_cycle}")
        if self.spare_columns:
            parts.append(f"s{self.spare_columns}")
        if self.transposed:
            parts.append("t")
        return "_".join(parts)

    @property
    def lines(self) -> int:
        """Driven lines: rows and bias rows."""
        return self.rows + self.bias_rows

    @property
    def own_columns(self) -> int:
        """Columns that are not spare."""
        return self.columns - self.spare_columns

    @property
    def q_bits(self) -> int:
        """Width of a response: one bit a column, or ``adc_bits`` a column or row."""
        return self.fields * max(1, self.adc_bits)

    @property
    def fields(self) -> int:
        """Fields of a response: columns, or rows if those of a transposed read are more."""
        return max(self.rows, self.columns) if self.transposed else self.columns

    @property
    def ref_codes(self) -> int:
        """Reference codes of a request: none, one, or one a column."""
        return (self.columns if self.ref_per_column else 1) if self.ref_bits else 0

    @property
    def column_bits(self) -> int:
        """Bits of one column in a memory word: its rows, then bias +1 cells, then bias -1 cells."""
        return self.rows + 2 * self.bias_rows

    @property
    def word_bits(self) -> int:
        """Width of a memory word: ``per_cycle`` columns, or one row for ``pcsa``."""
        return self.columns if self.readout == "pcsa" else self.per_cycle * self.column_bits

    @property
    def depth(self) -> int:
        """Memory words of one macro."""
        return self.rows if self.readout == "pcsa" else -(-self.columns // self.per_cycle)


@dataclass(frozen=True)
class Tile:
    """One macro of a layer.

    Parameters
    ----------
    name : str
        ``<layer>_t<index>``: the instance, and its image ``mem/<name>.hex``.
    id : int
        Unique in the plan; the socket's ``ID``.
    group : int
        Which group of a split layer it belongs to; 0 otherwise.
    inputs : (start, stop)
        ``sa`` and ``adc``: row ``r`` is input ``start + r``. ``pcsa``: all inputs of the layer.
    outputs : (start, stop, step)
        ``sa`` and ``adc``: column ``c`` is output ``start + c``, step is 1. ``pcsa``: the tile
        of engine ``e`` serves outputs ``e``, ``e + engines``, ...
    slice : int
        ``pcsa``: position among the ``slices_per_read`` tiles of an engine; 0 otherwise.
    plane, replica : int
        Which bit plane it reads where they are read in parallel, and whose windows; 0 otherwise.
    copy_of : str
        The tile whose cells, and image, it has too; empty if it has its own.
    """

    name: str
    id: int
    group: int
    inputs: tuple[int, int]
    outputs: tuple[int, int, int]
    slice: int = 0
    plane: int = 0
    replica: int = 0
    copy_of: str = ""

    @property
    def image(self) -> str:
        """Name of the image of its cells."""
        return self.copy_of or self.name


@dataclass(frozen=True)
class Storage:
    """Macros that only read and write single cells, which hold the words of ``pcsa`` arrays.

    Parameters
    ----------
    rows, columns : int
        Cells of a macro.
    write_cycles, read_cycles : int
        Of a cell, from command to command.
    mode_write, mode_read : int
        Codes of the commands, 2 bits.
    threshold : int
        The least data, of 0 to 255, that makes a cell 1.
    cached : bool
        Whether a word that was fetched is kept beside the macros, in registers or RAM.
    """

    rows: int
    columns: int
    write_cycles: int
    read_cycles: int
    mode_write: int
    mode_read: int
    threshold: int
    cached: bool

    def fetch_cycles(self, array: Array) -> int:
        """From a request to the word that it asks for: its cells in turn, and one cycle."""
        return min(self.columns, array.columns) * self.read_cycles + 1
