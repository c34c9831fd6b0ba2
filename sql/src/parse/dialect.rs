//! Flink's dialect for sqlparser, and its special function calls.
//!
//! What the planner gets for what has no node in sqlparser (function names in upper case, units as texts):
//!
//! | written | parsed |
//! |---|---|
//! | `TABLE t PARTITION BY k` as an argument | `__table(t, k)`; read it with [`super::TableArgument`] |
//! | `CAST(x AS type)`, `TRY_CAST` | `Expr::Cast` with `DataType::Custom(<spelling>)`; read it with [`super::type_of`] |
//! | `TIMESTAMP '...'`, `TIME '...'` | `Expr::TypedString` with `TIMESTAMP(<digits written>)`, `TIME(<digits written>)` |
//! | `INTERVAL '1:30' HOUR TO MINUTE` | `INTERVAL '90' MINUTE`: one unit, the smallest of those written |
//! | `MAP['a', 1]` | `MAP('a', 1)` |
//! | `FLOOR(x TO DAY)`, `CEIL(x TO DAY)` | `FLOOR(x, 'DAY')`, `CEIL(x, 'DAY')`; without a unit one argument |
//! | `TIMESTAMPADD(DAY, n, x)`, `TIMESTAMPDIFF(DAY, a, b)` | the unit as a text: `TIMESTAMPADD('DAY', n, x)` |
//! | `x IS [NOT] JSON [VALUE, OBJECT, ARRAY, SCALAR]` | `IS_JSON(x, 'VALUE')`, negated by NOT |
//! | `x BETWEEN SYMMETRIC a AND b` | `x BETWEEN a AND b OR x BETWEEN b AND a` |
//! | `JSON_VALUE(x, p RETURNING t <e> ON EMPTY <f> ON ERROR)` | `TRY_CAST(JSON_VALUE(x, p, 'e', e, 'f', f) AS t)`, `e`: `NULL`, `ERROR` or `DEFAULT` and its value; two arguments when nothing is said |
//! | `JSON_QUERY(x, p <w> WRAPPER <e> ON EMPTY <f> ON ERROR)` | `JSON_QUERY(x, p, 'w', 'e', 'f')`, `w`: `WITHOUT`, `CONDITIONAL`, `UNCONDITIONAL`; two arguments when nothing is said |
//! | `JSON_EXISTS(x, p <f> ON ERROR)` | `JSON_EXISTS(x, p, 'f')` |
//! | `JSON_OBJECT(KEY k VALUE v <n> ON NULL)` | `JSON_OBJECT('n', k, v)`, `n`: `NULL` or `ABSENT` |
//! | `JSON_ARRAY(v <n> ON NULL)` | `JSON_ARRAY('n', v)` |
//!
//! EXTRACT, POSITION, SUBSTRING, OVERLAY, TRIM, ARRAY[..], tuples and ROW(..) are sqlparser's own nodes.

