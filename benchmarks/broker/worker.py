"""One worker process of a system: ``python -m benchmarks.broker.worker SYSTEM URL``."""

import sys
import time

from dramatiq import Worker

from benchmarks.broker.systems import GO, READY, connect


def main() -> None:
    end = connect(sys.argv[1], sys.argv[2])
    worker = Worker(end.broker, worker_threads=end.system.threads, worker_timeout=end.system.worker_timeout_ms)
    end.redis.rpush(READY, "1")
    end.redis.blpop([GO], timeout=60)
    worker.start()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
