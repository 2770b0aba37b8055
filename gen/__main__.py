"""Command line: ``binohm``, or ``python -m binohm.gen``.

Exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted, 143 terminated. Bad input is
one line on stderr; a traceback is a bug of ours. Results go to stdout, all else to stderr.
"""

import difflib
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from binohm.gen.cli.commands import app
from binohm.gen.errors import BinohmError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        with _terminable():
            status = app(
                None if argv is None else list(argv), prog_name="binohm", standalone_mode=False
            )
        # Typer gives back what the command returned, or the status of a typer.Exit
        return status if isinstance(status, int) else 0
    except typer.TyperException as error:
        return _fail(_usage(error))
    except BinohmError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as error:  # a full disk, a folder that went away
        if error.filename is None:
            raise
        return _fail(f"{error.filename}: {error.strerror}")


def _fail(message: str) -> int:
    print("binohm: error:", " ".join(message.split("\n")), file=sys.stderr)
    return 2


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the arguments, the nearest option if one was unknown, where to look."""
    message = error.format_message().replace("Value error, ", "")
    known = getattr(error, "possibilities", None)
    if known:
        wrong = str(getattr(error, "option_name", ""))
        near = difflib.get_close_matches(wrong, known, 1, cutoff=0.0)
        message = f"{error.message}. Did you mean {near[0]}?"
    if not message.endswith((".", "?")):
        message += "."
    context = getattr(error, "ctx", None)
    return f"{message} See `{context.command_path} --help`." if context else message


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that nothing stays half-written."""

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