use super::cursor::{fail, refuse};
use super::interval;
use super::script::is_word;
use super::sql_type;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, TrimWhereField, TypedString, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::{Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use freshet_types::SqlType;

type Parse<T> = Result<T, ParserError>;

/// Name of the function that stands for a `TABLE t` argument.
pub(super) const TABLE_MARKER: &str = "__table";

/// Units of EXTRACT, FLOOR, TIMESTAMPADD and so on.
const UNITS: &[&str] = &[
    "MILLENNIUM",
    "CENTURY",
    "DECADE",
    "YEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DAY",
    "DOW",
    "ISODOW",
    "DOY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "MILLISECOND",
    "MICROSECOND",
    "NANOSECOND",
    "EPOCH",
];

/// Flink SQL.
#[derive(Debug)]
pub struct FlinkDialect;

impl Dialect for FlinkDialect {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }
    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '$'
    }
    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`'
    }
    fn identifier_quote_style(&self, _: &str) -> Option<char> {
        Some('`')
    }
    fn supports_unicode_string_literal(&self) -> bool {
        true
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn supports_table_versioning(&self) -> bool {
        true
    }
    fn supports_match_recognize(&self) -> bool {
        true
    }
    fn supports_boolean_literals(&self) -> bool {
        true
    }
    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }
    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        matches!(word, Keyword::EXISTS | Keyword::INTERVAL | Keyword::CASE | Keyword::NOT)
    }

    fn parse_prefix(&self, p: &mut Parser) -> Option<Parse<Expr>> {
        let Token::Word(word) = &p.peek_token_ref().token else { return None };
        if word.quote_style.is_some() || p.get_current_token().token == Token::Period {
            return None;
        }
        let next = &p.peek_nth_token_ref(1).token;
        let opens = *next == Token::LParen;
        // What is read here and fails is an error at once. sqlparser's own functions try the word as a name then, at
        // every level of nesting, so that an error deep inside costs time exponential in its depth.
        let read: fn(&mut Parser) -> Parse<Expr> = match word.keyword {
            Keyword::CAST if opens => |p| cast(p, CastKind::Cast),
            Keyword::TRY_CAST if opens => |p| cast(p, CastKind::TryCast),
            Keyword::TABLE if opens || matches!(next, Token::Word(_)) => table_argument,
            Keyword::MAP if *next == Token::LBracket => map_literal,
            Keyword::ARRAY if *next == Token::LBracket => |p| {
                p.expect_token(&Token::LBracket)?;
                p.parse_array_expr(true)
            },
            Keyword::FLOOR if opens => |p| rounded(p, "FLOOR"),
            Keyword::CEIL | Keyword::CEILING if opens => |p| rounded(p, "CEIL"),
            Keyword::TRIM if opens => trim,
            Keyword::OVERLAY if opens => |p| p.parse_overlay_expr(),
            Keyword::EXTRACT if opens => |p| p.parse_extract_expr(),
            Keyword::SUBSTRING | Keyword::SUBSTR if opens => |p| {
                p.prev_token();
                p.parse_substring()
            },
            Keyword::POSITION if opens => position,
            Keyword::CONVERT | Keyword::SAFE_CAST | Keyword::STRUCT if opens => plain,
            Keyword::ARRAY if opens => |p| refuse(p.get_current_token().span.start, "ARRAY of a query"),
            Keyword::CASE => |p| p.parse_case_expr(),
            Keyword::EXISTS if opens => |p| p.parse_exists_expr(false),
            Keyword::NOT => |p| p.parse_not(),
            Keyword::INTERVAL if begins_interval(next) => interval::read,
            Keyword::TIMESTAMP if is_text(next) => |p| typed(p, SqlType::Timestamp),
            Keyword::TIME if is_text(next) => |p| typed(p, SqlType::Time),
            Keyword::DATE if is_text(next) => date,
            _ if opens => match word.value.to_ascii_uppercase().as_str() {
                "TIMESTAMPADD" => |p| with_unit(p, "TIMESTAMPADD"),
                "TIMESTAMPDIFF" => |p| with_unit(p, "TIMESTAMPDIFF"),
                "JSON_VALUE" => json_value,
                "JSON_QUERY" => json_query,
                "JSON_EXISTS" => json_exists,
                "JSON_OBJECT" => json_object,
                "JSON_ARRAY" => json_array,
                "JSON_OBJECTAGG" | "JSON_ARRAYAGG" => |p| {
                    let token = p.get_current_token();
                    let what = token.token.to_string().to_uppercase();
                    refuse(token.span.start, &what)
                },
                _ => return None,
            },
            _ => return None,
        };
        p.advance_token();
        Some(read(p))
    }

    fn parse_infix(&self, p: &mut Parser, left: &Expr, _: u8) -> Option<Parse<Expr>> {
        let word = |i: usize, text: &str| is_word(Some(&p.peek_nth_token_ref(i).token), text);
        let negated = word(1, "NOT");
        if word(0, "IS") && word(1 + usize::from(negated), "JSON") {
            (0..2 + usize::from(negated)).for_each(|_| p.advance_token());
            let kinds = ["VALUE", "OBJECT", "ARRAY", "SCALAR"];
            let kind = kinds.into_iter().find(|kind| is_word(Some(&p.peek_token_ref().token), kind));
            if kind.is_some() {
                p.advance_token();
            }
            let test = call("IS_JSON", vec![left.clone(), text(kind.unwrap_or("VALUE"))]);
            return Some(Ok(if negated { not(test) } else { test }));
        }
        let negated = word(0, "NOT");
        let first = usize::from(negated);
        if word(first, "BETWEEN") && (word(first + 1, "SYMMETRIC") || word(first + 1, "ASYMMETRIC")) {
            let symmetric = word(first + 1, "SYMMETRIC");
            (0..first + 2).for_each(|_| p.advance_token());
            return Some(between(p, left, negated, symmetric));
        }
        if word(0, "AT") && word(1, "TIME") {
            let place = p.peek_token_ref().span.start;
            return Some(fail(place, "AT TIME ZONE has no meaning in Flink SQL", "use CONVERT_TZ(text, from, to)"));
        }
        None
    }
}

