"""Weir's load test: nginx, a bare Pingora proxy and Weir in front of one upstream, measured in turns."""
