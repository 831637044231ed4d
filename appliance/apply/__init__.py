"""Carries out plans under an undo journal: apply, confirm, roll back, and recover after a crash.

All take the state directory (`appliance.foundation.places.state_dir()`) and act on the network namespace of the calling process.
"""
