"""The tutorial's own way: the ORM of SQLAlchemy on psycopg2, in a savepoint that is tried again.

Each worker is a thread, as in most Python programs, so Python's global interpreter lock lets only
one of them run Python at a time. It writes no ledger.
"""

import argparse
import json
import os
import random
import sys
import threading
import time

DEBIAN = "/usr/bin/python3"

try:
    import psycopg2.errorcodes
    from sqlalchemy import BigInteger, Column, create_engine
    from sqlalchemy.engine import URL
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import declarative_base, sessionmaker
except ImportError as missing:
    # Another Python may come first on PATH than the one that Debian's packages are for.
    if os.path.exists(DEBIAN) and sys.executable != DEBIAN:
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    print(missing, file=sys.stderr)
    sys.exit(3)

ROLLED_BACK = (
    psycopg2.errorcodes.SERIALIZATION_FAILURE,
    psycopg2.errorcodes.DEADLOCK_DETECTED,
)

Base = declarative_base()


class Account(Base):
    """A row of the table accounts."""

    __tablename__ = "accounts"
    id = Column(BigInteger, primary_key=True)
    balance = Column(BigInteger)


def move_half(session, source_id, target_id):
    """Moves half of the source's balance."""
    source = session.query(Account).filter_by(id=source_id).one()
    target = session.query(Account).filter_by(id=target_id).one()
    amount = source.balance // 2
    source.balance -= amount
    target.balance += amount


def run_transaction(make_session, work):
    """Commits the work, at once again where it was rolled back; returns how often it was."""
    failed = 0
    while True:
        try:
            with make_session.begin() as session, session.begin_nested():
                work(session)
            return failed
        except DBAPIError as error:
            # PostgreSQL keeps the old snapshot in a savepoint, so the whole transaction goes.
            if error.orig.pgcode not in ROLLED_BACK:
                raise
            failed += 1


class Worker(threading.Thread):
    """Makes transfers until the time is over."""

    def __init__(self, make_session, ids, start_together, seconds):
        super().__init__()
        self.make_session = make_session
        self.ids = ids
        self.start_together = start_together
        self.seconds = seconds
        self.latencies = []
        self.retries = 0
        self.error = None

    def run(self):
        try:
            self.start_together.wait()
            end = time.perf_counter() + self.seconds
            while time.perf_counter() < end:
                self.transfer()
        except Exception as error:  # told by the main thread
            self.error = error

    def transfer(self):
        source, target = random.sample(self.ids, 2)
        before = time.perf_counter()
        self.retries += run_transaction(
            self.make_session, lambda session: move_half(session, source, target)
        )
        self.latencies.append(time.perf_counter() - before)


def connect(options):
    """Makes sessions on a pool with a connection for each worker, all of them open."""
    engine = create_engine(
        URL.create(
            "postgresql+psycopg2", "maxroach", None, "localhost", options.port, options.database
        ),
        pool_size=options.workers,
        connect_args={
            "sslmode": "disable",
            "application_name": "sqlalchemy_bank",
            "options": "-c default_transaction_isolation=serializable",
        },
    )
    for connection in [engine.connect() for _ in range(options.workers)]:
        connection.close()
    return sessionmaker(engine)


def percentile(ordered, part):
    """The milliseconds that such a part of the sorted seconds did not exceed."""
    return 1000 * ordered[max(0, min(len(ordered) - 1, int(part * len(ordered))))]


def measure(make_session, ids, count, seconds):
    """Lets the workers make transfers; returns them, the seconds and the CPU seconds it took."""
    start_together = threading.Barrier(count + 1)
    workers = [Worker(make_session, ids, start_together, seconds) for _ in range(count)]
    for worker in workers:
        worker.start()
    cpu = time.process_time()
    start = time.perf_counter()
    start_together.wait()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - start
    for worker in workers:
        if worker.error:
            raise worker.error
    return workers, took, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--warm-up", type=float, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()

    make_session = connect(options)
    with make_session() as session:
        ids = [row.id for row in session.query(Account.id)]
    if options.warm_up > 0:
        measure(make_session, ids, options.workers, options.warm_up)
    workers, seconds, cpu = measure(make_session, ids, options.workers, options.seconds)

    latencies = sorted(latency for worker in workers for latency in worker.latencies)
    print(
        json.dumps(
            {
                "committed": len(latencies),
                "retries": sum(worker.retries for worker in workers),
                "seconds": round(seconds, 6),
                "p50Milliseconds": round(percentile(latencies, 0.5), 3),
                "p99Milliseconds": round(percentile(latencies, 0.99), 3),
                "longestMilliseconds": round(percentile(latencies, 1), 3),
                "cpuSeconds": round(cpu, 3),
            }
        )
    )


main()
