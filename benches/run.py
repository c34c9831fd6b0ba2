"""Compares Freshet with DuckDB, DataFusion and its own ceilings on the same rows: CPU seconds of whole processes, in turn,
median of three rounds. Run by `cargo xtask bench`, with the Python that has the peers.

Arguments: binary of freshet, binary of freshet-benches, events, names of benchmarks. FRESHET_BENCH_KAFKA: a broker's address.
"""
import os, pathlib, resource, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).parent / "nexmark"
NAMES = ["q0", "q1", "q2", "q3", "q5", "q7", "q8"]
BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING"
STRUCTS = {
    "person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, dateTime TIMESTAMP, extra VARCHAR",
    "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR",
    "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, extra VARCHAR",
}


def fields(struct):
    return [field.split() for field in struct.split(", ")]


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def freshet(binary, sql, **variables):
    """CPU of a job; its state goes into a folder of its own, ${WORK} in the text."""
    with tempfile.TemporaryDirectory() as work:
        job = pathlib.Path(work, "job.sql")
        job.write_text(sql)
        given = [f"--var={name}={value}" for name, value in {"WORK": work, **variables}.items()]
        return cpu([binary, "run", str(job), "--data", work + "/state", *given])


def query(binary, name, connector):
    sql = (HERE / "events.sql").read_text() + (HERE / f"{name}.sql").read_text()
    return freshet(binary, sql, WITH=connector, SINK="blackhole")


# The peers give their rows as Arrow batches that are let go, as the sink `blackhole` does.
def duckdb(events, name):
    columns = "{event_type: 'INT', " + ", ".join(f"{k}: 'STRUCT({v})'" for k, v in STRUCTS.items()) + "}"
    read = f"read_json('{events}/**', format='newline_delimited', columns={columns})"
    views = [f"CREATE VIEW {k} AS SELECT unnest({k}) FROM {read} WHERE event_type = {i}" for i, k in enumerate(STRUCTS)]
    script = "import duckdb, sys\nfor s in sys.argv[1:-1]: duckdb.execute(s)\nfor b in duckdb.execute(sys.argv[-1]).fetch_record_batch(8192): pass"
    return cpu([sys.executable, "-c", script, *views, (HERE / f"{name}.batch.sql").read_text()])


def datafusion(events, name):
    struct = ", ".join(f'{k} STRUCT<{", ".join(f"{chr(34)}{c}{chr(34)} {t}" for c, t in fields(v))}>' for k, v in STRUCTS.items())
    table = f"CREATE EXTERNAL TABLE events (event_type INT, {struct}) STORED AS JSON LOCATION '{events}/'"
    views = [
        f"CREATE VIEW {k} AS SELECT " + ", ".join(f"{k}['{c}'] AS \"{c}\"" for c, _ in fields(v)) + f" FROM events WHERE event_type = {i}"
        for i, (k, v) in enumerate(STRUCTS.items())
    ]
    batch = (HERE / f"{name}.batch.sql").read_text().replace("time_bucket(", "date_bin(")
    script = "import datafusion, sys\nc = datafusion.SessionContext()\nfor s in sys.argv[1:-1]: c.sql(s)\nfor b in c.sql(sys.argv[-1]).execute_stream(): pass"
    return cpu([sys.executable, "-c", script, table, *views, batch])


def compare(name, events, ours, *peers):
    """Prints our CPU over that of each peer."""
    rounds = [(ours(), [theirs() for _, theirs in peers]) for _ in range(3)]
    ratios = []
    for i, (peer, _) in enumerate(peers):
        each = [a / b[i] for a, b in rounds]
        ratios.append(f"{statistics.median(each):>5.2f} x {peer} {[round(r, 2) for r in each]}")
    rate = events / statistics.median([a for a, _ in rounds]) / 1e6
    print(f"{name:<8} {rate:>6.2f} M events per CPU second   {'   '.join(ratios)}", flush=True)


