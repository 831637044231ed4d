"""Routes by what the nodes of an overlay tell each other."""
