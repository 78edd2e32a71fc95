"""Worlds of others as domains, made from a description instead of code; what is adapted is imported when asked for."""
