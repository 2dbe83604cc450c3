"""An asyncio client: follow a project with resume and fallback, publish over HTTP, ask the admin listener."""
