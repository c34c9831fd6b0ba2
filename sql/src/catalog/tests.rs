//! Names, definitions and what is wrong with them, against connectors and a lake made up here.

use super::external::{CatalogFactory, ExternalTable, ExternalTableDefinition, TableVersion};
use super::*;
use crate::parse::{Statement, parse_script};
use datafusion::catalog::TableProvider;
use freshet_connector_api::connector::{Console, MetadataColumn};
use freshet_connector_api::{Connector, Sink, Source};
use freshet_types::{OptionKind, OptionSpec, SqlField, SqlType, VirtualClock};
use std::sync::Mutex;

struct Queue;

impl Connector for Queue {
    fn name(&self) -> &'static str {
        "queue"
    }
    fn doc(&self) -> &'static str {
        "a queue"
    }
    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[
            OptionSpec::required("topic", OptionKind::Text, "what is read"),
            OptionSpec::optional("properties.*", OptionKind::Text, "passed on"),
            OptionSpec::optional("startup", OptionKind::OneOf(&["first", "last"]), "where to begin"),
        ];
        OPTIONS
    }
    fn metadata(&self) -> Vec<MetadataColumn> {
        let column = |key, sql_type| MetadataColumn { key, sql_type, read_only: true, doc: "" };
        vec![column("offset", SqlType::BigInt), column("timestamp", SqlType::TimestampLtz(3))]
    }
    fn upgrade_options(&self, options: &mut Options) -> Vec<String> {
        match options.remove("queue-name") {
            Some(topic) => {
                options.set("topic", topic);
                vec!["'queue-name' is an old spelling of 'topic'".to_string()]
            }
            None => Vec::new(),
        }
    }
}

struct Print;

impl Connector for Print {
    fn name(&self) -> &'static str {
        "print"
    }
    fn doc(&self) -> &'static str {
        "prints"
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
}

/// A lake in memory.
#[derive(Default)]
struct Lake(Mutex<BTreeMap<String, BTreeMap<String, ExternalTableDefinition>>>);

struct LakeTable(ExternalTableDefinition);

impl ExternalTable for LakeTable {
    fn definition(&self) -> ExternalTableDefinition {
        self.0.clone()
    }
    fn at(&self, _: &TableVersion) -> Result<Arc<dyn ExternalTable>> {
        unreachable!("nobody asks for another version")
    }

    fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        Err(Error::internal("test", "not read here"))
    }
    fn source(&self, _: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Err(Error::internal("test", "not read here"))
    }
    fn sink(&self, _: &Options, _: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Err(Error::internal("test", "not written here"))
    }
}

impl ExternalCatalog for Lake {
    fn databases(&self) -> Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
    fn create_database(&self, name: &str, _: &Options) -> Result<()> {
        self.0.lock().unwrap().insert(name.to_string(), BTreeMap::new());
        Ok(())
    }
    fn drop_database(&self, name: &str, _: bool) -> Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
    fn tables(&self, database: &str) -> Result<Vec<String>> {
        Ok(self.0.lock().unwrap().get(database).map(|d| d.keys().cloned().collect()).unwrap_or_default())
    }
    fn table(&self, database: &str, name: &str) -> Result<Option<Arc<dyn ExternalTable>>> {
        let lake = self.0.lock().unwrap();
        let found = lake.get(database).and_then(|d| d.get(name)).cloned();
        Ok(found.map(|definition| Arc::new(LakeTable(definition)) as Arc<dyn ExternalTable>))
    }
    fn create_table(&self, database: &str, name: &str, definition: &ExternalTableDefinition) -> Result<()> {
        let mut lake = self.0.lock().unwrap();
        lake.get_mut(database).unwrap().insert(name.to_string(), definition.clone());
        Ok(())
    }
    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        self.0.lock().unwrap().get_mut(database).unwrap().remove(name);
        Ok(())
    }
}

struct LakeFactory;

impl CatalogFactory for LakeFactory {
    fn kind(&self) -> &'static str {
        "iceberg"
    }
    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[OptionSpec::required("warehouse", OptionKind::Text, "where it lies")];
        OPTIONS
    }
    fn open(&self, _: &str, _: &Options, _: &ConnectorEnv) -> Result<Arc<dyn ExternalCatalog>> {
        let lake = Lake::default();
        lake.create_database("first", &Options::default())?;
        Ok(Arc::new(lake))
    }
}

