"""Actors whose state survives their process: what to save when (`settings`), who saves and restores (`recorder`), and
where it lies (`keeper`, `files`).
"""
