"""The audit log of a running node: writing it, what is recorded, and answering who asks for it. Profiles want it or not."""
