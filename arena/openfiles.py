"""How many files and sockets this process may have open: as many as it needs, if the machine allows."""

import resource

from arena import logs

_log = logs.get("openfiles")


def allow_open_files(wanted: int) -> int:
    """Raise this process's soft limit to ``wanted``, at most to the hard limit; return what it is then.

    The usual soft limit of 1,024 would end at 1,024 players. Less than wanted is told in the log, with what to do.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft != resource.RLIM_INFINITY and soft < wanted:
        _log.warning("open_files_limited", limit=soft, wanted=wanted, remedy="ulimit -Hn, or LimitNOFILE= of systemd")
    return wanted if soft == resource.RLIM_INFINITY else soft
