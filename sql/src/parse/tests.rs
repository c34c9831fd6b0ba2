//! Statements that are read and statements that are refused, with what comes of each.

use super::*;
use crate::diagnose::diagnose;
use proptest::prelude::*;

const ACCEPTED: &str = include_str!("cases/accepted.sql");
const REFUSED: &str = include_str!("cases/refused.sql");

fn cases(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim).filter(|case| !case.is_empty())
}

/// A statement in a few words, so that a reader of the snapshot sees what was understood.
fn summary(statement: &Statement) -> String {
    let kind = |kind: &ColumnKind| match kind {
        ColumnKind::Physical => String::new(),
        ColumnKind::Metadata { key, read_only } => {
            format!(" metadata({key}{})", if *read_only { ", virtual" } else { "" })
        }
        ColumnKind::Computed { expression, text } => format!(" as {{{text}}} = {expression}"),
    };
    let column = |c: &ColumnDefinition| {
        let sql_type = c.sql_type.as_ref().map(ToString::to_string).unwrap_or_default();
        let null = if c.nullable { "" } else { " NOT NULL" };
        let comment = c.comment.as_ref().map(|c| format!(" -- {c}")).unwrap_or_default();
        format!("  {}: {sql_type}{null}{}{comment}", c.name, kind(&c.kind))
    };
    match statement {
        Statement::Query(query) => format!("query {query}"),
        Statement::Insert(insert) => summary_of_insert(insert),
        Statement::StatementSet(all) => {
            format!("set [{}]", all.iter().map(summary_of_insert).collect::<Vec<_>>().join("; "))
        }
        Statement::Explain { details, statement } => format!("explain {details:?} {}", summary(statement)),
        Statement::CreateView(v) => format!(
            "view {:?} columns {:?} comment {:?} if_not_exists {} or_replace {} temporary {}: {{{}}} = {}",
            v.name, v.columns, v.comment, v.if_not_exists, v.or_replace, v.temporary, v.query_text, v.query
        ),
        Statement::CreateTable(t) => {
            let mut lines = vec![format!(
                "table {:?} if_not_exists {} or_replace {} temporary {}",
                t.name, t.if_not_exists, t.or_replace, t.temporary
            )];
            lines.extend(t.columns.iter().map(column));
            lines.extend(
                t.watermark.iter().map(|w| format!("  watermark {} as {{{}}} = {}", w.column, w.text, w.expression)),
            );
            if !t.primary_key.is_empty() {
                lines.push(format!("  key {:?}", t.primary_key));
            }
            if !t.partition_by.is_empty() {
                lines.push(format!(
                    "  partitioned {}",
                    t.partition_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                ));
            }
            lines.extend(t.comment.iter().map(|c| format!("  comment {c}")));
            if !t.options.is_empty() {
                lines.push(format!("  with {:?}", t.options.iter().collect::<Vec<_>>()));
            }
            lines.extend(t.like.iter().map(|l| format!("  like {:?} {:?}", l.source, l.features)));
            lines.extend(t.as_select.iter().map(|q| format!("  as {q}")));
            lines.join("\n")
        }
        other => format!("{other:?}"),
    }
}

fn summary_of_insert(insert: &Insert) -> String {
    let hints: Vec<_> = insert.hints.iter().collect();
    let partition: Vec<_> = insert.partition.iter().map(|(c, e)| format!("{c} = {e}")).collect();
    format!(
        "insert {:?} hints {hints:?} columns {:?} partition {partition:?} {{{}}} from {}",
        insert.table, insert.columns, insert.text, insert.source
    )
}

#[test]
fn what_is_flink_sql_is_read() {
    let mut out = String::new();
    for case in cases(ACCEPTED) {
        let parsed = parse_script(case).unwrap_or_else(|e| panic!("{}", diagnose(&e, case, "case")));
        assert_eq!(parsed.len(), 1, "{case}");
        out += &format!("{case}\n=> {}\n", summary(&parsed[0].statement).replace('\0', "|"));
        parsed[0].notices.iter().for_each(|n| out += &format!("note: {n}\n"));
        out += "\n";
    }
    insta::assert_snapshot!("accepted", out);
}

#[test]
fn what_is_refused_says_where_and_why() {
    let mut out = String::new();
    for case in cases(REFUSED) {
        match parse_script(case) {
            Ok(parsed) => panic!("{case}\n{}", summary(&parsed[0].statement)),
            Err(e) => {
                assert!(e.span_of().is_some(), "{case}: {e} has no place");
                let first = e.text().split(' ').next().unwrap_or_default();
                let is_low = first.chars().all(|c| !c.is_lowercase()) || !first.starts_with(char::is_uppercase);
                assert!(is_low && !e.text().contains(['\0', '\u{1}']), "{case}: {e}");
                out += &format!("[{}] {}\n\n", e.code(), diagnose(&e, case, "case"));
            }
        }
    }
    insta::assert_snapshot!("refused", out);
}

