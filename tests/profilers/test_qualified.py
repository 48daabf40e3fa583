import json.encoder

from diag.profilers import qualified
from diag.profilers.qualified import QualifiedNames
from diag.profilers.tracebacks import Place


def test_a_file_that_is_not_there_keeps_short_names() -> None:
    assert QualifiedNames().of(Place("work", "/nonexistent.py", 3)) == "work"
    assert QualifiedNames().of(Place("_run", "<frozen runpy>", 3)) == "_run"


def test_a_method_has_its_class() -> None:
    line = json.encoder.JSONEncoder.encode.__code__.co_firstlineno
    assert QualifiedNames().of(Place("encode", json.encoder.__file__, line)) == "JSONEncoder.encode"
    code = qualified.QualifiedNames.of.__code__
    assert QualifiedNames().of(Place("of", qualified.__file__, code.co_firstlineno)) == "QualifiedNames.of"
