"""How many connections there are, and whose."""

from diag.open_connections import OpenConnections


def test_none_is_granted_where_none_may_be() -> None:
    assert not OpenConnections(most=0, of_an_address=1).enter("a").granted


def test_an_address_has_so_many_and_leaves_room_for_others() -> None:
    known = OpenConnections(most=3, of_an_address=2)
    places = [known.enter(address) for address in ("a", "a", "a", "b")]
    assert [place.granted for place in places] == [True, True, False, False]
    places[2].leave()
    assert not known.enter("a").granted
    assert not known.enter("b").granted, "what was refused counts until it leaves"


def test_a_place_is_left_once_whoever_says_so() -> None:
    known = OpenConnections(most=10, of_an_address=2)
    first, second = known.enter("a"), known.enter("a")
    first.leave()
    first.leave()
    assert known.enter("a").granted
    assert not known.enter("a").granted, "the second has not left"
    second.leave()
