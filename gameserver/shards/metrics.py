"""What the shards count. One instance a node, passed in. Plain integers where each commit counts."""

from arena import metrics


class ShardMetrics:
    """Counters and histograms of all shards of a node."""

    def __init__(self) -> None:
        self.commit_seconds = metrics.plain_histogram(
            "arena_commit_seconds",
            "From draining a tick's inputs to the confirmation of its commit.",
            buckets=(0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
        )
        self.commits = metrics.plain_counter("arena_commits_total", "Records confirmed.")
        self.record_bytes = metrics.plain_counter("arena_record_bytes_total", "Bytes of records confirmed.")
        self.inputs = metrics.plain_counter("arena_inputs_total", "Inputs applied.")
        self.refusals = metrics.counter("arena_refusals_total", "Commands refused.", labels=("code",))
        self.mail_full = metrics.counter("arena_mail_full_total", "Inputs refused because a room's mail was full.")
        self.in_doubt = metrics.counter("arena_commits_in_doubt_total", "Times the store was lost or silent.")
        self.fenced = metrics.counter("arena_fenced_total", "Shards dropped because another node owns them.")
        self.diverged = metrics.counter("arena_diverged_total", "Times the store had lost history of an owned shard.")
        self.healed = metrics.counter("arena_healed_total", "Shards whose lost tail was given back to the store.")
        self.refounded = metrics.counter("arena_refounded_total", "Shards founded again from their owner's memory.")
        self.faults = metrics.counter("arena_room_faults_total", "Faults of ours inside a room.", labels=("where",))
        self.quarantined = metrics.counter("arena_rooms_quarantined_total", "Rooms stopped by a fault of ours.")
        self.adopted = metrics.counter("arena_shards_adopted_total", "Shards claimed and recovered.")
        self.overruns = metrics.counter("arena_tick_overruns_total", "Ticks that began later than their period.")
        self.shards = metrics.gauge("arena_shards", "Shards this node owns.")
        self.rooms = metrics.gauge("arena_rooms", "Rooms this node runs.")
        self.timelines = metrics.counter(
            "arena_lost_timelines_total", "Clients that had been told a commit which their room's owner does not have."
        )
        self.frozen = metrics.counter("arena_frozen_total", "Confirmations held back because the lease was stale.")
