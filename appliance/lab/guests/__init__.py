"""Throw-away virtual machines of Debian for a lab: their images, which are made once and kept, and one machine under qemu.

`images.make` gives an `Image`; `guest.Guest` is a machine that runs it inside a network namespace; `taps.join` leads a wire of
the lab into it.
"""
