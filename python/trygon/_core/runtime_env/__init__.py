"""Runtime environments: what a job, a task or an actor wants its workers to find."""
