"""The faults of docs/reference/mirror-faults.md, each met by a mirror: the folder keeps the last whole truth, and what
the user reads says how old it is and why. `kit.py` tells how that is looked at.
"""
