"""The discovery kind `libp2p`: a libp2p network says where peers are.

`wire`, `kad` and `gossip` are pure, `net` has the sockets.
"""