#[test]
fn scripts_are_split_where_statements_end() {
    let script = "-- first; comment\nSET 'a' = 'b;c';;\n/* x; */ SELECT ';' ; BEGIN STATEMENT SET;\nINSERT INTO a SELECT 1;\nEND;\nSELECT `;`";
    let all = parse_script(script).unwrap();
    let texts: Vec<&str> = all.iter().map(|p| p.text.as_str()).collect();
    assert_eq!(
        texts,
        ["SET 'a' = 'b;c'", "SELECT ';'", "BEGIN STATEMENT SET;\nINSERT INTO a SELECT 1;\nEND", "SELECT `;`"]
    );
    assert!(all.iter().all(|p| script[p.span.start..p.span.end] == p.text));
    assert!(parse_script(" ; -- nothing\n;").unwrap().is_empty());
    let all = parse_script_all("SELECT 1; SELECT FROM; SELECT 2; SELECT 'x");
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [false]);
    let all = parse_script_all("SELECT 1; DROP; SELECT 2");
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_shell_knows_when_a_statement_is_complete() {
    for (text, complete) in [
        ("", true),
        ("SELECT 1;", true),
        ("SELECT 1; -- done", true),
        ("SELECT 1", false),
        ("SELECT 'a;", false),
        ("SELECT `a;", false),
        ("SELECT 1 /* ;", false),
        ("BEGIN STATEMENT SET; INSERT INTO a SELECT 1;", false),
        ("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;", true),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", false),
        ("SELEC 1;", true),
    ] {
        assert_eq!(is_complete(text), complete, "{text}");
    }
}

