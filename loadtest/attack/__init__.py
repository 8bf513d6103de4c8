"""Attacks on a running Weir."""
