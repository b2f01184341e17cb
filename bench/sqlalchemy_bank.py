"""The Python tutorial's transfer: SQLAlchemy's ORM on psycopg2, retried as run_transaction does.

sqlalchemy-cockroachdb brings run_transaction and a dialect. Here the loop is written out on
SQLAlchemy's own dialect for PostgreSQL, so that the packages of a Linux distribution will do.
Each worker is a thread, and Python's interpreter lock lets only one of them run at a time.
"""

import argparse
import os
import random
import sys
import threading
import time

DEBIAN = "/usr/bin/python3"

try:
    from sqlalchemy import BigInteger, Column, create_engine, text
    from sqlalchemy.dialects.postgresql.base import PGDialect
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.orm import declarative_base, sessionmaker
except ImportError as missing:
    # Another Python may come first on the PATH than the one that Debian's packages are for.
    if os.path.exists(DEBIAN) and sys.executable != DEBIAN:
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    sys.exit(str(missing))

# What sqlalchemy-cockroachdb changes in its dialect, as far as this program needs it: the version,
# which PostgreSQL's dialect cannot read, and the one savepoint that a transaction can restart from.
PGDialect._get_server_version_info = lambda dialect, connection: (13, 0)
PGDialect.do_savepoint = lambda dialect, connection, name: connection.execute(
    text("SAVEPOINT cockroach_restart")
)
PGDialect.do_rollback_to_savepoint = lambda dialect, connection, name: connection.execute(
    text("ROLLBACK TO SAVEPOINT cockroach_restart")
)
PGDialect.do_release_savepoint = lambda dialect, connection, name: connection.execute(
    text("RELEASE SAVEPOINT cockroach_restart")
)

Base = declarative_base()


class Account(Base):
    """A row of the table accounts."""

    __tablename__ = "accounts"
    id = Column(BigInteger, primary_key=True)
    balance = Column(BigInteger)


def transfer_funds(session, source_id, target_id):
    """Transfers half of the source's balance."""
    source = session.query(Account).filter_by(id=source_id).one()
    target = session.query(Account).filter_by(id=target_id).one()
    amount = source.balance // 2
    source.balance -= amount
    target.balance += amount


def run_transaction(make_session, work):
    """Commits the work, and repeats it inside the savepoint; returns how often it was repeated."""
    failed_attempts = 0
    with make_session.begin() as session:
        while True:
            try:
                with session.begin_nested():
                    work(session)
                return failed_attempts
            except DBAPIError as error:
                if error.orig.pgcode != "40001":
                    raise
                failed_attempts += 1


class Worker(threading.Thread):
    """Makes transfers until the time is over."""

    def __init__(self, make_session, account_ids, end):
        super().__init__()
        self.make_session = make_session
        self.account_ids = account_ids
        self.end = end
        self.latencies = []
        self.failed_attempts = 0
        self.error = None

    def run(self):
        try:
            while time.perf_counter() < self.end:
                self.transfer()
        except Exception as error:  # raised by the main thread
            self.error = error

    def transfer(self):
        source, target = random.sample(self.account_ids, 2)
        before = time.perf_counter()
        self.failed_attempts += run_transaction(
            self.make_session, lambda session: transfer_funds(session, source, target)
        )
        self.latencies.append(time.perf_counter() - before)


def connect(port, workers):
    """Creates sessions on a pool of open connections, one for each worker of this port."""
    engine = create_engine(
        f"postgresql+psycopg2://maxroach@localhost:{port}/bank",
        pool_size=workers,
        connect_args={
            "sslmode": "disable",
            "options": "-c default_transaction_isolation=serializable",
        },
    )
    for connection in [engine.connect() for _ in range(workers)]:
        connection.close()
    return sessionmaker(engine)


def measure(sessions, account_ids, workers, seconds):
    """Lets the workers transfer, and returns the line that the benchmark reads."""
    cpu = time.process_time()
    start = time.perf_counter()
    threads = [
        Worker(sessions[i % len(sessions)], account_ids, start + seconds) for i in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        if thread.error:
            raise thread.error
    took = time.perf_counter() - start
    cpu = time.process_time() - cpu
    latencies = sorted(latency for thread in threads for latency in thread.latencies)
    p99 = 1000 * latencies[int(0.99 * len(latencies))] if latencies else float("nan")
    failed_attempts = sum(thread.failed_attempts for thread in threads)
    return f"{len(latencies)} {failed_attempts} {took:.6f} {p99:.3f} {cpu:.3f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", required=True)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()

    ports = options.ports.split(",")
    sessions = [connect(port, -(-options.workers // len(ports))) for port in ports]
    account_ids = [(i + 1) * 1_000_000_007 for i in range(options.accounts)]
    measure(sessions, account_ids, options.workers, options.warm_up)
    print("ready", flush=True)
    sys.stdin.readline()
    print(measure(sessions, account_ids, options.workers, options.seconds), flush=True)
    sys.stdin.read()


main()