fn begins_interval(next: &Token) -> bool {
    is_text(next) || matches!(next, Token::Number(..) | Token::Minus | Token::Plus)
}

fn is_text(next: &Token) -> bool {
    matches!(next, Token::SingleQuotedString(_))
}

/// A call of a function by its plain name.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// A text literal.
pub(super) fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_string()).into())
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) }
}

fn accept(p: &mut Parser, words: &[&str]) -> bool {
    let fits = words.iter().enumerate().all(|(i, word)| is_word(Some(&p.peek_nth_token_ref(i).token), word));
    if fits {
        words.iter().for_each(|_| p.advance_token());
    }
    fits
}

fn cast(p: &mut Parser, kind: CastKind) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let expr = p.parse_expr()?;
    p.expect_keyword_is(Keyword::AS)?;
    // VARCHAR without a length has one character in a table, and any number in a cast.
    let is_unbounded = matches!(&p.peek_token().token, Token::Word(w) if w.value.eq_ignore_ascii_case("VARCHAR"))
        && p.peek_nth_token(1).token == Token::RParen;
    let (mut sql_type, _) = sql_type::parse_from(p)?;
    if is_unbounded {
        sql_type = SqlType::STRING;
    }
    p.expect_token(&Token::RParen)?;
    Ok(cast_to(expr, kind, &sql_type))
}

fn cast_to(expr: Expr, kind: CastKind, sql_type: &SqlType) -> Expr {
    Expr::Cast { kind, expr: Box::new(expr), data_type: sql_type::to_ast(sql_type), array: false, format: None }
}

/// `TABLE t`, `TABLE (query)`, each with `PARTITION BY` behind it; the word TABLE has been read.
fn table_argument(p: &mut Parser) -> Parse<Expr> {
    let table = if p.consume_token(&Token::LParen) {
        let query = p.parse_query()?;
        p.expect_token(&Token::RParen)?;
        Expr::Subquery(query)
    } else {
        let name = p.parse_object_name(false)?;
        Expr::CompoundIdentifier(name.0.iter().filter_map(|part| part.as_ident().cloned()).collect())
    };
    let mut args = vec![table];
    if accept(p, &["PARTITION", "BY"]) {
        if p.consume_token(&Token::LParen) {
            args.extend(p.parse_comma_separated(|p| p.parse_identifier())?.into_iter().map(Expr::Identifier));
            p.expect_token(&Token::RParen)?;
        } else {
            args.push(Expr::Identifier(p.parse_identifier()?));
            // A plain name behind a comma is one more column; DESCRIPTOR(..) and named arguments are not plain names.
            while p.peek_token_ref().token == Token::Comma
                && matches!(p.peek_nth_token_ref(1).token, Token::Word(_))
                && matches!(p.peek_nth_token_ref(2).token, Token::Comma | Token::RParen)
            {
                p.advance_token();
                args.push(Expr::Identifier(p.parse_identifier()?));
            }
        }
    }
    if is_word(Some(&p.peek_token_ref().token), "ORDER") {
        return refuse(p.peek_token_ref().span.start, "ORDER BY of a table argument");
    }
    Ok(call(TABLE_MARKER, args))
}

