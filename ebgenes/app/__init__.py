"""From a config to files: what the command line and the workflow run."""
