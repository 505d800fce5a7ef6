"""The shell around rooms: shards, their tick, their commits, who is told what and when (COMMIT.md).

A shard is owned by one node at a time. Its tick drains mail into rooms, journals what came in with one commit,
and tells members only what that commit made durable.
"""
