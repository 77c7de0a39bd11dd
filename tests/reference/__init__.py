"""A strict OCPI eMSP for tests: it records everything that a CPO must not send.

Nothing here is shared with `agent`, so that both cannot make the same mistake.
"""
