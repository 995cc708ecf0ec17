"""`python PATH/TO/THIS/FOLDER download ...` is the command `pointvid`, also where Python ignores the working folder."""

import sys

from pointvid.cli import main

sys.exit(main())
