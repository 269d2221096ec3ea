import pytest

from endpoints.console.specification_form import FaultyForm, fields_of, read_form

IR = {
    "intent": {"summary": "The larger one"},
    "signature": {
        "name": "larger",
        "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": "0"}],
        "returns": "int",
        "raises": ["ValueError"],
    },
    "effects": ["clock"],
    "assertions": [{"expression": "result >= a", "rationale": "it is the larger"}],
    "examples": [{"arguments": ["1", "max(2, 3)"], "result": "3"}, {"arguments": ["1", "1"], "raises": "ValueError"}],
    "holes": [{"id": "h", "kind": "intent", "question": "Which?", "answer": "any"}],
}


def test_a_form_that_is_sent_as_it_was_shown_changes_nothing():
    read = read_form(fields_of(IR), IR).model_dump(mode="json", exclude={"metadata"}, exclude_defaults=True)
    assert read == {**IR, "signature": {**IR["signature"]}}


def test_empty_rows_are_left_out_and_faults_name_the_row_of_the_form():
    fields = fields_of(IR)
    fields["parameters-name"] = ["", "a b"]
    fields["parameters-type"] = ["", "int"]
    fields["parameters-default"] = fields["parameters-description"] = ["", ""]
    fields["examples-arguments"] = ["a=1", "((("]
    fields["returns"] = ["in t"]
    with pytest.raises(FaultyForm) as faulty:
        read_form(fields, IR)
    assert {fault.field for fault in faulty.value.faults} == {
        "parameters-1-name",
        "examples-0-arguments",
        "examples-1-arguments",
        "returns",
    }
