"""The beginning of a macro of one's own: a Verilog shim and its datasheet, from a name.

The name says what the macro is, as the names of the ``asic`` view do:
``rram_sa_2t2r_128x64_b16`` has readout, cell, rows and columns, and then 16 bias rows (``b16``),
reference codes of 9 bits, one for all columns (``r9``) or one a column (``r9c``), or a converter of
8 bits (``q8``). What comes before the readout is free.
"""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from binohm.gen.errors import ConfigError
from binohm.gen.macros.datasheet import Cycles, Macro, Write, text
from binohm.gen.macros.macro_views import macro_pins

__all__ = ["described", "render"]

NAME = re.compile(
    r"(?:[A-Za-z]\w*_)?(?P<readout>sa|adc|pcsa)_(?P<cell>1t1r|2t2r|complementary)"
    r"_(?P<rows>[1-9]\d{0,3})x(?P<columns>[1-9]\d{0,3})"
    r"(?:_b(?P<bias>\d{1,4})|_r(?P<code>[1-9]\d?)(?P<own>c?)|_q(?P<bits>[1-9]\d?))?(?:_p\d+)?"
)

LATENCY = 4
"""Cycles of the array that stands in the shim at first, for every command."""


def described(name: str) -> Macro:
    """The datasheet of a macro with this name, as the shim fulfils it.

    Raises
    ------
    ConfigError
        If the name does not say what the macro is.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise ConfigError(
            f"macro {name}: the name must say what it is, such as my_sa_2t2r_128x64_b16, "
            "my_sa_1t1r_128x64_r9c, my_adc_2t2r_128x64_q8 or my_pcsa_2t2r_128x64"
        )
    readout, rows = found["readout"], int(found["rows"])
    bits = int(found["bits"] or rows.bit_length()) if readout == "adc" else int(found["bits"] or 0)
    cycles = Cycles(latency=LATENCY, interval=LATENCY, outstanding=1)
    try:
        return Macro.model_validate({
            "readout": readout,
            "cell": found["cell"],
            "rows": rows,
            "columns": int(found["columns"]),
            "bias_rows": int(found["bias"] or 0),
            "adc_bits": bits,
            "ref_bits": int(found["code"] or 0),
            "ref_per_column": bool(found["own"]),
            "commands": dict.fromkeys(
                ("read", "set", "reset", "verify_set", "verify_reset"), cycles
            ),
            "write": Write(pulses=1, pulse_ns=100.0),
        })
    except ValueError as error:
        why = str(error).split("\n")[-2].strip().removeprefix("Value error, ")
        raise ConfigError(f"macro {name}: {why.split(' [type')[0]}") from error


def render(name: str) -> tuple[str, str]:
    """Verilog of a shim that works, with an array to be replaced, and its datasheet in TOML."""
    macro = described(name)
    array = macro.array
    pins = macro_pins(array)
    environment = Environment(
        loader=PackageLoader("binohm.gen", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    row = next(pin for pin in pins.ports if pin.name == "row")
    verilog = environment.get_template("macro.v.j2").render(
        module=name, array=array, pins=pins.ports, row_bits=row.width, latency=LATENCY
    )
    return verilog, text({name: macro})