def data(binary, events):
    """Makes the files once: all events, and the bids alone."""
    folder = pathlib.Path(tempfile.gettempdir(), f"freshet-bench-{events}")
    if (folder / "done").exists():
        return folder
    copy = f"CREATE TEMPORARY TABLE copy (event_type INT, {', '.join(f'{k} ROW<{rows(v)}>' for k, v in STRUCTS.items())})"
    bids = f"CREATE TEMPORARY TABLE bids ({BID}) WITH ('connector' = 'filesystem', 'path' = '{folder}/bid', 'format' = 'json')"
    sql = (HERE / "events.sql").read_text() + (
        f"{copy} WITH ('connector' = 'filesystem', 'path' = '{folder}/events', 'format' = 'json', 'json.encode.ignore-null-fields' = 'true'); {bids};"
        "EXECUTE STATEMENT SET BEGIN INSERT INTO copy SELECT event_type, person, auction, bid FROM nexmark;"
        "INSERT INTO bids SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.`dateTime`, bid.extra FROM nexmark WHERE event_type = 2; END;"
    )
    freshet(binary, sql, WITH=f"'connector' = 'nexmark', 'events.num' = '{events}'")
    (folder / "done").touch()
    return folder


def rows(struct):
    return ", ".join(f"`{c}` {t.replace('VARCHAR', 'STRING').replace('TIMESTAMP', 'TIMESTAMP(3)')}" for c, t in fields(struct))


def kafka(binary, folder, events):
    """A topic with all events, made once per broker."""
    broker = os.environ["FRESHET_BENCH_KAFKA"]
    topic = f"'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '{broker}', 'format' = 'json'"
    copy = f"CREATE TEMPORARY TABLE copy (event_type INT, {', '.join(f'{k} ROW<{rows(v)}>' for k, v in STRUCTS.items())}) WITH ({topic}, 'json.encode.ignore-null-fields' = 'true');"
    freshet(binary, (HERE / "events.sql").read_text() + copy + "INSERT INTO copy SELECT event_type, person, auction, bid FROM nexmark;",
            WITH=f"'connector' = 'filesystem', 'path' = '{folder}/events', 'format' = 'json'")
    return f"{topic}, 'properties.group.id' = 'bench', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"


def main():
    binary, parts, events, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    folder = data(binary, events)
    files = f"'connector' = 'filesystem', 'path' = '{folder}/events', 'format' = 'json'"
    topic = None
    for name in names:
        out = tempfile.mkdtemp()
        if name == "ingest":
            sql = (f"CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://${{WORK}}/lake'); CREATE DATABASE lake.d; CREATE TABLE lake.d.bids ({BID});"
                   f"CREATE TEMPORARY TABLE bid ({BID}) WITH ('connector' = 'filesystem', 'path' = '{folder}/bid', 'format' = 'json'); INSERT INTO lake.d.bids SELECT * FROM bid;")
            columns = ", ".join(f"{c}: '{t}'" for c, t in fields(STRUCTS["bid"]))
            theirs = f"COPY (SELECT * FROM read_json('{folder}/bid/**', format='newline_delimited', columns={{{columns}}})) TO '{out}/bids.parquet' (FORMAT parquet, COMPRESSION zstd)"
            compare(name, events * 46 // 50, lambda: freshet(binary, sql),
                    ("DuckDB", lambda: cpu([sys.executable, "-c", "import duckdb, sys; duckdb.execute(sys.argv[1])", theirs])),
                    ("decode and encode alone", lambda: cpu([parts, "loop", f"{folder}/bid", f"{out}/loop.parquet"])))
        elif name in NAMES:
            compare(name, events, lambda: query(binary, name, files),
                    ("DuckDB", lambda: duckdb(f"{folder}/events", name)), ("DataFusion", lambda: datafusion(f"{folder}/events", name)))
        elif name == "memory":
            for q in NAMES:
                compare(f"{q} memory", events, lambda: query(binary, q, f"'connector' = 'nexmark', 'events.num' = '{events}'"))
        elif name == "kafka":
            topic = topic or kafka(binary, folder, events)
            for q in NAMES:
                compare(f"{q} kafka", events, lambda: query(binary, q, topic), ("files", lambda: query(binary, q, files)))
        elif name == "start":
            times = []
            for _ in range(9):
                begun = time.time()
                subprocess.run([binary, "sql", "-o", "tsv", "-c", "SELECT 1"], check=True, capture_output=True)
                times.append(time.time() - begun)
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
            print(f"start    {statistics.median(times) * 1000:.0f} ms to the row of SELECT 1, median of nine; the largest process so far took {memory} MB", flush=True)
        elif name == "engine":
            subprocess.run([parts, "engine", str(events)], check=True)
        elif name == "epoch":
            subprocess.run([parts, "epoch", "5000"], check=True)
        else:
            sys.exit(f"no benchmark named {name}")


main()
