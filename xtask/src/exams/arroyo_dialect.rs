//! Arroyo's dialect written as ours: files for `single_file`, table functions for windows in GROUP BY, views for sinks.

use regex::{Captures, Regex};
use std::collections::BTreeMap;

fn re(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is constant")
}

/// A CREATE TABLE of theirs.
struct Table {
    /// Names and types, ours.
    columns: Vec<(String, String)>,
    /// Column of event time, and what is taken off it.
    watermark: Option<(String, String)>,
    options: BTreeMap<String, String>,
    primary_key: Option<String>,
}

/// The script, which ends with a query for what their last sink receives. None when a pipeline uses a shape that has no
/// counterpart.
pub(super) fn translate(text: &str, inputs: &str) -> Option<String> {
    let text: String = text.lines().filter(|l| !l.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let mut pipeline = Pipeline::default();
    let mut inserts: Vec<(String, String)> = Vec::new();
    for statement in text.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        if let Some(found) =
            re(r"(?is)^create\s+table\s+(\w+)\s*(\(.*?\))?\s*(?:with\s*\((.*)\))?$").captures(statement)
        {
            let options = found.get(3).map_or("", |o| o.as_str());
            let table = table(found.get(2).map_or("", |c| c.as_str()), options)?;
            if table.options.get("type").is_some_and(|t| t == "source") {
                pipeline.script.push(source(&found[1], &table, inputs)?);
            }
            pipeline.tables.insert(found[1].to_lowercase(), table);
        } else if let Some(found) = re(r"(?is)^create\s+view\s+(\w+)\s+as\s+(.*)$").captures(statement) {
            let query = pipeline.query(&found[2])?;
            pipeline.script.push(format!("CREATE TEMPORARY VIEW {} AS {query}", &found[1]));
        } else if let Some(found) = re(r"(?is)^insert\s+into\s+(\w+)\s+(.*)$").captures(statement) {
            let query = pipeline.query(&found[2])?;
            let query = pipeline.as_sink(&found[1].to_lowercase(), &query)?;
            match inserts.iter_mut().find(|(sink, _)| *sink == found[1]) {
                Some((_, all)) => *all = format!("{all}\nUNION ALL\n{query}"),
                None => inserts.push((found[1].to_string(), query)),
            }
        } else {
            return None;
        }
    }
    let (_, last) = inserts.pop()?;
    for (sink, query) in inserts {
        pipeline.script.push(format!("CREATE TEMPORARY VIEW {sink} AS {query}"));
    }
    pipeline.script.push(last);
    Some(pipeline.script.join(";\n") + ";")
}

/// Splits at commas outside of brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("it begins with one").push(c);
    }
    parts.iter().map(|p| p.trim().to_string()).filter(|p| !p.is_empty()).collect()
}

fn table(columns: &str, options: &str) -> Option<Table> {
    let mut table = Table { columns: Vec::new(), watermark: None, options: BTreeMap::new(), primary_key: None };
    for option in split(options) {
        let (name, value) = option.split_once('=')?;
        table.options.insert(name.trim().trim_matches('\'').to_string(), value.trim().trim_matches('\'').to_string());
    }
    for column in split(columns.trim().trim_start_matches('(').strip_suffix(')').unwrap_or_default()) {
        if let Some(found) = re(r"(?is)^watermark\s+for\s+(\w+)\s*(?:as\s*(.*))?$").captures(&column) {
            let delay = found.get(2).and_then(|e| re(r"(?is)-\s*(interval\s*'[^']*'(?:\s*\w+)?)").captures(e.as_str()));
            let delay = delay.map_or_else(String::new, |d| format!(" - {}", intervals(&d[1])));
            table.watermark = Some((found[1].to_string(), delay));
            continue;
        }
        let (name, rest) = column.split_once(char::is_whitespace)?;
        if re(r"(?i)primary\s+key").is_match(rest) {
            table.primary_key = Some(name.to_string());
        }
        let bare = re(r"(?i)\s*(primary\s+key|not\s+null|unsigned)").replace_all(rest.trim(), "").to_uppercase();
        let ours = match bare.as_str() {
            "TEXT" => "STRING",
            "TIMESTAMP" => "TIMESTAMP(3)",
            "INTEGER" => "INT",
            other => other,
        };
        table.columns.push((name.to_string(), ours.to_string()));
    }
    if let Some(field) = table.options.get("event_time_field") {
        table.watermark.get_or_insert_with(|| (field.clone(), " - INTERVAL '1' SECOND".into()));
    }
    Some(table)
}

