"""How often the code is right: `python -m bench.quality`. No part of `make bench` or of continuous integration."""
