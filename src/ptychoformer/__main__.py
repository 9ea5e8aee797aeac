"""``python -m ptychoformer``."""

import sys

from ptychoformer.cli import main

sys.exit(main())