struct NoConsole;

impl Console for NoConsole {
    fn write(&self, _: &str) {}
}

fn catalog_over(lake: Option<Arc<Lake>>) -> Catalog {
    let env = ConnectorEnv {
        state_dir: "/nowhere".into(),
        clock: Arc::new(VirtualClock::default()),
        console: Arc::new(NoConsole),
        time_zone: "UTC".to_string(),
    };
    let mut catalog = Catalog::new(ConnectorRegistry::new([&Queue as &'static dyn Connector, &Print]), env);
    catalog.add_factory(&LakeFactory);
    if let Some(lake) = lake {
        catalog.set_lake("lake", lake);
    }
    catalog
}

fn catalog() -> Catalog {
    catalog_over(Some(Arc::default()))
}

/// Executes the statements that only touch the catalog.
fn run(catalog: &mut Catalog, script: &str) -> Result<Vec<String>> {
    let mut notices = Vec::new();
    for parsed in parse_script(script)? {
        match parsed.statement {
            Statement::CreateTable(create) if create.as_select.is_some() => {
                let columns = [SqlField::new("a", SqlType::Int).not_null(), SqlField::new("b", SqlType::STRING)];
                notices.extend(catalog.create_table_as(&create, &columns)?);
            }
            Statement::CreateTable(create) => notices.extend(catalog.create_table(&create)?),
            Statement::CreateView(create) => notices.extend(catalog.create_view(&create)?),
            Statement::DropTable(drop) => catalog.drop_table(&drop)?,
            Statement::DropView(drop) => catalog.drop_view(&drop)?,
            Statement::AlterTable { name, if_exists, actions } => {
                notices.extend(catalog.alter_table(&name, if_exists, &actions)?);
            }
            Statement::RenameView { name, to } => catalog.rename_view(&name, &to)?,
            Statement::CreateCatalog { name, if_not_exists, comment, options } => {
                catalog.create_catalog(&name, if_not_exists, comment, &options)?;
            }
            Statement::DropCatalog { name, if_exists } => catalog.drop_catalog(&name, if_exists)?,
            Statement::CreateDatabase { name, if_not_exists, comment, options } => {
                catalog.create_database(&name, if_not_exists, comment, &options)?;
            }
            Statement::DropDatabase { name, if_exists, cascade } => catalog.drop_database(&name, if_exists, cascade)?,
            Statement::UseCatalog(name) => catalog.use_catalog(&name)?,
            Statement::UseDatabase(name) => catalog.use_database(&name)?,
            Statement::Describe { name, .. } => {
                catalog.describe(&name)?;
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(notices)
}

fn resolve(catalog: &Catalog, name: &str) -> String {
    match catalog.resolve(&name.split('.').map(String::from).collect::<Vec<_>>()) {
        Ok(found) => format!("{found:?}"),
        Err(e) => format!("{}: {e}", e.code()),
    }
}

fn show(catalog: &Catalog, name: &str) -> String {
    catalog.show_create_table(&[name.to_string()]).unwrap()
}

const ORDERS: &str = "CREATE TABLE orders (id BIGINT, price DECIMAL(10, 2) COMMENT 'in euros', twice AS price * 2, \
    at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, WATERMARK FOR at AS at - INTERVAL '5' SECOND, \
    PRIMARY KEY (id) NOT ENFORCED) COMMENT 'all orders' WITH ('connector' = 'queue', 'topic' = 'o', 'properties.password' = 'x');";

#[test]
fn names_are_found_in_their_order() {
    let lake = Arc::new(Lake::default());
    let mut catalog = catalog_over(Some(Arc::clone(&lake)));
    run(&mut catalog, "CREATE TABLE q (a INT) WITH ('connector' = 'queue', 'topic' = 't'); CREATE TABLE l (a INT)")
        .unwrap();
    run(&mut catalog, "CREATE VIEW v AS SELECT * FROM q; CREATE DATABASE db; CREATE TABLE db.l (b INT)").unwrap();
    for (name, expected) in [
        ("q", "Connector(default_catalog.default_database.q)"),
        ("default_database.q", "Connector(default_catalog.default_database.q)"),
        ("l", "External(lake.default_database.l)"),
        ("lake.default_database.l", "External(lake.default_database.l)"),
        ("db.l", "External(lake.db.l)"),
        ("v", "View(default_catalog.default_database.v)"),
        ("w", "table.unknown: no table named \"w\" (database default_catalog.default_database); did you mean \"l\"?"),
        (
            "nowhere.q",
            "database.unknown: no database named \"nowhere\" (catalog default_catalog); known databases: db, default_database",
        ),
        ("lakes.db.l", "catalog.unknown: no catalog named \"lakes\"; did you mean \"lake\"?"),
    ] {
        assert_eq!(resolve(&catalog, name), expected);
    }
    run(&mut catalog, "CREATE TEMPORARY TABLE l (a INT) WITH ('connector' = 'print')").unwrap();
    assert_eq!(resolve(&catalog, "l"), "Connector(default_catalog.default_database.l)");
    run(&mut catalog, "DROP TABLE l").unwrap();
    assert_eq!(resolve(&catalog, "l"), "External(lake.default_database.l)");
    assert_eq!(catalog.table_names().unwrap(), ["l", "q", "v"]);
    assert_eq!(catalog.views(None).unwrap(), ["v"]);

    // The next run finds what is in the lake.
    let next = catalog_over(Some(lake));
    assert_eq!(resolve(&next, "l"), "External(lake.default_database.l)");

    run(&mut catalog, "USE CATALOG lake; USE db").unwrap();
    assert_eq!(resolve(&catalog, "l"), "External(lake.db.l)");
    let home = ("default_catalog".to_string(), "default_database".to_string());
    assert!(matches!(catalog.resolve_from(&["q".to_string()], &home), Ok(ResolvedTable::Connector(_))));
    run(&mut catalog, "DROP TABLE l; DROP VIEW default_catalog.default_database.v").unwrap();
    assert_eq!(catalog.tables(None).unwrap(), [""; 0]);
}

#[test]
fn a_table_reaches_its_connector_without_computed_columns() {
    let mut catalog = catalog();
    run(&mut catalog, ORDERS).unwrap();
    let ResolvedTable::Connector(table) = catalog.resolve(&["orders".to_string()]).unwrap() else { panic!("a table") };
    let spec = table.to_spec().unwrap();
    let columns: Vec<String> = spec.columns.iter().map(|c| c.field.to_string()).collect();
    assert_eq!(columns, ["`id` BIGINT NOT NULL", "`price` DECIMAL(10, 2)", "`at` TIMESTAMP_LTZ(3)"]);
    assert_eq!((spec.primary_key, spec.name.as_str()), (vec![0], "default_catalog.default_database.orders"));
    assert_eq!(
        show(&catalog, "orders"),
        "CREATE TABLE `default_catalog`.`default_database`.`orders` (
  `id` BIGINT NOT NULL,
  `price` DECIMAL(10, 2) COMMENT 'in euros',
  `twice` AS price * 2,
  `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR `at` AS at - INTERVAL '5' SECOND,
  PRIMARY KEY (`id`) NOT ENFORCED
)
COMMENT 'all orders'
WITH (
  'connector' = 'queue',
  'properties.password' = '******',
  'topic' = 'o'
)"
    );
    let listing = catalog.describe(&["orders".to_string()]).unwrap().unwrap();
    assert_eq!(listing[0].key.as_deref(), Some("PRI(id)"));
    assert_eq!(listing[2].extras.as_deref(), Some("AS price * 2"));
    assert_eq!(
        (listing[3].type_text.as_str(), listing[3].watermark.as_deref()),
        ("TIMESTAMP_LTZ(3) *ROWTIME*", Some("at - INTERVAL '5' SECOND"))
    );
}

#[test]
fn what_show_create_prints_can_be_read_again() {
    let mut catalog = catalog();
    run(&mut catalog, ORDERS).unwrap();
    run(
        &mut catalog,
        "CREATE TABLE lt (a INT, `b c` ROW<x INT NOT NULL>, ts TIMESTAMP(3)) PARTITIONED BY (bucket(4, a), days(ts))",
    )
    .unwrap();
    run(&mut catalog, "CREATE VIEW v (`x y`) COMMENT 'it''s' AS SELECT id FROM orders").unwrap();
    let first = [show(&catalog, "orders"), show(&catalog, "lt"), catalog.show_create_view(&["v".to_string()]).unwrap()];
    run(&mut catalog, "DROP TABLE orders; DROP VIEW v; DROP TABLE lt").unwrap();
    // The lake's own name stands in the second text.
    run(&mut catalog, &first.join(";\n").replace("******", "x")).unwrap();
    let second =
        [show(&catalog, "orders"), show(&catalog, "lt"), catalog.show_create_view(&["v".to_string()]).unwrap()];
    assert_eq!(first, second);
}

#[test]
fn like_takes_what_it_says() {
    let mut catalog = catalog();
    run(&mut catalog, ORDERS).unwrap();
    let mut create = |text: &str| match run(&mut catalog, &format!("CREATE TABLE t {text}")) {
        Err(e) => format!("{}: {e}", e.code()),
        Ok(_) => {
            let ResolvedTable::Connector(t) = catalog.resolve(&["t".to_string()]).unwrap() else { panic!("{text}") };
            run(&mut catalog, "DROP TABLE t").unwrap();
            let columns: Vec<_> = t.columns.iter().map(|c| c.name.as_str()).collect();
            let options: Vec<_> = t.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{columns:?} {options:?} key {:?} watermark {}", t.primary_key, t.watermark.is_some())
        }
    };
    for (text, expected) in [
        (
            "LIKE orders",
            "[\"id\", \"price\", \"twice\", \"at\"] [\"connector=queue\", \"properties.password=x\", \"topic=o\"] key [\"id\"] watermark true",
        ),
        (
            "(n INT) WITH ('topic' = 'p') LIKE orders",
            "[\"id\", \"price\", \"twice\", \"at\", \"n\"] [\"connector=queue\", \"properties.password=x\", \"topic=p\"] key [\"id\"] watermark true",
        ),
        (
            "WITH ('connector' = 'print') LIKE orders (EXCLUDING ALL)",
            "[\"id\", \"price\"] [\"connector=print\"] key [] watermark false",
        ),
        (
            "WITH ('connector' = 'print') LIKE orders (EXCLUDING ALL INCLUDING GENERATED INCLUDING CONSTRAINTS)",
            "[\"id\", \"price\", \"twice\"] [\"connector=print\"] key [\"id\"] watermark false",
        ),
        (
            "(WATERMARK FOR at AS at) LIKE orders (OVERWRITING WATERMARKS)",
            "[\"id\", \"price\", \"twice\", \"at\"] [\"connector=queue\", \"properties.password=x\", \"topic=o\"] key [\"id\"] watermark true",
        ),
        (
            "(WATERMARK FOR at AS at) LIKE orders",
            "like.clash: a watermark stands in both tables; write LIKE ... (OVERWRITING WATERMARKS)",
        ),
        (
            "WITH ('topic' = 'p') LIKE orders (INCLUDING OPTIONS)",
            "like.clash: option \"topic\" stands in both tables; write LIKE ... (OVERWRITING OPTIONS)",
        ),
        (
            "(price INT) LIKE orders",
            "like.clash: column \"price\" stands in both tables; rename it in the new table, or leave it out there",
        ),
        (
            "LIKE ordres",
            "table.unknown: no table named \"ordres\" (database default_catalog.default_database, clause LIKE); did you mean \"orders\"?",
        ),
        (
            "LIKE orders (OVERWRITING CONSTRAINTS)",
            "like.overwriting: only GENERATED, METADATA, OPTIONS and WATERMARKS can be overwritten; write INCLUDING or EXCLUDING",
        ),
    ] {
        assert_eq!(create(text), expected, "{text}");
    }
}

#[test]
fn a_table_of_a_query_takes_its_columns() {
    let mut catalog = catalog();
    run(&mut catalog, "CREATE TABLE l AS SELECT 1; CREATE TABLE q (c AS a + 1, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'print') AS SELECT 1").unwrap();
    let listing = |name: &str| catalog.describe(&[name.to_string()]).unwrap().unwrap();
    assert_eq!(
        listing("l").iter().map(|c| (c.name.as_str(), c.nullable)).collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
    assert_eq!(listing("q").iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let Statement::CreateTable(create) =
        parse_script("CREATE TABLE n AS SELECT NULL AS x").unwrap().remove(0).statement
    else {
        panic!("a table")
    };
    let error = catalog.create_table_as(&create, &[SqlField::new("x", SqlType::Null)]).unwrap_err();
    assert_eq!(error.code(), "column.type");
    let preview = catalog.preview_table(&create, &[SqlField::new("x", SqlType::Int)]).unwrap();
    assert_eq!((preview.columns.len(), catalog.contains(&["n".to_string()]).unwrap()), (1, false));
}

#[test]
fn alter_changes_one_thing_and_checks_the_rest() {
    let mut catalog = catalog();
    run(&mut catalog, ORDERS).unwrap();
    for (action, expected) in [
        ("ADD n INT FIRST", "fine"),
        ("ADD n INT", "column.duplicate: column \"n\" is there already (table orders); write MODIFY to change it"),
        ("MODIFY n BIGINT AFTER id", "fine"),
        ("RENAME n TO m", "fine"),
        (
            "RENAME price TO cost",
            "column.used: column \"twice\" reads column \"price\" (table orders); change or drop that first",
        ),
        ("DROP at", "column.used: the watermark reads column \"at\" (table orders); change or drop that first"),
        ("DROP id", "column.used: column \"id\" is part of a key (table orders); drop the primary key first"),
        ("DROP WATERMARK", "fine"),
        ("DROP WATERMARK", "table.alter: the table has no watermark (table orders); write ADD to give it one"),
        ("DROP PRIMARY KEY", "fine"),
        ("DROP (m, at)", "fine"),
        ("SET ('startup' = 'last')", "fine"),
        (
            "SET ('startup' = 'lst')",
            "option.invalid: option \"startup\" is \"lst\" (table default_catalog.default_database.orders); did you mean \"last\"?",
        ),
        (
            "RESET ('startup', 'topic')",
            "option.missing: option \"topic\" is missing (table default_catalog.default_database.orders); add 'topic' = '...': what is read",
        ),
        ("DROP zebra", "column.unknown: no column named \"zebra\" (table orders); known columns: id, price, twice"),
        ("RENAME TO sales", "fine"),
    ] {
        let outcome = run(&mut catalog, &format!("ALTER TABLE orders {action}"));
        let outcome = outcome.map_or_else(|e| format!("{}: {e}", e.code()), |_| "fine".to_string());
        assert_eq!(outcome, expected, "{action}");
    }
    assert_eq!(catalog.table_names().unwrap(), ["sales"]);
    let ResolvedTable::Connector(table) = catalog.resolve(&["sales".to_string()]).unwrap() else { panic!("a table") };
    assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "price", "twice"]);
    assert_eq!(table.options.get("startup"), Some("last"));
}

#[test]
fn what_is_wrong_is_said_with_its_mend() {
    let queue = |rest: &str| format!("CREATE TABLE t ({rest}) WITH ('connector' = 'queue', 'topic' = 't')");
    let cases = [
        (queue("a INT, a STRING"), "column.duplicate: column \"a\" stands twice (table t); rename one of them"),
        (queue("a AS 1"), "table.create: a table needs a column that is not computed (table t); add a column: name type"),
        (queue("ts TIMESTAMP(3), WATERMARK FOR tz AS ts"), "column.unknown: no column named \"tz\" (clause WATERMARK FOR, table t); did you mean \"ts\"?"),
        (queue("ts TIMESTAMP, WATERMARK FOR ts AS ts"), "watermark.type: a watermark needs TIMESTAMP(3) or TIMESTAMP_LTZ(3), and \"ts\" is TIMESTAMP(6) (column ts, table t); declare it as TIMESTAMP(3)"),
        (queue("ts BIGINT, WATERMARK FOR ts AS ts"), "watermark.type: a watermark needs TIMESTAMP(3) or TIMESTAMP_LTZ(3), and \"ts\" is BIGINT (column ts, table t); add a computed column: ts AS TO_TIMESTAMP_LTZ(ts, 3)"),
        (queue("a INT, PRIMARY KEY (b) NOT ENFORCED"), "column.unknown: no column named \"b\" (clause PRIMARY KEY, table t); did you mean \"a\"?"),
        (queue("a INT, PRIMARY KEY (a, a) NOT ENFORCED"), "primary_key.duplicate: column \"a\" stands twice in the key (table t); name each column once"),
        (queue("a INT, b AS a, PRIMARY KEY (b) NOT ENFORCED"), "primary_key.column: column \"b\" does not come from the record, so it cannot be part of the primary key (table t); use columns that are neither computed nor METADATA"),
        (queue("a INT, o INT METADATA FROM 'ofset'"), "metadata.unknown: connector \"queue\" has no metadata named \"ofset\" (column o, table t); did you mean \"offset\"?"),
        (queue("a INT, `offset` STRING METADATA"), "metadata.type: metadata \"offset\" is BIGINT, which does not become STRING (column offset, table t); declare the column as BIGINT"),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'queu')".into(), "connector.unknown: no connector named \"queu\" (table t); did you mean \"queue\"?"),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'queue')".into(), "option.missing: option \"topic\" is missing (table default_catalog.default_database.t); add 'topic' = '...': what is read"),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'queue', 'topik' = 't')".into(), "option.unknown: unknown option \"topik\" (table default_catalog.default_database.t); did you mean \"topic\"?"),
        ("CREATE TABLE t (a INT, b INT) PARTITIONED BY (bucket(2, a)) WITH ('connector' = 'print')".into(), "table.partition: PARTITIONED BY takes plain columns here, not \"bucket(2, a)\" (table default_catalog.default_database.t); name a physical column, or leave 'connector' out to get a lake table"),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'iceberg')".into(), "connector.unknown: no connector named \"iceberg\" (table t); leave 'connector' out to get a lake table, or CREATE CATALOG ... WITH ('type' = 'iceberg')"),
        ("CREATE TEMPORARY TABLE t (a INT)".into(), "table.temporary: a lake table outlives the session (table t); leave TEMPORARY out, or name a 'connector' in WITH (...)"),
        ("CREATE TABLE t (a INT, b AS a + 1)".into(), "table.lake: a lake table keeps no computed columns (column b, table t); compute it in a view over the table"),
        ("CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR a AS a)".into(), "table.lake: a lake table keeps no watermark (column a, table t); leave WATERMARK FOR out"),
        ("CREATE TABLE t (a INT) PARTITIONED BY (days(b))".into(), "column.unknown: no column named \"b\" (clause PARTITIONED BY, table t); did you mean \"a\"?"),
        ("CREATE TABLE t (a INT); CREATE TABLE t (a INT)".into(), "table.exists: table \"t\" is there already; choose another name, or write CREATE TABLE IF NOT EXISTS"),
        ("CREATE TABLE t (a INT); CREATE OR REPLACE VIEW t AS SELECT 1".into(), "view.exists: \"t\" is a table; choose another name, or DROP TABLE first"),
        ("CREATE VIEW v AS SELECT 1; DROP TABLE v".into(), "table.is_view: \"v\" is a view; write DROP VIEW v"),
        ("CREATE TABLE t (a INT); DROP VIEW t".into(), "view.is_table: \"t\" is a table; write DROP TABLE t"),
        ("CREATE VIEW v (a, a) AS SELECT 1, 2".into(), "column.duplicate: column \"a\" stands twice (view v); rename the column at position 2"),
        ("DROP TABLE nothing".into(), "table.unknown: no table named \"nothing\" (database default_catalog.default_database); there is no tables yet"),
        ("CREATE TABLE lake.db.t (a INT)".into(), "database.unknown: no database named \"db\" (catalog lake); there is no databases yet"),
        ("USE lake".into(), "database.unknown: no database named \"lake\" (catalog default_catalog); known databases: default_database"),
        ("CREATE DATABASE d; CREATE TABLE d.t (a INT) WITH ('connector' = 'print'); DROP DATABASE d".into(), "database.not_empty: database \"d\" is not empty; write CASCADE behind it to drop its tables too"),
        ("DROP DATABASE default_database".into(), "database.in_use: database \"default_database\" is the current one; USE another database first"),
        ("DROP CATALOG lake".into(), "catalog.in_use: catalog \"lake\" is in use; it is always there"),
        ("CREATE CATALOG c WITH ('type' = 'iceburg')".into(), "catalog.kind: no kind of catalog named \"iceburg\" (catalog c); did you mean \"iceberg\"?"),
        ("CREATE CATALOG c WITH ('type' = 'iceberg')".into(), "option.missing: option \"warehouse\" is missing (catalog c); add 'warehouse' = '...': where it lies"),
        ("CREATE CATALOG c".into(), "option.missing: option \"type\" is missing (catalog c); add 'type' = '...': one of iceberg, generic_in_memory"),
        ("CREATE CATALOG c WITH ('type' = 'iceberg', 'warehouse' = 'x'); USE CATALOG c; CREATE VIEW v AS SELECT 1".into(), "view.place: catalog \"c\" keeps no views (view v); write CREATE TEMPORARY VIEW"),
        ("CREATE CATALOG c WITH ('type' = 'iceberg', 'warehouse' = 'x'); CREATE TABLE c.first.t (a INT) WITH ('connector' = 'print')".into(), "table.place: an external catalog keeps no tables of connectors (table c.first.t); write CREATE TEMPORARY TABLE, or create it in default_catalog.default_database"),
        ("CREATE TABLE l (a INT); ALTER TABLE l ADD b INT".into(), "table.alter: ALTER TABLE of a lake table is not there yet (table l); write CREATE TABLE ... AS SELECT"),
    ];
    for (script, expected) in cases {
        let error = run(&mut catalog(), &script).unwrap_err();
        assert_eq!(format!("{}: {error}", error.code()), expected, "{script}");
    }
    let error = run(&mut catalog_over(None), "CREATE TABLE t (a INT)").unwrap_err();
    assert_eq!(error.hint_text(), Some("add WITH ('connector' = '...'): one of queue, print"));
}

#[test]
fn what_is_there_already_may_be_fine() {
    let mut catalog = catalog();
    let queue = "(a INT) WITH ('connector' = 'queue', 'queue-name' = 't')";
    let notices = run(&mut catalog, &format!("CREATE TABLE t {queue}; CREATE TABLE IF NOT EXISTS t (b INT)")).unwrap();
    assert_eq!(
        notices,
        ["'queue-name' is an old spelling of 'topic'", "table t is there already: nothing was changed"]
    );
    run(&mut catalog, "CREATE OR REPLACE TABLE t (b STRING) WITH ('connector' = 'print')").unwrap();
    assert!(show(&catalog, "t").contains("`b` STRING"));
    run(&mut catalog, "CREATE TABLE l (a INT); CREATE OR REPLACE TABLE l (c INT); CREATE VIEW v AS SELECT 1; CREATE OR REPLACE VIEW v AS SELECT 2").unwrap();
    assert!(show(&catalog, "l").contains("`c` INT"));
    run(
        &mut catalog,
        "DROP TABLE IF EXISTS x.y.z; DROP VIEW IF EXISTS w; DROP CATALOG IF EXISTS c; DROP DATABASE IF EXISTS d",
    )
    .unwrap();
    run(&mut catalog, "ALTER VIEW v RENAME TO w; CREATE CATALOG m WITH ('type' = 'generic_in_memory', 'default-database' = 'd'); USE CATALOG m").unwrap();
    assert_eq!((catalog.current_catalog(), catalog.current_database()), ("m", "d"));
    assert_eq!(catalog.views(Some(&["default_catalog".to_string(), "default_database".to_string()])).unwrap(), ["w"]);
    let old = "CREATE TABLE o (a INT) WITH ('connector.type' = 'print')";
    assert_eq!(
        run(&mut catalog, old).unwrap(),
        ["option 'connector.type' is an old spelling: 'connector' = 'print' was assumed"]
    );
}
