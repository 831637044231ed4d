"""The examples are distributions of their own, which nobody installed: their tests find them here."""

from __future__ import annotations

import sys
from pathlib import Path

for source in sorted(Path(__file__).parent.glob("*/src")):
    sys.path.append(str(source))
