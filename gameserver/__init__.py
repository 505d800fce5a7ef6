"""The authoritative game server: pure rules and rooms inside, a shell of shards and sockets around them."""
