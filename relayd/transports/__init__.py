"""How viewers are reached: WebSocket, SSE and long poll, all from one cursor."""
