"""Setting a deployment up: the steps that a template can't do, and how each is checked."""
