"""`kot`: the command line."""
