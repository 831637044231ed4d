"""The hash table that the members of a network are together: Kademlia, of signed records. Pure; `node.Dht` is one member."""
