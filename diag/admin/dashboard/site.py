"""Pages from templates, and the files that they load, all from here: nothing comes from elsewhere.

The template engine is loaded, and templates are compiled, away from the event loop and before a reader waits
for it: on a busy node that takes longer than all the rest of a first page.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from diag.errors import NotFound

if TYPE_CHECKING:
    from jinja2 import Environment

#: Nothing inline, nothing from elsewhere; pictures are framed, each under a policy of its own.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_HTML: Final = "text/html; charset=utf-8"
#: Where a gradual page waits. No value can be it: each is escaped.
REST: Final = "<!--rest-->"
#: What is there in its place: a template and its values.
Rest = Callable[[], Awaitable[tuple[str, Mapping[str, Any]]]]
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
_HERE: Final = Path(__file__).parent
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Site:
    """Made once; reads its files when they are first wanted."""

    def __init__(self) -> None:
        self._environment: asyncio.Task[Environment] | None = None
        self._compiled: set[str] = set()

    async def prepare(self) -> None:
        """Compile every template; a page that is asked for meanwhile compiles its own."""
        environment = await self._loaded()
        for template in environment.list_templates():
            await asyncio.to_thread(environment.get_template, template)
            self._compiled.add(template)

    async def page(
        self,
        template: str,
        values: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The page ``template`` with ``values``, each of them text and never markup."""
        content = await self._draw(template, values)
        return Response(content, status, media_type=_HTML, headers={**_HEADERS, **(headers or {})})

    async def gradual(self, template: str, values: Mapping[str, Any], rest: Rest) -> Response:
        """The page ``template`` up to its ``REST`` at once; what belongs there, and the end, once known."""

        async def parts() -> AsyncIterator[str]:
            before, _, after = (await self._draw(template, values)).partition(REST)
            yield before
            yield await self._draw(*await rest()) + after

        return _InParts(parts(), media_type=_HTML, headers=_HEADERS)

    def asset(self, name: str) -> Response:
        """A file that pages load. NotFound for any other name."""
        content = self._assets.get(name)
        if content is None:
            raise NotFound(f"There is no file {name!r} here; there are {', '.join(self._assets)}.")
        return Response(content, headers={"Content-Type": _TYPES[Path(name).suffix], **_KEPT})

    async def _draw(self, template: str, values: Mapping[str, Any]) -> str:
        environment = await self._loaded()
        draw = partial(_drawn, environment, template, values)
        # The first time compiles it, and what it includes.
        content = draw() if template in self._compiled else await asyncio.to_thread(draw)
        self._compiled.add(template)
        return content

    async def _loaded(self) -> "Environment":
        if self._environment is None:
            self._environment = asyncio.create_task(asyncio.to_thread(_environment, self.stamp))
        return await asyncio.shield(self._environment)

    @cached_property
    def stamp(self) -> str:
        """Names the files' content, so that a browser asks again for those of another version."""
        return hashlib.sha256(b"".join(self._assets.values())).hexdigest()[:12]

    @cached_property
    def _assets(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((_HERE / "assets").iterdir())}


class _InParts(StreamingResponse):
    """A page whose end is near: nobody looks whether its reader goes first, which takes much to be loaded."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


@cache  # what is compiled serves every app of a process
def _environment(stamp: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["stamp"] = stamp
    return environment


def _drawn(environment: "Environment", template: str, values: Mapping[str, Any]) -> str:
    return environment.get_template(template).render(values)
