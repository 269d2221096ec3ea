"""Orders to begin with: each shows something that plain words leave open, or that a check can see."""

EXAMPLES = (
    "Return the sum of the even numbers in a list of integers.",
    "Count how often each word occurs in a text, without regard to upper and lower case.",
    "Say whether a string reads the same forwards and backwards.",
    "Return the largest number in a list; an empty list is an error.",
)
"""Prompts, shortest first."""
