"""The commands with their arguments, as data: a module for each group. `appliance.cli.table` has them all."""
