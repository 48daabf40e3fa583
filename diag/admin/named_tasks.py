"""Names the task of each HTTP request by it, so that profiles and stacks say what is served."""

from starlette.types import ASGIApp, Receive, Scope, Send

from diag.profilers.labels import name_task


class NamedTasks:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name_task(f"{scope['method']} {scope['path']}")
        await self._app(scope, receive, send)
