"""Relays: nodes that join two others which cannot reach each other. What is said, allowed and chosen, as pure machines."""
