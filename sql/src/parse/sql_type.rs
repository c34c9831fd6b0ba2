//! Flink's spelling of types.
//!
//! In a query a type stands as `DataType::Custom` with one identifier: the spelling that [`SqlType`] prints. The planner
//! turns it back with [`type_of`].

use super::script::{Script, is_word, lower_first};
use datafusion::sql::sqlparser::ast::{DataType, Ident, ObjectName, ObjectNamePart};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use freshet_types::sql_type::UNBOUNDED;
use freshet_types::{Result, SqlField, SqlType};

type Parse<T> = std::result::Result<T, ParserError>;

/// Reads a type and whether NULL is in it.
///
/// ```
/// use freshet_sql::parse::parse_type;
/// let (t, nullable) = parse_type("row<a int not null, b array<timestamp(3) with local time zone>> not null").unwrap();
/// assert_eq!(t.to_string(), "ROW<`a` INT NOT NULL, `b` ARRAY<TIMESTAMP_LTZ(3)>>");
/// assert!(!nullable);
/// ```
///
/// # Errors
/// `sql.syntax`, `type.unsupported`
pub fn parse_type(text: &str) -> Result<(SqlType, bool)> {
    let script = Script::read(text).map_err(|e| e.error)?;
    let mut cursor = super::cursor::Cursor::new(&script, 0..script.tokens.len())?;
    let parsed = cursor.parse(parse_from)?;
    cursor.end()?;
    Ok(parsed)
}

/// The type that a CAST in a query names; none for a `DataType` that the parser did not make.
///
/// # Errors
/// Those of [`parse_type`].
pub fn type_of(data_type: &DataType) -> Result<Option<SqlType>> {
    match data_type {
        DataType::Custom(ObjectName(parts), modifiers) if modifiers.is_empty() => match parts.as_slice() {
            [ObjectNamePart::Identifier(ident)] => parse_type(&ident.value).map(|(t, _)| Some(t)),
            _ => Ok(None),
        },
        DataType::Date => Ok(Some(SqlType::Date)),
        _ => Ok(None),
    }
}

/// The form in which a type stands in a query.
pub(super) fn to_ast(sql_type: &SqlType) -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::new(sql_type.to_string())]), vec![])
}

/// Reads a type with its `NOT NULL`.
pub(super) fn parse_from(p: &mut Parser) -> Parse<(SqlType, bool)> {
    let mut sql_type = base(p)?;
    let mut nullable = nullability(p)?;
    while is_word(Some(&p.peek_token_ref().token), "ARRAY") || is_word(Some(&p.peek_token_ref().token), "MULTISET") {
        if is_word(Some(&p.peek_token_ref().token), "MULTISET") {
            return unsupported(p, "type MULTISET");
        }
        p.next_token();
        sql_type = SqlType::Array(Box::new(SqlField { name: String::new(), sql_type, nullable }));
        nullable = nullability(p)?;
    }
    Ok((sql_type, nullable))
}

fn accept(p: &mut Parser, words: &[&str]) -> bool {
    let fits = words.iter().enumerate().all(|(i, word)| is_word(Some(&p.peek_nth_token_ref(i).token), word));
    if fits {
        words.iter().for_each(|_| p.advance_token());
    }
    fits
}

fn nullability(p: &mut Parser) -> Parse<bool> {
    if accept(p, &["NOT", "NULL"]) {
        return Ok(false);
    }
    accept(p, &["NULL"]);
    Ok(true)
}

/// An error that says what is not there yet, at the last token read.
pub(super) fn unsupported<T>(p: &Parser, what: &str) -> Parse<T> {
    super::cursor::refuse(p.peek_token_ref().span.start, what)
}

fn wrong<T>(p: &Parser, text: String) -> Parse<T> {
    Err(ParserError::ParserError(format!("{}{}", lower_first(&text), p.get_current_token().span.start)))
}

