"""Coverage-guided fuzzing of what users send as constraints: `make fuzz`."""
