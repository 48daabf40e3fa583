import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flamegraph
from flamegraph import FlamegraphError, InputError, OptionError, OutputError, VerdictError


def test_all_is_sorted_and_lists_what_can_be_imported() -> None:
    namespace: dict[str, object] = {}
    exec("from flamegraph import *", namespace)
    assert flamegraph.__all__ == sorted(flamegraph.__all__)
    assert {name for name in namespace if not name.startswith("__")} == set(flamegraph.__all__)
    assert set(flamegraph.__all__) <= set(dir(flamegraph))


def test_nothing_else_is_public_but_modules() -> None:
    public = {
        name for name, value in vars(flamegraph).items() if not name.startswith("_") and callable(value)
    }
    assert public - {"ModuleType", "import_module"} <= set(flamegraph.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'melt'"):
        getattr(flamegraph, "melt")  # noqa: B009 - what a typing error does at run time


def _callables() -> Iterator[tuple[str, object]]:
    for name in flamegraph.__all__:
        value = getattr(flamegraph, name)
        yield name, value
        if inspect.isclass(value):
            for member, defined in vars(value).items():
                if not member.startswith("_") and (callable(defined) or isinstance(defined, property)):
                    yield f"{name}.{member}", defined


@pytest.mark.parametrize(
    ("name", "value"), list(_callables()), ids=lambda value: value if type(value) is str else ""
)
def test_whatever_is_public_says_what_it_does(name: str, value: object) -> None:
    assert inspect.getdoc(value), name


@pytest.mark.parametrize("name", ["diff", "check"])
def test_a_function_is_not_hidden_by_the_module_of_its_name(name: str) -> None:
    code = f"import flamegraph, flamegraph.{name}; assert callable(flamegraph.{name}), flamegraph.{name}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_what_is_used_is_loaded() -> None:
    late = ["check", "cli", "diff", "formats", "html", "profile", "svg", "transform"]
    slow = ["json", "argparse", "subprocess", "pathlib", "random", "dataclasses", "inspect"]
    unwanted = {*slow, *(f"flamegraph.{name}" for name in late)}
    code = f"import sys, flamegraph; loaded = {unwanted!r} & set(sys.modules); assert not loaded, loaded"
    here = Path(flamegraph.__file__).parents[1]
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=here)


def test_the_example_in_the_docstring_works() -> None:
    assert doctest.testmod(flamegraph).failed == 0


@pytest.mark.parametrize("error", [InputError, OptionError, OutputError, VerdictError])
def test_errors_have_one_base_and_leave_exit_code_one_to_verdicts(error: type[FlamegraphError]) -> None:
    assert issubclass(error, FlamegraphError)
    assert error.exit_code > 1
