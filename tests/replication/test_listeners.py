from diag.kv.commands import Blanked
from diag.replication import Applied, LogId
from diag.replication.listeners import Listeners

ONE, TWO = (Applied(LogId(1, 1, index), Blanked(), []) for index in (1, 2))


def test_nobody_listens() -> None:
    listeners = Listeners()
    assert not listeners
    listeners.tell(ONE)


def test_each_hears_until_it_is_removed() -> None:
    listeners = Listeners()
    first: list[Applied] = []
    second: list[Applied] = []
    remove = listeners.add(first.append)
    listeners.add(second.append)
    listeners.tell(ONE)
    remove()
    remove()
    listeners.tell(TWO)
    assert (first, second) == ([ONE], [ONE, TWO])
    assert listeners


def test_one_that_goes_while_it_is_told_keeps_nobody_from_hearing() -> None:
    listeners = Listeners()
    heard: list[Applied] = []
    remove = listeners.add(lambda _: remove())
    listeners.add(heard.append)
    listeners.tell(ONE)
    assert heard == [ONE]
