from functions.clause_lines import lines_of_clauses

CODE = '''import math


def root(
    number: float,
    digits: int = 2,
) -> float:
    """The square root, rounded."""
    if number < 0:
        raise ValueError("below zero")
    def half() -> float:
        return number / 2
    if number == 0:
        return 0.0
    return round(math.sqrt(number),
                 digits)
'''
IR = {
    "signature": {
        "name": "root",
        "parameters": [{"name": "number", "type": "float"}, {"name": "digits", "type": "int"}],
        "returns": "float",
        "raises": ["ValueError", "TypeError"],
    }
}


def test_each_clause_has_the_lines_that_its_syntax_shows():
    assert lines_of_clauses(CODE, IR) == {
        "/signature": (4, 5, 6, 7),
        "/intent": (8,),
        "/signature/parameters/0": (9, 12, 13, 15),
        "/signature/parameters/1": (16,),
        "/signature/returns": (14, 15),  # what the inner function returns is its own
        "/signature/raises/0": (10,),
    }


def test_a_body_on_the_line_of_its_head_is_part_of_it():
    code = "def root(number: float) -> float: return number"
    found = lines_of_clauses(code, IR)
    assert (found["/signature"], found["/signature/returns"]) == ((1,), (1,))


def test_code_of_another_function_or_of_none_realises_nothing():
    for code in ("def other(): ...", "def root(:", "", "\0"):
        assert lines_of_clauses(code, IR) == {}
