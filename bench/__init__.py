"""Measurements: small parts, a C reference, load over real sockets. Honest numbers, kept in ``bench/results``."""
