"""libp2p's Kademlia: messages, the table of peers, what is kept for others, and the course of a look-up. Pure."""