fn map_literal(p: &mut Parser) -> Parse<Expr> {
    let start = p.get_current_token().span.start;
    p.expect_token(&Token::LBracket)?;
    let args = p.parse_comma_separated0(|p| p.parse_expr(), Token::RBracket)?;
    p.expect_token(&Token::RBracket)?;
    if args.len() % 2 == 1 {
        return fail(start, "MAP[...] holds pairs of key and value", "add the missing value");
    }
    Ok(call("MAP", args))
}

fn rounded(p: &mut Parser, name: &str) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let mut args = vec![p.parse_expr()?];
    if accept(p, &["TO"]) {
        args.push(unit(p)?);
    } else {
        while p.consume_token(&Token::Comma) {
            args.push(p.parse_expr()?);
        }
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(name, args))
}

fn unit(p: &mut Parser) -> Parse<Expr> {
    let token = p.next_token();
    let written = match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => return p.expected("a unit of time such as DAY", token),
    };
    let plain = written.strip_prefix("SQL_TSI_").unwrap_or(&written);
    let plain = plain.strip_suffix('S').filter(|singular| UNITS.contains(singular)).unwrap_or(plain);
    if !UNITS.contains(&plain) {
        let hint = freshet_types::suggest::hint(plain, "units", UNITS.iter().copied());
        return fail(token.span.start, &format!("no unit of time named \"{written}\""), &hint);
    }
    Ok(text(plain))
}

fn with_unit(p: &mut Parser, name: &str) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let mut args = vec![unit(p)?];
    for _ in 0..2 {
        p.expect_token(&Token::Comma)?;
        args.push(p.parse_expr()?);
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(name, args))
}

/// `TIMESTAMP '...'`: as many digits as were written.
fn typed(p: &mut Parser, sql_type: fn(u8) -> SqlType) -> Parse<Expr> {
    let value = p.parse_value()?;
    let Value::SingleQuotedString(written) = &value.value else { return p.expected("a text", p.peek_token()) };
    let digits = written.rsplit_once('.').map_or(0, |(_, fraction)| fraction.trim_end().len());
    let Some(digits) = u8::try_from(digits).ok().filter(|n| *n <= 9) else {
        return fail(value.span.start, "a time has at most 9 digits after the point", "write fewer digits");
    };
    Ok(Expr::TypedString(TypedString {
        data_type: sql_type::to_ast(&sql_type(digits)),
        value,
        uses_odbc_syntax: false,
    }))
}

/// `TRIM([BOTH, LEADING, TRAILING] [characters] FROM text)`, `TRIM(text)`.
fn trim(p: &mut Parser) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let trim_where =
        [("BOTH", TrimWhereField::Both), ("LEADING", TrimWhereField::Leading), ("TRAILING", TrimWhereField::Trailing)]
            .into_iter()
            .find(|(word, _)| accept(p, &[word]))
            .map(|(_, side)| side);
    if trim_where.is_some() && accept(p, &["FROM"]) {
        let expr = Box::new(p.parse_expr()?);
        p.expect_token(&Token::RParen)?;
        return Ok(Expr::Trim { expr, trim_where, trim_what: None, trim_characters: None });
    }
    let first = Box::new(p.parse_expr()?);
    let (expr, trim_what) = match accept(p, &["FROM"]) {
        true => (Box::new(p.parse_expr()?), Some(first)),
        false => (first, None),
    };
    p.expect_token(&Token::RParen)?;
    Ok(Expr::Trim { expr, trim_where, trim_what, trim_characters: None })
}

