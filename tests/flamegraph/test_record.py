from flamegraph.record import Record


class Point(Record):
    x: int
    y: int = 7


def test_a_record_has_its_fields_by_place_by_name_and_by_default() -> None:
    assert Point(1, 2).values() == Point(y=2, x=1).values() == (1, 2)
    assert Point(1).y == 7
    assert Point.fields() == ("x", "y")


def test_records_are_equal_by_all_their_fields() -> None:
    assert Point(1, 7) == Point(1)
    assert hash(Point(1, 7)) == hash(Point(1))
    assert Point(1, 2) != Point(1)
    assert Point(1, 7) != (1, 7)
