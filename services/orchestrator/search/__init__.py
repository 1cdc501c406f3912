"""Search policies, one module each: `Settings` says what can be set, `Policy` is the search. Pure: no I/O."""