fn source(name: &str, table: &Table, inputs: &str) -> Option<String> {
    let mut items: Vec<String> = table.columns.iter().map(|(name, t)| format!("`{name}` {t}")).collect();
    items.extend(table.primary_key.iter().map(|key| format!("PRIMARY KEY (`{key}`) NOT ENFORCED")));
    items.extend(table.watermark.iter().map(|(time, delay)| format!("WATERMARK FOR `{time}` AS `{time}`{delay}")));
    let path = table.options.get("path")?.replace("$input_dir", inputs);
    let format = table.options.get("format")?.replace('_', "-");
    Some(format!(
        "CREATE TEMPORARY TABLE {name} ({}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}', \
         '{format}.timestamp-format.standard' = 'ISO-8601')",
        items.join(", ")
    ))
}

/// `INTERVAL '30 days'` as `INTERVAL '30' DAY`.
fn intervals(text: &str) -> String {
    re(r"(?i)interval\s*'(\d+)\s+([a-z]+?)s?'").replace_all(text, "INTERVAL '$1' $2").into_owned()
}

#[derive(Default)]
struct Pipeline {
    script: Vec<String>,
    tables: BTreeMap<String, Table>,
    views: usize,
}

/// A window function in a SELECT list.
const WINDOW: &str = r"(?is)\b(tumble|hop|session)\s*\(([^()]*)\)\s+as\s+window\b";

impl Pipeline {
    fn query(&mut self, text: &str) -> Option<String> {
        let mut text = re("==").replace_all(&intervals(text), "=").into_owned();
        // An average is a fraction there.
        text = re(r"(?i)\bavg\((\w+)\)").replace_all(&text, "AVG(CAST($1 AS DOUBLE))").into_owned();
        while let Some(found) = re(WINDOW).find(&text) {
            let (start, end) = enclosing(&text, found.start());
            let inner = self.windowed(&text[start..end])?;
            text.replace_range(start..end, &inner);
        }
        let rewrites = [
            (r"(?i)\b(\w+)\.window\s+as\s+window\b", "$1.window_start AS window_start, $1.window_end AS window_end"),
            (
                r"(?i)\b(\w+)\.window\s*=\s*(\w+)\.window\b",
                "$1.window_start = $2.window_start AND $1.window_end = $2.window_end",
            ),
            (r"(?i)\bwindow\.(start|end)\b", "window_$1"),
            (r"(?i)\bpartition\s+by\s+window\b", "PARTITION BY window_start, window_end"),
            (r"(?i)\bas\s+(hour|month|start|end)\b", "AS `$1`"),
        ];
        for (pattern, with) in rewrites {
            text = re(pattern).replace_all(&text, with).into_owned();
        }
        // Names that are words of SQL with us.
        let words = re(r"(?i)`?\b(timestamp|count|rows|row_number|min|max|sum)\b(`|\s*\()?");
        let quoted = |c: &Captures<'_>| if c.get(2).is_some() { c[0].to_string() } else { format!("`{}`", &c[1]) };
        Some(words.replace_all(&text, quoted).into_owned())
    }

