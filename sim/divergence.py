"""One difference between what was found and what should be there."""

from dataclasses import dataclass, field

__all__ = ["Divergence"]


@dataclass(frozen=True)
class Divergence:
    """A difference, named so that it can be found.

    Parameters
    ----------
    text : str
        One line for people.
    facts : dict of str to int or str
        The same for programs. ``layer`` and ``expected``, ``found`` where they apply; of a memory
        image ``file``, ``tile``, ``row``, ``column``, ``output``, ``input``, ``word``; of a
        simulation ``image``, ``output``, ``cycle``, ``test``, ``simulator``.
    """

    text: str
    facts: dict[str, int | str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text