#[test]
fn hints_and_table_arguments_reach_the_planner() {
    use datafusion::sql::sqlparser::ast::{
        Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr, TableFactor,
    };
    let from = |text: &str| {
        let query = parse_query(text).unwrap();
        let SetExpr::Select(select) = *query.body else { panic!("{text}") };
        select.from[0].relation.clone()
    };
    let TableFactor::Table { name, with_hints, alias, .. } =
        from("SELECT * FROM a.b /*+ OPTIONS('k'='v', 'l'='w') */ x")
    else {
        panic!("a table")
    };
    assert_eq!(TableName::from_ast(&name), TableName::Parts(vec!["a".into(), "b".into()]));
    assert_eq!(table_options(&with_hints).unwrap().iter().collect::<Vec<_>>(), [("k", "v"), ("l", "w")]);
    assert_eq!(alias.unwrap().name.value, "x");

    let TableFactor::Table { name, .. } = from("SELECT * FROM 'a b/c.parquet'") else { panic!("a table") };
    assert_eq!(TableName::from_ast(&name), TableName::File("a b/c.parquet".into()));

    let text = "SELECT * FROM TABLE(SESSION(TABLE a.b /*+ OPTIONS('k'='v') */ PARTITION BY x, y, DESCRIPTOR(t), INTERVAL '1' HOUR))";
    let TableFactor::TableFunction { expr: Expr::Function(f), .. } = from(text) else { panic!("a function") };
    let FunctionArguments::List(list) = f.args else { panic!("arguments") };
    assert_eq!(list.args.len(), 3);
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(first)) = &list.args[0] else { panic!("an expression") };
    let argument = TableArgument::from_expr(first).unwrap();
    assert_eq!(argument.partition_by.iter().map(|i| i.value.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    let TableFactor::Table { name, with_hints, .. } = argument.table else { panic!("a table") };
    assert_eq!(name.to_string(), "a.b");
    assert_eq!(table_options(&with_hints).unwrap().get("k"), Some("v"));
    assert!(TableArgument::from_expr(&parse_expression("DESCRIPTOR(t)").unwrap()).is_none());
}

#[test]
fn types_in_a_query_keep_their_spelling() {
    use datafusion::sql::sqlparser::ast::Expr;
    let cast = |text: &str| match parse_expression(text).unwrap() {
        Expr::Cast { data_type, .. } => type_of(&data_type).unwrap().unwrap().to_string(),
        Expr::TypedString(literal) => type_of(&literal.data_type).unwrap().unwrap().to_string(),
        other => panic!("{other}"),
    };
    for (text, expected) in [
        ("CAST(x AS varchar(5))", "VARCHAR(5)"),
        ("TRY_CAST(x AS TIMESTAMP_LTZ(3))", "TIMESTAMP_LTZ(3)"),
        (
            "CAST(x AS ROW<a INT NOT NULL, `b c` MAP<STRING, ARRAY<INT>>>)",
            "ROW<`a` INT NOT NULL, `b c` MAP<STRING, ARRAY<INT>>>",
        ),
        ("CAST(x AS INTERVAL HOUR TO SECOND(3))", "INTERVAL DAY TO SECOND(3)"),
        ("TIMESTAMP '2024-01-01 00:00:00.12'", "TIMESTAMP(2)"),
        ("TIME '10:00:00'", "TIME(0)"),
        ("DATE '2024-01-01'", "DATE"),
    ] {
        assert_eq!(cast(text), expected, "{text}");
    }
}

#[test]
fn nesting_has_a_limit_and_costs_no_time() {
    for (open, close) in [
        ("(", ")"),
        ("CAST(", " AS INT)"),
        ("TRIM(", ")"),
        ("CASE WHEN ", " THEN 1 END"),
        ("f(", ")"),
        ("NOT ", ""),
        ("ARRAY[", "]"),
        ("POSITION(", " IN 'a')"),
        ("EXTRACT(DAY FROM ", ")"),
    ] {
        let deep = |depth: usize, inner: &str, close: &str| {
            format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
        };
        assert!(parse_script(&deep(20, "1", close)).is_ok(), "{open}");
        assert_eq!(parse_script(&deep(5_000, "1", close)).unwrap_err().code(), "sql.too_deep", "{open}");
        assert!(parse_script(&deep(60, "1 2 3 )", close)).is_err(), "{open}");
    }
    let from = |depth: usize, inner: &str| {
        format!("SELECT * FROM {}{inner}{}", "(SELECT * FROM ".repeat(depth), ")".repeat(depth))
    };
    assert!(parse_script(&from(20, "t")).is_ok());
    assert!(parse_script(&from(60, "t WHER )")).is_err());
    assert!(parse_script(&from(3_000, "t")).is_err());
}

proptest! {
    /// Whatever is typed: an answer, never a panic, and places that are within the text.
    #[test]
    fn any_text_gets_an_answer(text in "[ a-zA-Z0-9'`;()<>,.*/+=_ü\\-\n\"$:{}\\[\\]]{0,60}") {
        for parsed in parse_script_all(&text) {
            let place = match &parsed {
                Ok(parsed) => Some(parsed.span),
                Err(e) => e.span_of(),
            };
            if let Some(span) = place {
                prop_assert!(span.start <= span.end && span.end <= text.len() + 1);
            }
        }
        let _ = is_complete(&text);
    }

    /// A statement cut or mended anywhere gets an answer too.
    #[test]
    fn any_damage_gets_an_answer(case in 0..150usize, cut in 0..400usize, word in "[a-z(]{0,3}") {
        let Some(text) = cases(ACCEPTED).nth(case) else { return Ok(()) };
        let cut = (0..=cut.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let damaged = format!("{}{word}{}", &text[..cut], text[cut..].chars().skip(1).collect::<String>());
        for parsed in parse_script_all(&damaged) {
            if let Err(e) = parsed {
                let _ = diagnose(&e, &damaged, "x");
            }
        }
    }

    /// What SqlType prints is read as the same type.
    #[test]
    fn types_are_read_as_they_are_printed(sql_type in any_type()) {
        prop_assert_eq!(parse_type(&sql_type.to_string()).unwrap(), (sql_type, true));
    }
}

fn any_type() -> impl Strategy<Value = freshet_types::SqlType> {
    use freshet_types::{SqlField, SqlType::*};
    let leaf = prop_oneof![
        Just(Boolean),
        Just(TinyInt),
        Just(BigInt),
        Just(Float),
        Just(Double),
        Just(Date),
        (1u8..=38).prop_flat_map(|p| (0..=p).prop_map(move |s| Decimal(p, s as i8))),
        (1u32..300).prop_map(Char),
        prop_oneof![Just(freshet_types::sql_type::UNBOUNDED), 1u32..300].prop_map(Varchar),
        prop_oneof![Just(freshet_types::sql_type::UNBOUNDED), 1u32..300].prop_map(Varbinary),
        (0u8..=9).prop_map(Time),
        (0u8..=9).prop_map(Timestamp),
        (0u8..=9).prop_map(TimestampLtz),
        Just(IntervalYearMonth),
        Just(IntervalDayTime),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let field = (inner.clone(), any::<bool>()).prop_map(|(sql_type, nullable)| SqlField {
            name: String::new(),
            sql_type,
            nullable,
        });
        prop_oneof![
            field.clone().prop_map(|f| Array(Box::new(f))),
            (inner, field.clone()).prop_map(|(k, v)| Map(Box::new(k), Box::new(v))),
            proptest::collection::vec(field, 1..4).prop_map(|fields| {
                Row(fields.into_iter().enumerate().map(|(i, f)| SqlField { name: format!("f {i}"), ..f }).collect())
            }),
        ]
    })
}
