"""Entry point of `xtransplant` and `python -m xtransplant`; imports nothing slow itself."""

import os
import sys


def main() -> int:
    """Run the command line; an interrupt during its imports also ends in one line."""
    _read_names_as_utf8()
    try:
        return _imported()
    except KeyboardInterrupt:
        if sys.stderr:  # the parent process may have closed it
            sys.stderr.write("error: interrupted\n")
        return 130


def _read_names_as_utf8() -> None:
    """Start Python anew in its UTF-8 mode where the locale has no letters for names of files.

    Else a path in Cyrillic under LC_ALL=C is a text that cannot be printed, stored or parsed.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _imported() -> int:
    from xtransplant.runner import stopping

    stopping.note_interrupts()
    try:
        from xtransplant.cli.app import main

        return main()
    except Exception as error:
        if stopping.interrupted():
            raise KeyboardInterrupt from error
        raise


if __name__ == "__main__":
    sys.exit(main())
