"""Users, roles and tokens: who may do what, judged. Pure."""
