"""What a resistive device is, in SI units: the parameters from which maps are drawn.

The model is first order throughout. A device in one of its two states is a resistor with a
log-normal spread, in series with its access transistor and the wires to it::

    I = V_read / (R + R_t + line_ohm * (line + column)),    R_t = 1 / (k * (V_gate - V_threshold))

so the relative spread of the current is that of ``R`` times ``R / (R + R_t)``: a low gate voltage
lets the transistor set the current. After a time ``t`` without refresh, ``R`` has drifted to
``R * (1 + t / 1 s) ** exponent``.

Sources of the defaults. [N]: NeuroSim V1.4, ``Inference_pytorch/NeuroSIM/Param.cpp`` and
``constant.h``; a fallback, where the papers that this project follows give no number. [D]: a public
DL-RSIM-style script with log-normal deviations of 0.18 (LRS) and 0.45 (HRS). [T]: the abstract of
Zhang et al., IEEE TED (binarized neural network with high variation-tolerated forward/backward
propagation module): a low gate voltage cuts the spread from cycle to cycle by 74.8 % and that from
device to device by 59.9 %. [B]: Bocquet et al., IEDM 2018 (billions of cycles). An effect for which
no number was found is left out by default: its parameter is 0.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Self

__all__ = ["RANGES", "Device"]

SERIES_LIMIT = (1 << 20) - 1
"""Ohm of transistor and wires together, see :mod:`binohm.sim.device.map`."""

RANGES: dict[str, tuple[float, float, str]] = {
    "lrs_ohm": (1e2, 1e8, "ohm"),
    "hrs_ohm": (1e2, 1e9, "ohm"),
    "read_v": (0.01, 1.0, "V"),
    "lrs_sigma_d2d": (0.0, 2.0, ""),
    "hrs_sigma_d2d": (0.0, 2.0, ""),
    "lrs_sigma_c2c": (0.0, 2.0, ""),
    "hrs_sigma_c2c": (0.0, 2.0, ""),
    "read_noise": (0.0, 1.0, ""),
    "sense_offset_a": (0.0, 1e-3, "A"),
    "stuck_lrs": (0.0, 1.0, ""),
    "stuck_hrs": (0.0, 1.0, ""),
    "gate_v": (0.05, 5.0, "V"),
    "k_a_per_v2": (1e-7, 1.0, "A/V^2"),
    "threshold_v": (0.0, 2.0, "V"),
    "threshold_sigma_v": (0.0, 0.1, "V"),
    "line_ohm": (0.0, 100.0, "ohm"),
    "retention_s": (0.0, 1e9, "s"),
    "drift_lrs": (-0.2, 0.2, ""),
    "drift_hrs": (-0.2, 0.2, ""),
    "endurance_median": (1.0, 4e9, "pulses"),
    "endurance_sigma": (0.0, 3.0, ""),
    "pulses_set": (1.0, 15.0, "pulses"),
    "pulses_reset": (1.0, 15.0, "pulses"),
    "pulses_sigma": (0.0, 2.0, ""),
}
"""Lowest and highest value of every parameter of :class:`Device`, and its unit."""


@dataclass(frozen=True)
class Device:
    """Resistive devices, their access transistors, wires and sense amplifiers.

    Sigmas are those of natural logarithms, where no unit is given. For the letters see the module.

    Parameters
    ----------
    lrs_ohm, hrs_ohm : float
        Median resistance of the low and the high state [N]. Their ratio, the resistance window,
        is above 1.
    read_v : float
        Across a cell in a read [N]: 0.55 V at 22 nm.
    lrs_sigma_d2d, hrs_sigma_d2d : float
        Spread from device to device [D]; the source does not say how much of it is that.
    lrs_sigma_c2c, hrs_sigma_c2c : float
        Spread of one device from write to write.
    read_noise : float
        Standard deviation of the current of a device from read to read, over that current.
    sense_offset_a : float
        Standard deviation of the offsets of sense amplifiers and converters, at their inputs.
    stuck_lrs, stuck_hrs : float
        Fractions of the devices that never leave a state.
    gate_v, k_a_per_v2, threshold_v : float
        Access transistor in a read. Gate voltage [N]; with the threshold, an assumption, ``k``
        gives NeuroSim's 25 kOhm, a quarter of ``lrs_ohm`` (``IR_DROP_TOLERANCE``).
    threshold_sigma_v : float
        Standard deviation of the threshold; ``R_t`` varies by it over ``V_gate - V_threshold``.
        Inferred from [T], see :meth:`low_gate`.
    line_ohm : float
        Wire from cell to cell. [N]: 40 nm wide, 1.9 times as high, 2.97e-8 ohm m: 1.6 ohm over the
        height of a cell (4 F) and 4.7 ohm over its width (12 F); this is their mean.
    retention_s : float
        Time from programming to reading.
    drift_lrs, drift_hrs : float
        Exponents of the drift.
    endurance_median, endurance_sigma : float
        Pulses after which a device is stuck in its state [B]; the order of magnitude.
    pulses_set, pulses_reset, pulses_sigma : float
        Median of the pulses that a device needs to change its state, and its spread.

    Raises
    ------
    ValueError
        If a parameter is outside its range, the window is not above 1, or transistor and wires
        have more than 1048575 ohm.
    """

    lrs_ohm: float = 100e3
    hrs_ohm: float = 1.7e6
    read_v: float = 0.55
    lrs_sigma_d2d: float = 0.18
    hrs_sigma_d2d: float = 0.45
    lrs_sigma_c2c: float = 0.0
    hrs_sigma_c2c: float = 0.0
    read_noise: float = 0.0
    sense_offset_a: float = 0.0
    stuck_lrs: float = 0.0
    stuck_hrs: float = 0.0
    gate_v: float = 1.1
    k_a_per_v2: float = 5.7e-5
    threshold_v: float = 0.4
    threshold_sigma_v: float = 2.5e-3
    line_ohm: float = 3.1
    retention_s: float = 0.0
    drift_lrs: float = 0.0
    drift_hrs: float = 0.0
    endurance_median: float = 1e9
    endurance_sigma: float = 0.0
    pulses_set: float = 1.0
    pulses_reset: float = 1.0
    pulses_sigma: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high, unit = RANGES[field.name]
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{field.name} must be a number, not {value!r}")
            if not low <= value <= high:
                raise ValueError(
                    f"{field.name} = {value:g}: must be {f'{low:g} to {high:g} {unit}'.rstrip()}"
                )
        if self.window <= 1:
            raise ValueError(
                f"hrs_ohm / lrs_ohm = {self.window:g}: the resistance window must be above 1"
            )
        if self.stuck_lrs + self.stuck_hrs > 1:
            raise ValueError(
                f"stuck_lrs + stuck_hrs = {self.stuck_lrs + self.stuck_hrs:g}: must be at most 1"
            )
        if self.overdrive_v * self.k_a_per_v2 * SERIES_LIMIT < 1:
            least = self.threshold_v + 1 / (self.k_a_per_v2 * SERIES_LIMIT)
            raise ValueError(
                f"gate_v = {self.gate_v:g}: must be at least {least:.4g} V, or the access "
                f"transistor has more than {SERIES_LIMIT} ohm"
            )

    @classmethod
    def ideal(cls) -> Self:
        """No spread, no noise, no wires: every read is what golden says."""
        return cls(
            lrs_sigma_d2d=0.0, hrs_sigma_d2d=0.0, threshold_sigma_v=0.0, line_ohm=0.0
        )  # fmt: skip

    def low_gate(self, c2c: float = 0.748, d2d: float = 0.599) -> Self:
        """The same devices, read with the gate voltage that cuts their spread.

        Calibrated on [T], by inference: the paper gives the two cuts, and neither resistances nor
        voltages. To first order the spread of an LRS current is ``R / (R + R_t)`` times that of
        ``R``, so a cut by ``c2c`` needs ``R + R_t`` to grow by ``1 / (1 - c2c)``. From device to
        device that is not all, since transistors differ too: their mismatch is what is missing to
        a cut by ``d2d``. If the transistor is nothing at the normal gate voltage, that is a
        ``R_t`` of 2.97 ``R`` and a mismatch of 0.417 times that of ``R``.

        Parameters
        ----------
        c2c, d2d : float
            Fractions by which the spread of the LRS current falls; 0 < d2d <= c2c < 1.
        """
        if not 0 < d2d <= c2c < 1:
            raise ValueError(f"c2c = {c2c:g}, d2d = {d2d:g}: must be 0 < d2d <= c2c < 1")
        total = (self.lrs_ohm + self.access_ohm) / (1 - c2c)
        access = total - self.lrs_ohm
        before = self.lrs_ohm / (self.lrs_ohm + self.access_ohm)
        after = self.lrs_ohm / total
        mismatch = math.sqrt(((1 - d2d) * before) ** 2 - after**2) * total / access
        overdrive = 1 / (self.k_a_per_v2 * access)
        return replace(
            self,
            gate_v=self.threshold_v + overdrive,
            threshold_sigma_v=mismatch * self.lrs_sigma_d2d * overdrive,
        )

    @property
    def window(self) -> float:
        """Resistance window, HRS over LRS."""
        return self.hrs_ohm / self.lrs_ohm

    @property
    def overdrive_v(self) -> float:
        """Gate voltage above the threshold."""
        return self.gate_v - self.threshold_v

    @property
    def access_ohm(self) -> float:
        """Resistance of the access transistor in a read."""
        return 1 / (self.k_a_per_v2 * self.overdrive_v)
