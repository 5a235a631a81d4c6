"""The sections of params.yaml: names, types and ranges of every setting."""
