"""Zstandard (RFC 8878) from Python's own library, or before 3.14 from its backport: the extra `appliance-core[compression]`.

Frames are bounded before anything is decompressed: a frame states its content's size, and its window is no larger than a packet.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from appliance.dataplane.compression import Codec, compile_codec

if TYPE_CHECKING:
    from appliance.api.values import Octets

MODULE: Final = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
LEVEL: Final = 1
"""Measured on text and on random bytes: -1 is hardly quicker and worse by a fifth, 3 costs a third more for a twentieth."""
WINDOW_LOG: Final = 16
"""64 KiB hold every packet; a frame that asks for more memory is refused."""


def installed() -> bool:
    """Is the library there? Does not import it."""
    try:
        return find_spec(MODULE) is not None
    except ModuleNotFoundError:
        return False


def codec() -> Codec:
    """A codec. Raises ImportError when the library is not there."""
    zstd = importlib.import_module(MODULE)
    compressor, end_frame = zstd.ZstdCompressor(LEVEL), zstd.ZstdCompressor.FLUSH_FRAME
    frame_info, decompressor = zstd.get_frame_info, zstd.ZstdDecompressor
    options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}

    def compress(packet: Octets) -> bytes:
        """One whole frame; the next one starts from nothing again."""
        frame: bytes = compressor.compress(packet, end_frame)
        return frame

    def decompress(frame: Octets, most: int) -> bytes:
        size = frame_info(frame).decompressed_size
        if size is None or size > most:
            raise ValueError("too much, or nobody knows")
        one = decompressor(options=options)
        packet: bytes = one.decompress(frame, size + 1)
        if not one.eof or one.unused_data or len(packet) != size:
            raise ValueError("not one whole frame")
        return packet

    return compile_codec(compress, decompress)
