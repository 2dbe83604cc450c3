"""LangGraph, watched: `graph.ainvoke(…, {"callbacks": [Watched(project)]})`; each node is an agent at work."""

from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler

from relayd.worker.scopes import AgentScope, ProjectScope


class Watched(AsyncCallbackHandler):
    def __init__(self, project: ProjectScope) -> None:
        self.project = project
        self.agents: dict[UUID, AgentScope] = {}

    async def on_chain_start(self, _graph: Any, _inputs: Any, *, run_id: UUID, **more: Any) -> None:
        node = (more.get("metadata") or {}).get("langgraph_node")
        if node and node == more.get("name"):
            self.agents[run_id] = await self.project.agent(node).__aenter__()

    async def on_chain_end(self, _outputs: Any, *, run_id: UUID, **_: Any) -> None:
        if agent := self.agents.pop(run_id, None):
            await agent.__aexit__(None, None, None)

    async def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        if agent := self.agents.pop(run_id, None):
            await agent.__aexit__(type(error), error, None)

    async def on_tool_start(self, tool: dict[str, Any], _text: str, **more: Any) -> None:
        await self.project.log(f"uses {tool['name']}", agent=more["metadata"].get("langgraph_node"))
