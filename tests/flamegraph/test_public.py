import doctest
from types import ModuleType

import flamegraph
from flamegraph import FlamegraphError, InputError, OptionError, OutputError


def test_all_lists_what_can_be_imported() -> None:
    public = {
        name
        for name, value in vars(flamegraph).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert sorted(public) == sorted(flamegraph.__all__)


def test_the_example_in_the_docstring_works() -> None:
    assert doctest.testmod(flamegraph).failed == 0


def test_errors_have_one_base_and_leave_exit_code_one_to_verdicts() -> None:
    for error in (InputError, OptionError, OutputError):
        assert issubclass(error, FlamegraphError)
        assert error.exit_code > 1
