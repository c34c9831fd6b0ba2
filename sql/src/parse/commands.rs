//! Which statement it is, and those of a few words: USE, SHOW, DESCRIBE, EXPLAIN, SET, RESET.

use super::cursor::Cursor;
use super::statement::{Drop, ExplainDetail, LikeFilter, Show, ShowWhat, Statement};
use super::{ddl, insert};
use datafusion::sql::sqlparser::tokenizer::Token;
use freshet_types::{Error, Result, suggest};

/// Statements of Flink that are not there yet, by their first words, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("ANALYZE TABLE", "leave it out: no plan needs it"),
    ("CALL", "use the command freshet lake"),
    ("COMPILE PLAN", "run the statement itself"),
    ("EXECUTE PLAN", "run the statement itself"),
    ("CREATE FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("CREATE TEMPORARY FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("CREATE TEMPORARY SYSTEM FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("ALTER FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("ALTER TEMPORARY FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("DROP FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("DROP TEMPORARY FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("CREATE MODEL", "call the model from outside"),
    ("CREATE TEMPORARY MODEL", "call the model from outside"),
    ("DROP TEMPORARY SYSTEM FUNCTION", "use a built-in function: SHOW FUNCTIONS lists them"),
    ("DROP MODEL", "call the model from outside"),
    ("DROP TEMPORARY MODEL", "call the model from outside"),
    ("DESCRIBE MODEL", "call the model from outside"),
    ("DESC MODEL", "call the model from outside"),
    ("ALTER MODEL", "call the model from outside"),
    ("SHOW MODELS", "call the model from outside"),
    ("CREATE MATERIALIZED TABLE", "write CREATE TABLE and INSERT INTO"),
    ("CREATE OR ALTER MATERIALIZED TABLE", "write CREATE TABLE and INSERT INTO"),
    ("SHOW MATERIALIZED TABLES", "write SHOW TABLES"),
    ("SHOW CREATE MATERIALIZED TABLE", "write SHOW CREATE TABLE"),
    ("ALTER MATERIALIZED TABLE", "write CREATE TABLE and INSERT INTO"),
    ("DROP MATERIALIZED TABLE", "write DROP TABLE"),
    ("CREATE MATERIALIZED VIEW", "write CREATE VIEW, or CREATE TABLE and INSERT INTO"),
    ("CREATE CONNECTION", "put the options into the table"),
    ("ALTER DATABASE", "drop and create it"),
    ("ALTER CATALOG", "drop and create it"),
    ("DELETE FROM", "write a new table with INSERT INTO ... SELECT"),
    ("UPDATE", "write a new table with INSERT INTO ... SELECT"),
    ("MERGE INTO", "write a new table with INSERT INTO ... SELECT"),
    ("TRUNCATE TABLE", "drop and create the table"),
    ("LOAD MODULE", "leave it out: all functions are built in"),
    ("UNLOAD MODULE", "leave it out: all functions are built in"),
    ("USE MODULES", "leave it out: all functions are built in"),
    ("STOP JOB", "end the process with Ctrl-C: it makes a checkpoint"),
    ("DESCRIBE JOB", "write SHOW JOBS"),
    ("DESC JOB", "write SHOW JOBS"),
    ("DESCRIBE CATALOG", "write SHOW CREATE CATALOG"),
    ("DESC CATALOG", "write SHOW CREATE CATALOG"),
    ("DESCRIBE DATABASE", "write SHOW TABLES FROM the database"),
    ("DESC DATABASE", "write SHOW TABLES FROM the database"),
    ("DESCRIBE FUNCTION", "write SHOW FUNCTIONS LIKE 'name'"),
    ("DESC FUNCTION", "write SHOW FUNCTIONS LIKE 'name'"),
    ("SHOW PROCEDURES", "use the command freshet lake"),
    ("SHOW CREATE FUNCTION", "write SHOW FUNCTIONS"),
];

/// First words of all statements, for a mistyped one.
const FIRST_WORDS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "INSERT", "CREATE", "DROP", "ALTER", "USE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN",
    "SET", "RESET", "EXECUTE", "BEGIN",
];

/// Reads one statement.
pub(super) fn statement(c: &mut Cursor) -> Result<Statement> {
    let start = c.position();
    // DESCRIBE job is about a table of that name, DESCRIBE JOB 'id' is not.
    let is_meant = |words: &str| {
        let count = words.split(' ').count();
        !words.starts_with("DESC") || !c.sees_token(count, &Token::EOF) && !c.sees_token(count, &Token::Period)
    };
    if let Some((words, instead)) = REFUSED.iter().find(|(words, _)| c.sees(words) && is_meant(words)) {
        c.accept(words);
        return Err(c.unsupported(start, words).hint(*instead));
    }
    if c.sees("SELECT") || c.sees("WITH") || c.sees("VALUES") || c.sees_token(0, &Token::LParen) {
        return Ok(Statement::Query(c.query()?.0));
    }
    if c.sees("EXECUTE INSERT") || c.sees("EXECUTE SELECT") {
        c.accept("EXECUTE");
        return statement(c);
    }
    if c.sees("INSERT") {
        return Ok(Statement::Insert(Box::new(insert::insert(c)?)));
    }
    if c.accept("CREATE") {
        return ddl::create(c);
    }
    if c.accept("DROP") {
        return drop(c);
    }
    if c.accept("ALTER TABLE") {
        return ddl::alter_table(c);
    }
    if c.accept("ALTER VIEW") {
        return alter_view(c, start);
    }
    if c.accept("USE") {
        return if c.accept("CATALOG") {
            Ok(Statement::UseCatalog(c.identifier("the name of a catalog")?))
        } else {
            Ok(Statement::UseDatabase(database(c)?))
        };
    }
    if c.accept("SHOW") {
        return show(c).map(Statement::Show);
    }
    if c.accept("DESCRIBE") || c.accept("DESC") {
        let extended = c.accept("EXTENDED");
        c.accept("TABLE");
        return Ok(Statement::Describe { name: c.name()?, extended });
    }
    if c.accept("EXPLAIN") {
        let details = details(c)?;
        let inner = c.position();
        let explained = statement(c)?;
        let fits = match &explained {
            Statement::Query(_) | Statement::Insert(_) | Statement::StatementSet(_) => true,
            Statement::CreateTable(create) => create.as_select.is_some(),
            _ => false,
        };
        if !fits {
            return Err(Error::invalid("explain.statement", "only queries and INSERTs have a plan")
                .span(inner, c.behind())
                .hint("write EXPLAIN before SELECT, INSERT INTO, CREATE TABLE AS or STATEMENT SET"));
        }
        return Ok(Statement::Explain { details, statement: Box::new(explained) });
    }
    if c.accept("SET") {
        return set(c);
    }
    if c.accept("RESET") {
        let key = unquoted(c.rest());
        return Ok(Statement::Reset { key: (!key.is_empty()).then_some(key) });
    }
    if c.sees("ADD JAR") || c.sees("REMOVE JAR") {
        c.rest();
        c.notices.push("ADD JAR and REMOVE JAR have no effect: connectors and formats are built in".to_string());
        return Ok(Statement::Nothing);
    }
    let range = c.next_range();
    let word = c.text(range.clone());
    let error = Error::invalid("sql.syntax", format!("no statement begins with {word}")).span(range.start, range.end);
    Err(error.hint(if c.sees("END") {
        "END closes a statement set; write BEGIN STATEMENT SET; before its INSERTs".to_string()
    } else {
        suggest::hint(&word.to_uppercase(), "statements", FIRST_WORDS.iter().copied())
    }))
}

/// `database` or `catalog.database`.
fn database(c: &mut Cursor) -> Result<Vec<String>> {
    let start = c.position();
    let name = c.name()?;
    if name.len() > 2 {
        return Err(Error::invalid("name.parts", "the name of a database has at most two parts: catalog, database")
            .span(start, c.behind()));
    }
    Ok(name)
}

/// `[ESTIMATED_COST, CHANGELOG_MODE, ...]` or `PLAN FOR`.
pub(super) fn details(c: &mut Cursor) -> Result<Vec<ExplainDetail>> {
    if c.accept("PLAN FOR") {
        return Ok(Vec::new());
    }
    let mut details = Vec::new();
    loop {
        let detail = [
            ("CHANGELOG_MODE", ExplainDetail::ChangelogMode),
            ("ESTIMATED_COST", ExplainDetail::EstimatedCost),
            ("JSON_EXECUTION_PLAN", ExplainDetail::JsonExecutionPlan),
            ("PLAN_ADVICE", ExplainDetail::PlanAdvice),
        ]
        .into_iter()
        .find(|(word, _)| c.accept(word));
        match detail {
            Some((_, detail)) => details.push(detail),
            None if details.is_empty() => return Ok(details),
            None => return Err(c.expected("ESTIMATED_COST, CHANGELOG_MODE, JSON_EXECUTION_PLAN or PLAN_ADVICE")),
        }
        if !c.accept_token(&Token::Comma) {
            return Ok(details);
        }
    }
}

fn if_exists(c: &mut Cursor) -> bool {
    c.accept("IF EXISTS")
}

fn drop(c: &mut Cursor) -> Result<Statement> {
    if c.accept("CATALOG") {
        let if_exists = if_exists(c);
        return Ok(Statement::DropCatalog { name: c.identifier("the name of a catalog")?, if_exists });
    }
    if c.accept("DATABASE") {
        let if_exists = if_exists(c);
        let name = database(c)?;
        let cascade = c.accept("CASCADE");
        if !cascade {
            c.accept("RESTRICT");
        }
        return Ok(Statement::DropDatabase { name, if_exists, cascade });
    }
    let temporary = c.accept("TEMPORARY");
    let is_table = c.accept("TABLE");
    if !is_table && !c.accept("VIEW") {
        return Err(c.expected("TABLE, VIEW, DATABASE or CATALOG"));
    }
    let if_exists = if_exists(c);
    let drop = Drop { name: c.name()?, if_exists, temporary };
    Ok(if is_table { Statement::DropTable(drop) } else { Statement::DropView(drop) })
}

fn alter_view(c: &mut Cursor, start: usize) -> Result<Statement> {
    let name = c.name()?;
    if c.accept("RENAME TO") {
        return Ok(Statement::RenameView { name, to: c.name()? });
    }
    if c.accept("AS") {
        return Err(c.unsupported(start, "ALTER VIEW ... AS").hint("write CREATE OR REPLACE VIEW"));
    }
    Err(c.expected("RENAME TO"))
}

/// `SET`, `SET 'key' = 'text'`, `SET key = text`; bare keys and texts are read as they stand.
fn set(c: &mut Cursor) -> Result<Statement> {
    if c.is_at_end() {
        return Ok(Statement::Set { assignment: None });
    }
    let start = c.position();
    let text = c.rest();
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(Statement::Set { assignment: Some((unquoted(key), unquoted(value))) })
        }
        _ => Err(Error::invalid("sql.syntax", "SET takes a key and a text")
            .span(start, start + text.len())
            .hint("write SET 'key' = 'text', or SHOW CONFIG to list all keys")),
    }
}

