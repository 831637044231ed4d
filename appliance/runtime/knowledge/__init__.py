"""The machines of shared knowledge (`appliance.knowledge`) in a running node."""
