"""The sizes of a unit, as a user sets them, with every limit stated; see docs/soc.md."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from binohm.gen.errors import ConfigError
from binohm.gen.plan import Array

__all__ = ["UnitConfig", "unit_config"]

WORD = 32


def _limited(default: int, least: int, most: int, text: str) -> Any:
    return Field(default, ge=least, le=most, description=text)


class UnitConfig(BaseModel):
    """A unit.

    Raises
    ------
    pydantic.ValidationError
        If a key is unknown or a value out of range; :func:`unit_config` says so in one line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = "bdpe"
    slots: int = _limited(128, 1, 1024, "Kernels held.")
    rows: int = _limited(3, 1, 16, "Rows of a kernel.")
    columns: int = _limited(3, 1, 32, "Columns of a kernel.")
    positions: int = _limited(4, 1, 8, "Windows beside one another.")
    windows: int = _limited(256, 1, 1024, "Channels whose patches are held.")
    complement: bool = Field(True, description="Whether a number may ask for the inverted kernel.")
    accumulator_bits: int = _limited(16, 8, 32, "Bits of a sum.")

    @model_validator(mode="after")
    def _patch_fits(self) -> Self:
        if self.columns + self.positions - 1 > WORD:
            raise ValueError(
                f"columns + positions - 1 = {self.columns + self.positions - 1}: must be 1 to "
                f"{WORD}; set fewer positions"
            )
        return self

    @property
    def width(self) -> int:
        """Bits of a kernel."""
        return self.rows * self.columns

    @property
    def codes(self) -> int:
        """Kernel numbers that name a kernel."""
        return self.slots << self.complement

    @property
    def number_bits(self) -> int:
        """Bits of a kernel number."""
        return (self.codes + 1).bit_length()

    @property
    def numbers(self) -> int:
        """Kernel numbers in a word."""
        return WORD // self.number_bits

    @property
    def kernel_fields(self) -> int:
        """Fields of ``number_bits`` that a kernel in full takes, behind the number ``codes``."""
        return -(-self.width // self.number_bits)

    @property
    def array(self) -> Array:
        """The macro of the kernels."""
        return Array("pcsa", "2t2r", self.slots, self.width, 0, 0, self.width, 1, 1, 1)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What sockets are made for."""
        return (self.array,)


def unit_config(values: Mapping[str, Any]) -> UnitConfig:
    """A unit from keys and values.

    Raises
    ------
    ConfigError
        In one line that names the key, the value and the range.
    """
    try:
        return UnitConfig.model_validate(dict(values))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise ConfigError(f"unit{_explain(first, values)}") from invalid


def _explain(error: Any, values: Mapping[str, Any]) -> str:
    if not error["loc"]:
        return f": {error['ctx']['error']}"
    key = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f".{key}: unknown; the keys are {', '.join(UnitConfig.model_fields)}"
    if key == "name":
        allowed = "1 to 64 of a-z, 0-9 and _, the first a letter"
    elif key == "complement":
        allowed = "true or false"
    else:
        least, most = (
            getattr(limit, end)
            for limit, end in zip(UnitConfig.model_fields[key].metadata, ("ge", "le"), strict=True)
        )
        allowed = f"an integer from {least} to {most}"
    return f".{key} = {values[key]!r}: must be {allowed}"
