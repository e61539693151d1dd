"""The commons' GraphQL service (peregrine): its types, its checks, its answers.

types.py says what may be asked, check.py refuses the rest in the service's words, resolve.py and translog.py answer.
"""
