"""Nodes that a program starts for itself: what `trygon.cluster_utils` is made of."""
