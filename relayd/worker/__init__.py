"""
What a swarm process imports to be watched; it needs nothing of the relay's server.

    from relayd.worker.publisher import SwarmPublisher
"""
