"""Machines that are network namespaces of this one: a network between them that can be cut, slowed and made lossy."""
