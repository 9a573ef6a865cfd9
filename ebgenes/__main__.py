"""``python -m ebgenes``."""

import sys

from ebgenes.cli import main

sys.exit(main())
