"""Components that are converted once and instantiated many times."""

import inspect
import re
from typing import Any

from amaranth.hdl import ClockSignal, Fragment, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring

__all__ = ["Library"]


class Library:
    """The shared modules of one design.

    Amaranth writes a module of its own for each instance of a component, and Verilog modules
    cannot be parametrised afterwards. So equal components (same class, same constructor
    arguments) become one Verilog module here, and each use is an ``Instance`` of it.

    Parameters
    ----------
    prefix : str
        Of every module name: Verilog has one namespace.

    Attributes
    ----------
    components : dict of str to Component
        By module name, in order of first use: what is left to convert.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.components: dict[str, wiring.Component] = {}
        self._placed: dict[tuple[object, ...], str] = {}
        self._clocked: dict[str, bool] = {}

    def place(
        self, m: Module, name: str, kind: type[wiring.Component], *args: object, **kwargs: object
    ) -> Any:
        """Add an instance of ``kind(*args, **kwargs)`` to ``m`` as submodule ``name``.

        Returns
        -------
        interface
            What the component itself would offer: ``.i``, ``.o`` and so on, to be connected.
        """
        call = inspect.signature(kind).bind(*args, **kwargs)
        call.apply_defaults()
        key = (kind, *call.arguments.items())
        if key not in self._placed:
            self.components[self._free_name(kind)] = kind(*args, **kwargs)
            self._placed[key] = module = next(reversed(self.components))
            self._clocked[module] = _is_clocked(self.components[module])
        module = self._placed[key]
        component = self.components[module]

        interface = component.signature.create(path=(name,))
        ports: dict[str, Value] = {}
        for path, member, value in component.signature.flatten(interface):
            direction = "i" if member.flow == wiring.In else "o"
            ports[f"{direction}_{'__'.join(path)}"] = Value.cast(value)
        if self._clocked[module]:
            ports |= {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        m.submodules[name] = Instance(module, **ports)
        return interface

    def _free_name(self, kind: type[wiring.Component]) -> str:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        name, number = f"{self.prefix}_{words}", 1
        while name in self.components:
            number += 1
            name = f"{self.prefix}_{words}_{number}"
        return name


def _is_clocked(component: wiring.Component) -> bool:
    """Whether there is a register in it, or what has one, such as another component placed."""

    def clocked(fragment: Fragment) -> bool:
        if isinstance(fragment, Instance):
            return "clk" in fragment.ports
        return bool(set(fragment.statements) - {"comb"}) or any(
            clocked(Fragment.get(part, None)) for part, *_ in fragment.subfragments
        )

    return clocked(Fragment.get(component, None))