/// `POSITION(a IN b)`, or a call like any other.
fn position(p: &mut Parser) -> Parse<Expr> {
    let name = p.get_current_token().token.to_string();
    p.expect_token(&Token::LParen)?;
    let part = p.parse_subexpr(p_between())?;
    if accept(p, &["IN"]) {
        let whole = p.parse_expr()?;
        p.expect_token(&Token::RParen)?;
        return Ok(Expr::Position { expr: Box::new(part), r#in: Box::new(whole) });
    }
    let mut args = vec![part];
    while p.consume_token(&Token::Comma) {
        args.push(p.parse_expr()?);
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(&name, args))
}

/// A call of a function whose name means more in other dialects.
fn plain(p: &mut Parser) -> Parse<Expr> {
    let name = Ident::new(p.get_current_token().token.to_string());
    p.parse_function(ObjectName::from(vec![name]))
}

fn date(p: &mut Parser) -> Parse<Expr> {
    Ok(Expr::TypedString(TypedString { data_type: DataType::Date, value: p.parse_value()?, uses_odbc_syntax: false }))
}

fn between(p: &mut Parser, left: &Expr, negated: bool, symmetric: bool) -> Parse<Expr> {
    use datafusion::sql::sqlparser::ast::BinaryOperator::Or;
    let precedence = p_between();
    let low = p.parse_subexpr(precedence)?;
    p.expect_keyword_is(Keyword::AND)?;
    let high = p.parse_subexpr(precedence)?;
    let one = |low: &Expr, high: &Expr| {
        Box::new(Expr::Between {
            expr: Box::new(left.clone()),
            negated: false,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        })
    };
    let test = if symmetric {
        Expr::Nested(Box::new(Expr::BinaryOp { left: one(&low, &high), op: Or, right: one(&high, &low) }))
    } else {
        *one(&low, &high)
    };
    Ok(if negated { not(test) } else { test })
}

fn p_between() -> u8 {
    FlinkDialect.prec_value(Precedence::Between)
}

/// `NULL`, `ERROR`, `DEFAULT x`, ... and then `ON EMPTY` or `ON ERROR`.
fn json_behaviours(p: &mut Parser, words: &[&[&str]]) -> Parse<[Option<(String, Expr)>; 2]> {
    let mut found: [Option<(String, Expr)>; 2] = [None, None];
    loop {
        let start = p.peek_token_ref().span.start;
        let null = || Expr::Value(Value::Null.into());
        let behaviour = if accept(p, &["DEFAULT"]) {
            ("DEFAULT".to_string(), p.parse_expr()?)
        } else if let Some(words) = words.iter().find(|words| accept(p, words)) {
            (words.join(" "), null())
        } else {
            return Ok(found);
        };
        let slot = if accept(p, &["ON", "EMPTY"]) {
            0
        } else if accept(p, &["ON", "ERROR"]) {
            1
        } else {
            return p.expected_ref("ON EMPTY or ON ERROR", p.peek_token_ref());
        };
        if found[slot].replace(behaviour).is_some() {
            return fail(start, "the same case is given twice", "remove one of them");
        }
    }
}

fn json_start(p: &mut Parser) -> Parse<Vec<Expr>> {
    p.expect_token(&Token::LParen)?;
    let json = p.parse_expr()?;
    p.expect_token(&Token::Comma)?;
    for mode in ["LAX", "STRICT"] {
        accept(p, &[mode]);
    }
    Ok(vec![json, p.parse_expr()?])
}

fn json_value(p: &mut Parser) -> Parse<Expr> {
    let mut args = json_start(p)?;
    let returning = if accept(p, &["RETURNING"]) { Some(sql_type::parse_from(p)?.0) } else { None };
    let [empty, error] = json_behaviours(p, &[&["NULL"], &["ERROR"]])?;
    p.expect_token(&Token::RParen)?;
    let strict = matches!(&error, Some((word, _)) if word == "ERROR");
    if empty.is_some() || error.is_some() {
        for case in [empty, error] {
            let (word, value) = case.unwrap_or(("NULL".to_string(), Expr::Value(Value::Null.into())));
            args.extend([text(&word), value]);
        }
    }
    let value = call("JSON_VALUE", args);
    let kind = if strict { CastKind::Cast } else { CastKind::TryCast };
    Ok(match returning {
        Some(sql_type) if sql_type != SqlType::STRING => cast_to(value, kind, &sql_type),
        _ => value,
    })
}

fn json_query(p: &mut Parser) -> Parse<Expr> {
    let mut args = json_start(p)?;
    if accept(p, &["RETURNING"]) {
        let start = p.peek_token_ref().span.start;
        let (sql_type, _) = sql_type::parse_from(p)?;
        if !sql_type.is_text() {
            return refuse(start, "JSON_QUERY with a type other than STRING");
        }
    }
    let wrapper = if accept(p, &["WITHOUT"]) {
        accept(p, &["ARRAY"]);
        p.expect_keyword_is(Keyword::WRAPPER)?;
        Some("WITHOUT")
    } else if accept(p, &["WITH"]) {
        let conditional = accept(p, &["CONDITIONAL"]);
        accept(p, &["UNCONDITIONAL"]);
        accept(p, &["ARRAY"]);
        p.expect_keyword_is(Keyword::WRAPPER)?;
        Some(if conditional { "CONDITIONAL" } else { "UNCONDITIONAL" })
    } else {
        None
    };
    let [empty, error] = json_behaviours(p, &[&["NULL"], &["ERROR"], &["EMPTY", "ARRAY"], &["EMPTY", "OBJECT"]])?;
    p.expect_token(&Token::RParen)?;
    if wrapper.is_some() || empty.is_some() || error.is_some() {
        args.push(text(wrapper.unwrap_or("WITHOUT")));
        args.extend([empty, error].map(|case| text(case.as_ref().map_or("NULL", |(word, _)| word))));
    }
    Ok(call("JSON_QUERY", args))
}

fn json_exists(p: &mut Parser) -> Parse<Expr> {
    let mut args = json_start(p)?;
    let [_, error] = json_behaviours(p, &[&["TRUE"], &["FALSE"], &["UNKNOWN"], &["ERROR"]])?;
    p.expect_token(&Token::RParen)?;
    if let Some((word, _)) = error {
        args.push(text(&word));
    }
    Ok(call("JSON_EXISTS", args))
}

/// `NULL ON NULL` or `ABSENT ON NULL`, then the closing parenthesis.
fn json_nulls(p: &mut Parser, default: &str) -> Parse<Expr> {
    let word = if accept(p, &["NULL", "ON", "NULL"]) {
        "NULL"
    } else if accept(p, &["ABSENT", "ON", "NULL"]) {
        "ABSENT"
    } else {
        default
    };
    p.expect_token(&Token::RParen)?;
    Ok(text(word))
}

fn json_ends(p: &Parser) -> bool {
    p.peek_token_ref().token == Token::RParen
        || ["NULL", "ABSENT"].iter().any(|word| {
            is_word(Some(&p.peek_token_ref().token), word) && is_word(Some(&p.peek_nth_token_ref(1).token), "ON")
        })
}

fn json_object(p: &mut Parser) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let mut args = Vec::new();
    while !json_ends(p) {
        accept(p, &["KEY"]);
        args.push(p.parse_expr()?);
        if !accept(p, &["VALUE"]) {
            p.expect_token(&Token::Colon)?;
        }
        args.push(p.parse_expr()?);
        if !p.consume_token(&Token::Comma) {
            break;
        }
    }
    args.insert(0, json_nulls(p, "NULL")?);
    Ok(call("JSON_OBJECT", args))
}

fn json_array(p: &mut Parser) -> Parse<Expr> {
    p.expect_token(&Token::LParen)?;
    let mut args = Vec::new();
    while !json_ends(p) {
        args.push(p.parse_expr()?);
        if !p.consume_token(&Token::Comma) {
            break;
        }
    }
    args.insert(0, json_nulls(p, "ABSENT")?);
    Ok(call("JSON_ARRAY", args))
}
