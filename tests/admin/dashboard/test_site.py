"""Templates that are ready before somebody looks."""

import pytest

from diag.admin.dashboard.site import Site

pytestmark = pytest.mark.anyio


async def test_a_page_that_is_prepared_is_drawn_without_waiting() -> None:
    site = Site()
    await site.prepare()
    drawing = site.page("failed.html", {"error": "<b>"})
    with pytest.raises(StopIteration) as drawn:
        drawing.send(None)
    assert b"&lt;b&gt;" in drawn.value.value.body


async def test_one_that_is_not_is_drawn_all_the_same() -> None:
    response = await Site().page("failed.html", {"error": "<b>"}, 503)
    assert (response.status_code, b"&lt;b&gt;" in bytes(response.body)) == (503, True)
