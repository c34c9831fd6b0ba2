//! Questions of RisingWave's files that PostgreSQL answers otherwise than Flink does.
//!
//! One or more of each kind were put to Flink 2.3, which answers as we do or refuses them (but for the quotes in arrays,
//! which are a matter of printing). A question stands here by the part of its text, or of the awaited rows, that makes the
//! difference.

/// Why PostgreSQL's answer to a question cannot be ours.
pub(super) fn why(sql: &str, expected: &[String]) -> Option<&'static str> {
    let sql = sql.to_lowercase();
    let asked = QUESTIONS.iter().find(|(part, _)| sql.contains(part)).map(|(_, why)| *why);
    asked.or_else(|| {
        let awaits = |part: &str| expected.iter().any(|line| line.contains(part));
        ANSWERS.iter().find(|(part, _)| awaits(part)).map(|(_, why)| *why)
    })
}

/// Parts of questions, in lower case.
const QUESTIONS: &[(&str, &str)] = &[
    ("'yyyy", "the letters of patterns are Java's in Flink"),
    ("'mm/dd/yyyy'", "the letters of patterns are Java's in Flink"),
    ("'dd-mm-yyyy'", "the letters of patterns are Java's in Flink"),
    ("to_date(s, format)", "the letters of patterns are Java's in Flink"),
    ("extract(dow ", "Sunday is day 1 in Flink"),
    ("extract(second from v2)", "EXTRACT gives whole parts in Flink"),
    ("extract(millisecond from v2)", "EXTRACT gives whole parts in Flink"),
    ("extract(microsecond from v2)", "EXTRACT gives whole parts in Flink"),
    ("extract(nanosecond from v2)", "EXTRACT gives whole parts in Flink"),
    ("concat(null", "CONCAT with a NULL is NULL in Flink"),
    ("concat('a', null)", "CONCAT with a NULL is NULL in Flink"),
    ("true, null)", "CONCAT with a NULL is NULL in Flink"),
    ("concat(v1, v2, v3, v4, v5, v6, v7)", "CONCAT with a NULL is NULL in Flink"),
    ("from 5 for 0)", "OVERLAY of no characters is that of all that follow in Flink"),
    ("'a'::char(2) = 'a '::char(2)", "texts of CHAR are padded in Flink"),
    ("round(-0.1::real)", "ROUND gives no negative zero in Flink"),
    ("round(4.5::float)", "ROUND rounds a half up in Flink"),
    ("round('4.5')", "ROUND rounds a half up in Flink"),
    ("array_append(array[array[array[1]]], array[array[2.1]])", "a whole number among decimals has their digits here"),
];

/// Parts of awaited rows.
const ANSWERS: &[(&str, &str)] = &[
    (":01.123456789", "TIMESTAMP has six digits in Flink"),
    ("\"nULl\"", "PostgreSQL quotes texts in arrays"),
    ("{\"(1,2)\"}", "PostgreSQL quotes texts in arrays"),
    ("{\"{1,2}\"}", "PostgreSQL quotes texts in arrays"),
];
