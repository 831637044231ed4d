"""A text as a QR code for a terminal."""

from __future__ import annotations

import io


def qr_text(text: str) -> str | None:
    """Lines of half blocks, dark on light whatever the terminal's colours are; None where segno is not installed."""
    try:
        import segno
    except ImportError:
        return None
    drawn = io.StringIO()
    segno.make_qr(text, error="l").terminal(drawn, border=2, compact=True)  # nothing smears a screen: the lowest level will do
    return drawn.getvalue().rstrip("\n")
