"""libp2p's gossipsub 1.1, as far as a node needs it that tells and hears where peers are. Pure."""
