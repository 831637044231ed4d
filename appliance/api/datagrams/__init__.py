"""For the drivers of datagram kinds: records cut into datagrams and made whole again, as docs/protocol.md has it on the wire.

    out   `fragments.cutter_for(buffers.transmit, datagram).cut(length)` gives the datagrams of a long record
    in    `batches.Batches(buffers).take(data, segment, source, sink)` passes on the records in a train of datagrams

A driver that uses both loses, mends (`Driver.protect`) and counts (`Driver.arrivals`) as UDP does.
"""
