"""Pure: what a profile wants and what a host has become a plan, and a plan becomes its revert. No I/O, no clock.

`diff.plan` is the way in; `docs/plan.md` has the verbs and their arguments.
"""
