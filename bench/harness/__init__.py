"""The harness: environments, engine processes, scheduling and the report. It knows nothing of what a row measures."""
