"""`python -m xtransplant`, the same as `xtransplant`."""

import sys

from xtransplant.cli import main

sys.exit(main())
