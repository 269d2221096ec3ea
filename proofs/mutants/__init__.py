"""Would the tests notice if the code were wrong? Sampled mutants of what must not be, and its branch coverage."""
