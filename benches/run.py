"""Compares Freshet with DuckDB on the same files: CPU seconds of whole processes, in turn, median of three pairs.

Arguments: binary, events, names of benchmarks. Run by `cargo xtask bench`, with the Python that has DuckDB.
"""
import json, os, pathlib, resource, statistics, subprocess, sys, tempfile, time

BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING"
EVENTS = """CREATE TEMPORARY TABLE nexmark (event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>%s) WITH (%s);"""
TIME = """, `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND"""
VIEWS = """
CREATE TEMPORARY VIEW person AS SELECT person.id, person.name, person.city, person.state, `dateTime` FROM nexmark WHERE event_type = 0;
CREATE TEMPORARY VIEW auction AS SELECT auction.id, auction.seller, auction.category, `dateTime` FROM nexmark WHERE event_type = 1;
CREATE TEMPORARY VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.extra, `dateTime` FROM nexmark WHERE event_type = 2;
"""
# Per query: columns of the target, Flink SQL, DuckDB SQL over the same rows.
TUMBLE = "time_bucket(INTERVAL '10 seconds', \"dateTime\")"
QUERIES = {
    "q0": ("auction BIGINT, bidder BIGINT, price BIGINT, t TIMESTAMP(3), extra STRING",
           "SELECT auction, bidder, price, `dateTime`, extra FROM bid", "SELECT auction, bidder, price, \"dateTime\", extra FROM bid"),
    "q1": ("auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), t TIMESTAMP(3), extra STRING",
           "SELECT auction, bidder, 0.908 * price, `dateTime`, extra FROM bid", "SELECT auction, bidder, 0.908 * price, \"dateTime\", extra FROM bid"),
    "q2": ("auction BIGINT, price BIGINT", "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0", "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q3": ("name STRING, city STRING, state STRING, id BIGINT",
           "SELECT P.name, P.city, P.state, A.id FROM auction A JOIN person P ON A.seller = P.id WHERE A.category = 10 AND P.state IN ('OR', 'ID', 'CA')",
           "SELECT P.name, P.city, P.state, A.id FROM auction A JOIN person P ON A.seller = P.id WHERE A.category = 10 AND P.state IN ('OR', 'ID', 'CA')"),
    "q5": ("auction BIGINT, n BIGINT",
           """SELECT a.auction, a.num FROM (SELECT auction, COUNT(*) AS num, window_start AS s, window_end AS e FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) a
JOIN (SELECT MAX(num) AS maxn, s, e FROM (SELECT COUNT(*) AS num, window_start AS s, window_end AS e FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end) c GROUP BY s, e) m
ON a.s = m.s AND a.e = m.e AND a.num >= m.maxn""",
           """WITH w AS (SELECT auction, time_bucket(INTERVAL '2 seconds', "dateTime") - INTERVAL (i * 2) SECOND AS s, COUNT(*) AS num FROM bid, range(5) r(i) GROUP BY ALL)
SELECT w.auction, w.num FROM w JOIN (SELECT s, MAX(num) AS maxn FROM w GROUP BY s) m ON w.s = m.s AND w.num >= m.maxn"""),
    "q7": ("auction BIGINT, price BIGINT, bidder BIGINT, t TIMESTAMP(3)",
           """SELECT B.auction, B.price, B.bidder, B.`dateTime` FROM bid B JOIN (SELECT MAX(price) AS maxprice, window_end AS e FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end) B1
ON B.price = B1.maxprice WHERE B.`dateTime` BETWEEN B1.e - INTERVAL '10' SECOND AND B1.e""",
           f"""SELECT B.auction, B.price, B.bidder, B."dateTime" FROM bid B JOIN (SELECT MAX(price) AS maxprice, {TUMBLE} + INTERVAL '10 seconds' AS e FROM bid GROUP BY e) m
ON B.price = m.maxprice AND B."dateTime" BETWEEN m.e - INTERVAL '10 seconds' AND m.e"""),
    "q8": ("id BIGINT, name STRING, s TIMESTAMP(3)",
           """SELECT P.id, P.name, P.s FROM (SELECT id, name, window_start AS s, window_end AS e FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY id, name, window_start, window_end) P
JOIN (SELECT seller, window_start AS s, window_end AS e FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY seller, window_start, window_end) A ON P.id = A.seller AND P.s = A.s AND P.e = A.e""",
           f"""SELECT P.id, P.name, P.s FROM (SELECT DISTINCT id, name, {TUMBLE} AS s FROM person) P JOIN (SELECT DISTINCT seller, {TUMBLE} AS s FROM auction) A ON P.id = A.seller AND P.s = A.s"""),
}


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def freshet(binary, sql):
    work = tempfile.mkdtemp()
    job = pathlib.Path(work, "job.sql")
    job.write_text(sql.replace("$WORK", work))
    return cpu([binary, "run", str(job), "--data", work + "/state"])


def duckdb(sql):
    return cpu([sys.executable, "-c", "import duckdb,sys\nfor s in sys.argv[1].split(';'):\n  if s.strip(): duckdb.execute(s)", sql])


def pairs(name, ours, theirs, events):
    a, b = zip(*[(ours(), theirs()) for _ in range(3)])
    ratios = [x / y for x, y in zip(a, b)]
    print(f"{name:<8} {statistics.median(ratios):>6.2f} x DuckDB's CPU   {events / statistics.median(a) / 1e6:>6.2f} M events per CPU second   pairs {[round(r, 2) for r in ratios]}", flush=True)


def data(binary, events):
    folder = pathlib.Path(tempfile.gettempdir(), f"freshet-bench-{events}")
    if not (folder / "done").exists():
        source = EVENTS % ("", f"'connector' = 'nexmark', 'events.num' = '{events}'")
        sink = EVENTS.replace("nexmark", "copy") % ("", f"'connector' = 'filesystem', 'path' = '{folder}/events', 'format' = 'json', 'json.encode.ignore-null-fields' = 'true'")
        bids = f"CREATE TEMPORARY TABLE bids ({BID}) WITH ('connector' = 'filesystem', 'path' = '{folder}/bid', 'format' = 'json');"
        freshet(binary, source + sink + bids + "EXECUTE STATEMENT SET BEGIN INSERT INTO copy SELECT * FROM nexmark;"
                "INSERT INTO bids SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.`dateTime`, bid.extra FROM nexmark WHERE event_type = 2; END;")
        (folder / "done").touch()
    return folder


def main():
    binary, events, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    names = names or ["ingest", *QUERIES, "memory", "start"]
    folder = data(binary, events)
    struct = {"person": "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, dateTime TIMESTAMP, extra VARCHAR",
              "auction": "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR",
              "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, extra VARCHAR"}
    columns = "{event_type: 'INT', " + ", ".join(f"{k}: 'STRUCT({v})'" for k, v in struct.items()) + "}"
    read = f"read_json('{folder}/events/**', format='newline_delimited', columns={columns})"
    views = "".join(f"CREATE VIEW {k} AS SELECT unnest({k}) FROM {read} WHERE event_type = {i};" for i, k in enumerate(struct))
    files = EVENTS % (TIME, f"'connector' = 'filesystem', 'path' = '{folder}/events', 'format' = 'json'")
    memory = EVENTS % (TIME, f"'connector' = 'nexmark', 'events.num' = '{events}'")
    for name in names:
        if name == "ingest":
            sql = (f"CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://$WORK/lake'); CREATE DATABASE lake.d; CREATE TABLE lake.d.bids ({BID});"
                   f"CREATE TEMPORARY TABLE bid ({BID}) WITH ('connector' = 'filesystem', 'path' = '{folder}/bid', 'format' = 'json'); INSERT INTO lake.d.bids SELECT * FROM bid;")
            out = tempfile.mkdtemp()
            theirs = f"COPY (SELECT * FROM read_json('{folder}/bid/**', format='newline_delimited', columns={{" + ", ".join(f"{c.split()[0]}: '{c.split()[1]}'" for c in struct['bid'].split(', ')) + f"}})) TO '{out}/bids.parquet' (FORMAT parquet, COMPRESSION zstd)"
            pairs(name, lambda: freshet(binary, sql), lambda: duckdb(theirs), events * 46 // 50)
        elif name in QUERIES:
            target, ours, theirs = QUERIES[name]
            sink = f"CREATE TEMPORARY TABLE result ({target}) WITH ('connector' = 'blackhole');"
            out = tempfile.mkdtemp()
            pairs(name, lambda: freshet(binary, files + VIEWS + sink + f"INSERT INTO result {ours};"),
                  lambda: duckdb(views + f"COPY ({theirs}) TO '/dev/null' (FORMAT csv)"), events)
        elif name == "memory":
            for query, (target, ours, _) in QUERIES.items():
                sink = f"CREATE TEMPORARY TABLE result ({target}) WITH ('connector' = 'blackhole');"
                seconds = statistics.median(freshet(binary, memory + VIEWS + sink + f"INSERT INTO result {ours};") for _ in range(3))
                print(f"memory {query}  {events / seconds / 1e6:>6.2f} M events per CPU second", flush=True)
        elif name == "start":
            times = []
            for _ in range(9):
                begun = time.time()
                subprocess.run([binary, "sql", "-o", "tsv", "-c", "SELECT 1"], check=True, capture_output=True)
                times.append(time.time() - begun)
            print(f"start    {statistics.median(times) * 1000:.0f} ms to the row of SELECT 1, median of nine", flush=True)
        else:
            sys.exit(f"no benchmark named {name}")


main()