    /// `SELECT .., window(..) AS window, .. FROM t WHERE .. GROUP BY ..` over the table function; the window becomes
    /// `window_start, window_end`.
    fn windowed(&mut self, select: &str) -> Option<String> {
        let shape = r"(?is)^\s*select\s+(.*?)\s+from\s+(\w+)(?:\s+where\s+(.*?))?\s+group\s+by\s+(.*?)\s*$";
        let found = re(shape).captures(select)?;
        let items: Vec<(String, Option<String>)> = split(&found[1])
            .into_iter()
            .map(|item| match re(r"(?is)^(.*)\s+as\s+(\w+)$").captures(&item) {
                Some(parts) => (parts[1].to_string(), Some(parts[2].to_string())),
                None => (item, None),
            })
            .collect();
        let is_window = |item: &(String, Option<String>)| item.1.as_deref() == Some("window");
        let (mut keys, mut computed) = (Vec::new(), Vec::new());
        let mut names: BTreeMap<usize, String> = BTreeMap::new();
        for term in split(&found[4]) {
            let by_name = || items.iter().position(|(expr, alias)| alias.as_deref().unwrap_or(expr) == term);
            let item = match term.parse::<usize>() {
                Ok(n) => n.checked_sub(1).filter(|n| *n < items.len())?,
                Err(_) => by_name()?,
            };
            if is_window(&items[item]) {
                continue;
            }
            let name = items[item].1.clone().unwrap_or_else(|| items[item].0.clone());
            if name != items[item].0 {
                computed.push(format!(", {} AS {name}", items[item].0));
            }
            names.insert(item, name.clone());
            keys.push(name);
        }
        let (time, _) = self.tables.get(&found[2].to_lowercase())?.watermark.clone()?;
        self.views += 1;
        let view = format!("windowed_{}", self.views);
        let filter = found.get(3).map_or_else(String::new, |w| format!(" WHERE {}", w.as_str()));
        self.script.push(format!(
            "CREATE TEMPORARY VIEW {view} AS SELECT *{} FROM {}{filter}",
            computed.concat(),
            &found[2]
        ));
        let window = items.iter().find(|i| is_window(i))?;
        let call = re(r"(?is)^(\w+)\s*\((.*)\)$").captures(&window.0)?;
        let by = if call[1].eq_ignore_ascii_case("session") && !keys.is_empty() {
            format!(" PARTITION BY {}", keys.join(", "))
        } else {
            String::new()
        };
        let list: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(i, item)| match (names.get(&i), &item.1) {
                (Some(name), _) => name.clone(),
                (None, _) if is_window(item) => "window_start, window_end".into(),
                (None, Some(alias)) => format!("{} AS {alias}", item.0),
                (None, None) => item.0.clone(),
            })
            .collect();
        keys.extend(["window_start".to_string(), "window_end".to_string()]);
        Some(format!(
            "SELECT {} FROM TABLE({}(TABLE {view}{by}, DESCRIPTOR(`{time}`), {})) GROUP BY {}",
            list.join(", "),
            call[1].to_uppercase(),
            &call[2],
            keys.join(", ")
        ))
    }

    /// A query with the sink's names and types, as INSERT gives them.
    fn as_sink(&self, sink: &str, query: &str) -> Option<String> {
        let columns = &self.tables.get(sink)?.columns;
        if columns.is_empty() {
            return Some(query.to_string());
        }
        let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
        let list: Vec<String> =
            columns.iter().enumerate().map(|(i, (name, t))| format!("CAST(c{i} AS {t}) AS `{name}`")).collect();
        Some(format!("SELECT {} FROM ({query}) AS written ({})", list.join(", "), names.join(", ")))
    }
}

/// The brackets, or the whole text, around a place.
fn enclosing(text: &str, at: usize) -> (usize, usize) {
    let (mut start, mut depth) = (0, 0);
    for (i, c) in text[..at].char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => {
                start = i + 1;
                break;
            }
            '(' => depth -= 1,
            _ => {}
        }
    }
    let mut depth = 0;
    for (i, c) in text[at..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return (start, at + i),
            ')' => depth -= 1,
            _ => {}
        }
    }
    (start, text.len())
}