/// The inside of a text in quotes, or the text as it stands.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        Some(inside) => inside.replace("''", "'"),
        None => text.to_string(),
    }
}

fn show(c: &mut Cursor) -> Result<Show> {
    use ShowWhat::*;
    let lists = [
        ("CURRENT CATALOG", CurrentCatalog),
        ("CURRENT DATABASE", CurrentDatabase),
        ("CATALOGS", Catalogs),
        ("DATABASES", Databases),
        ("TABLES", Tables),
        ("VIEWS", Views),
        ("USER FUNCTIONS", Functions(true)),
        ("FUNCTIONS", Functions(false)),
        ("COLUMNS", Columns),
        ("JOBS", Jobs),
        ("JARS", Jars),
        ("FULL MODULES", Modules),
        ("MODULES", Modules),
        ("CONFIG", Config),
        ("CONNECTORS", Connectors),
        ("FORMATS", Formats),
    ];
    let what = match lists.into_iter().find(|(words, _)| c.accept(words)) {
        Some((_, what)) => what,
        None if c.accept("CREATE TABLE") => CreateTable(c.name()?),
        None if c.accept("CREATE VIEW") => CreateView(c.name()?),
        None if c.accept("CREATE CATALOG") => CreateCatalog(c.identifier("the name of a catalog")?),
        None if c.accept("PARTITIONS") => Partitions(c.name()?),
        None => {
            let range = c.next_range();
            let word = c.text(range.clone()).to_uppercase();
            let known = [
                "CATALOGS",
                "DATABASES",
                "TABLES",
                "VIEWS",
                "FUNCTIONS",
                "COLUMNS",
                "JOBS",
                "CREATE TABLE",
                "CREATE VIEW",
                "CONFIG",
                "CONNECTORS",
                "FORMATS",
                "CURRENT CATALOG",
                "CURRENT DATABASE",
            ];
            return Err(c.expected("what to show").hint(suggest::hint(&word, "lists", known)));
        }
    };
    let from = if c.accept("FROM") || c.accept("IN") { Some(c.name()?) } else { None };
    if what == Columns && from.is_none() {
        return Err(c.expected("FROM and the name of a table"));
    }
    let negated = c.accept("NOT");
    let ignore_case = c.sees("ILIKE");
    let like = if c.accept("LIKE") || c.accept("ILIKE") {
        Some(LikeFilter { negated, ignore_case, pattern: c.string("a pattern in quotes")? })
    } else if negated {
        return Err(c.expected("LIKE"));
    } else {
        None
    };
    Ok(Show { what, from, like })
}
