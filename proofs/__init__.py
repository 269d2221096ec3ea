"""What the product is held against beside its tests: each module is a command, `make prove` runs all of them."""
