"""One worker process of a system: ``python -m benchmarks.broker.worker SYSTEM URL``."""

import sys

from benchmarks.broker.pool import connect
from benchmarks.broker.systems import GO, READY


def main() -> None:
    end = connect(sys.argv[1], sys.argv[2])
    end.redis.rpush(READY, "1")
    end.redis.blpop([GO], timeout=60)
    end.work()


if __name__ == "__main__":
    main()
