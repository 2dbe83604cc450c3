"""The relay itself: the way in, the way out, and who comes in.  asyncio and nobody's library."""
