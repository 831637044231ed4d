"""`python -m appliance.cli`: the same as the `appliance` command, for trees without console scripts."""

from __future__ import annotations

import sys

from appliance.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
