"""What all pages have in common: the frame around them, who looks at them, and how errors are shown."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Request, Response

from diag.admin.dashboard.nodes import Nodes
from diag.admin.dashboard.site import Rest, Site
from diag.admin.roles import ANONYMOUS, CALLER, Caller, Role
from diag.errors import MetaError

Page = Callable[[Request], Awaitable[Response]]

#: The navigation: path and title.
NAVIGATION: Final = (
    ("/", "Cluster"),
    ("/ui/profile", "Profile"),
    ("/ui/profiles", "Kept profiles"),
    ("/ui/ranges", "Always on"),
    ("/ui/hot", "Hot"),
    ("/ui/threads", "Threads"),
    ("/ui/slow", "Slow"),
    ("/ui/doctor", "Doctor"),
    ("/debug/home", "API"),
)


class Shell:
    """One for all pages."""

    def __init__(self, nodes: Nodes, site: Site) -> None:
        self.site = site
        self._nodes = nodes

    async def page(
        self, request: Request, template: str, values: Mapping[str, Any], status: int = 200
    ) -> Response:
        """The page, offering what its reader may do."""
        return await self.site.page(template, self._common(request) | dict(values), status)

    async def gradual(self, request: Request, template: str, rest: Rest) -> Response:
        """The page's beginning at once, and the ``rest``, a template and its values, when it is there.

        An error of the rest stands in its place.
        """
        common = self._common(request)

        async def following() -> tuple[str, Mapping[str, Any]]:
            try:
                part, values = await rest()
            except MetaError as error:
                return "failed.html", {"error": str(error)}
            return part, common | dict(values)

        return await self.site.gradual(template, common, following)

    def _common(self, request: Request) -> dict[str, Any]:
        caller: Caller = request.scope.get(CALLER, ANONYMOUS)
        return {
            "own": self._nodes.own(),
            "members": self._nodes.members(),
            "navigation": NAVIGATION,
            "path": request.url.path,
            "caller": caller,
            "may_profile": (caller.role or 0) >= Role.PROFILE,
            "may_admin": (caller.role or 0) >= Role.ADMIN,
        }

    def told(self, page: Page) -> Page:
        """``page``, and its errors as a page of their own."""

        async def answered(request: Request) -> Response:
            try:
                return await page(request)
            except MetaError as error:
                return await self.page(request, "error.html", {"error": str(error)}, error.http_status)

        return answered
