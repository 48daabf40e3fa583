"""The pages' routes. They only read: what changes something, the script asks of the API's own routes."""

from fastapi import APIRouter, Response

from diag.admin.dashboard.asking import Asking
from diag.admin.dashboard.kept_pages import KeptPages
from diag.admin.dashboard.looks import Looks
from diag.admin.dashboard.overview_page import OverviewPage
from diag.admin.dashboard.shell import Shell
from diag.admin.methods import READ


def router(shell: Shell, overview: OverviewPage, asking: Asking) -> APIRouter:
    """``/``, what is under ``/ui``, and the list of the API's routes."""
    kept, looks = KeptPages(shell, asking), Looks(shell, asking)
    pages = {
        "/": overview.cluster,
        "/ui/charts": overview.charts,
        "/ui/profile": kept.take,
        "/ui/profiles": kept.listing,
        "/ui/profiles/{key}": kept.one,
        "/ui/diff": kept.diff,
        "/ui/ranges": looks.ranges,
        "/ui/doctor": looks.doctor,
        "/ui/slow": looks.slow,
        "/debug/home": overview.api,
        "/debug/pprof/": overview.api,
        "/debug/pprof": overview.api,
    }
    routes = APIRouter(include_in_schema=False)
    for path, page in pages.items():
        routes.add_api_route(path, shell.told(page), methods=READ, response_model=None)
    for path, page in (("/ui/hot", looks.hot), ("/ui/threads", looks.threads)):
        routes.add_api_route(path, shell.told(page), methods=["GET"], response_model=None)
    routes.add_api_route("/ui/events", overview.events, methods=["GET"], response_model=None)

    @routes.api_route("/ui/assets/{name}", methods=READ)
    async def asset(name: str) -> Response:
        return shell.site.asset(name)

    return routes
