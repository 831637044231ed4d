"""Who may begin what with this node and through it: the rules of a profile's section `policy`, judged. Pure."""