fn base(p: &mut Parser) -> Parse<SqlType> {
    let token = p.peek_token();
    let Token::Word(word) = &token.token else { return p.expected("a type", token) };
    let name = word.value.to_uppercase();
    if word.quote_style.is_some() {
        return p.expected("a type", token);
    }
    if ["MULTISET", "RAW", "VARIANT", "STRUCTURED", "BITMAP"].contains(&name.as_str()) {
        return unsupported(p, &format!("type {name}"));
    }
    p.next_token();
    Ok(match name.as_str() {
        "BOOLEAN" => SqlType::Boolean,
        "TINYINT" => SqlType::TinyInt,
        "SMALLINT" => SqlType::SmallInt,
        "INT" | "INTEGER" => SqlType::Int,
        "BIGINT" => SqlType::BigInt,
        "FLOAT" | "REAL" => SqlType::Float,
        "DOUBLE" => {
            accept(p, &["PRECISION"]);
            SqlType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(p)?,
        "CHAR" | "CHARACTER" if accept(p, &["VARYING"]) => SqlType::Varchar(length(p, &name)?),
        "CHAR" | "CHARACTER" => SqlType::Char(length(p, &name)?),
        "VARCHAR" => SqlType::Varchar(length(p, &name)?),
        "STRING" => SqlType::STRING,
        "BINARY" if accept(p, &["VARYING"]) => SqlType::Varbinary(length(p, &name)?),
        "BINARY" => SqlType::Binary(length(p, &name)?),
        "VARBINARY" => SqlType::Varbinary(length(p, &name)?),
        "BYTES" => SqlType::BYTES,
        "DATE" => SqlType::Date,
        "TIME" => {
            let digits = digits(p, 0)?;
            if accept(p, &["WITH"]) {
                return unsupported(p, "type TIME WITH TIME ZONE");
            }
            accept(p, &["WITHOUT", "TIME", "ZONE"]);
            SqlType::Time(digits)
        }
        "TIMESTAMP" => {
            let digits = digits(p, 6)?;
            if accept(p, &["WITH", "LOCAL", "TIME", "ZONE"]) {
                SqlType::TimestampLtz(digits)
            } else if is_word(Some(&p.peek_token_ref().token), "WITH") {
                return unsupported(p, "type TIMESTAMP WITH TIME ZONE");
            } else {
                accept(p, &["WITHOUT", "TIME", "ZONE"]);
                SqlType::Timestamp(digits)
            }
        }
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(digits(p, 6)?),
        "INTERVAL" => interval(p)?,
        "ARRAY" => {
            p.expect_token(&Token::Lt)?;
            let (sql_type, nullable) = parse_from(p)?;
            p.expect_token(&Token::Gt)?;
            SqlType::Array(Box::new(SqlField { name: String::new(), sql_type, nullable }))
        }
        "MAP" => {
            p.expect_token(&Token::Lt)?;
            let (key, _) = parse_from(p)?;
            p.expect_token(&Token::Comma)?;
            let (sql_type, nullable) = parse_from(p)?;
            p.expect_token(&Token::Gt)?;
            SqlType::Map(Box::new(key), Box::new(SqlField { name: String::new(), sql_type, nullable }))
        }
        "ROW" => row(p)?,
        "NULL" => SqlType::Null,
        _ => {
            let known = [
                "BOOLEAN",
                "TINYINT",
                "SMALLINT",
                "INT",
                "BIGINT",
                "FLOAT",
                "DOUBLE",
                "DECIMAL",
                "CHAR",
                "VARCHAR",
                "STRING",
                "BINARY",
                "VARBINARY",
                "BYTES",
                "DATE",
                "TIME",
                "TIMESTAMP",
                "TIMESTAMP_LTZ",
                "ARRAY",
                "MAP",
                "ROW",
            ];
            let instead = match name.as_str() {
                "TEXT" | "CLOB" => "did you mean \"STRING\"?".to_string(),
                "DATETIME" | "TIMESTAMPTZ" => "write TIMESTAMP(3) or TIMESTAMP_LTZ(3)".to_string(),
                "LONG" | "INT8" => "did you mean \"BIGINT\"?".to_string(),
                "BOOL" => "did you mean \"BOOLEAN\"?".to_string(),
                "BLOB" | "BYTEA" => "did you mean \"BYTES\"?".to_string(),
                "STRUCT" => "write ROW<name type, ...>".to_string(),
                _ => freshet_types::suggest::hint(&name, "types", known),
            };
            return super::cursor::fail(token.span.start, &format!("no type named \"{}\"", word.value), &instead);
        }
    })
}

fn number(p: &mut Parser) -> Parse<u64> {
    p.parse_literal_uint()
}

fn length(p: &mut Parser, name: &str) -> Parse<u32> {
    if !p.consume_token(&Token::LParen) {
        return Ok(1);
    }
    let n = number(p)?;
    let Some(n) = u32::try_from(n).ok().filter(|n| (1..=UNBOUNDED).contains(n)) else {
        return wrong(p, format!("the length of {name} is from 1 to {UNBOUNDED}, not {n}"));
    };
    p.expect_token(&Token::RParen)?;
    Ok(n)
}

fn digits(p: &mut Parser, default: u8) -> Parse<u8> {
    if !p.consume_token(&Token::LParen) {
        return Ok(default);
    }
    let n = number(p)?;
    let Some(n) = u8::try_from(n).ok().filter(|n| *n <= 9) else {
        return wrong(p, format!("a time has 0 to 9 digits after the point, not {n}"));
    };
    p.expect_token(&Token::RParen)?;
    Ok(n)
}

fn decimal(p: &mut Parser) -> Parse<SqlType> {
    if !p.consume_token(&Token::LParen) {
        return Ok(SqlType::Decimal(10, 0));
    }
    let precision = number(p)?;
    let scale = if p.consume_token(&Token::Comma) { number(p)? } else { 0 };
    let (Some(precision), Some(scale)) = (
        u8::try_from(precision).ok().filter(|n| (1..=38).contains(n)),
        i8::try_from(scale).ok().filter(|_| scale <= precision),
    ) else {
        return wrong(
            p,
            format!("DECIMAL has 1 to 38 digits and no more of them behind the point, not ({precision}, {scale})"),
        );
    };
    p.expect_token(&Token::RParen)?;
    Ok(SqlType::Decimal(precision, scale))
}

fn interval(p: &mut Parser) -> Parse<SqlType> {
    let token = p.next_token();
    let unit = token.token.to_string().to_uppercase();
    let parsed = match unit.as_str() {
        "YEAR" | "MONTH" | "QUARTER" => SqlType::IntervalYearMonth,
        "WEEK" | "DAY" | "HOUR" | "MINUTE" | "SECOND" => SqlType::IntervalDayTime,
        _ => return p.expected("a unit such as YEAR, MONTH, DAY or SECOND", token),
    };
    p.parse_optional_precision_scale()?;
    if accept(p, &["TO"]) {
        let token = p.next_token();
        let last = token.token.to_string().to_uppercase();
        let fits = match parsed {
            SqlType::IntervalYearMonth => last == "MONTH",
            _ => ["HOUR", "MINUTE", "SECOND"].contains(&last.as_str()),
        };
        if !fits {
            return p.expected("a smaller unit of the same interval", token);
        }
        p.parse_optional_precision()?;
    }
    Ok(parsed)
}

fn row(p: &mut Parser) -> Parse<SqlType> {
    let close = match p.next_token() {
        t if t.token == Token::Lt => Token::Gt,
        t if t.token == Token::LParen => Token::RParen,
        t if t.token == Token::Neq => return Ok(SqlType::Row(Vec::new())),
        other => return p.expected("< and the fields of the ROW", other),
    };
    let mut fields: Vec<SqlField> = Vec::new();
    loop {
        let token = p.peek_token();
        let Token::Word(word) = &token.token else { return p.expected("the name of a field", token) };
        p.next_token();
        if fields.iter().any(|f| f.name == word.value) {
            return super::cursor::fail(
                token.span.start,
                &format!("field \"{}\" stands twice in the same ROW", word.value),
                "rename one of them",
            );
        }
        let (sql_type, nullable) = parse_from(p)?;
        fields.push(SqlField { name: word.value.clone(), sql_type, nullable });
        accept(p, &["COMMENT"]);
        if let Token::SingleQuotedString(_) = p.peek_token_ref().token {
            p.next_token();
        }
        if !p.consume_token(&Token::Comma) {
            break;
        }
    }
    p.expect_token(&close)?;
    Ok(SqlType::Row(fields))
}
