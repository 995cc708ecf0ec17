"""`python -m pointvid` is the command `pointvid`."""

import sys

from .cli import main

sys.exit(main())
