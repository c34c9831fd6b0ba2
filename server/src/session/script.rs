//! Scripts: which statements run together, which one after the other.
//!
//! INSERTs that stand together run as one job, so that a source is read once and all their output commits together. One
//! that reads what another of them writes starts the next job. When a job never ends by itself, the INSERTs behind it join
//! it (what stands between is executed first), because they would never get their turn.

use super::Session;
use crate::Observer;
use freshet_sql::parse::{Insert, Parsed, Statement, parse_script, place_of};
use freshet_types::{Error, Result};

impl Session {
    /// Executes the statements of `text` in order; stops at the first error, which carries its place in `text`.
    ///
    /// # Errors
    /// Whatever a statement may bring.
    pub fn run_script(&mut self, text: &str, observer: &mut dyn Observer) -> Result<()> {
        let parsed = parse_script(text)?;
        let mut rest = parsed.as_slice();
        self.was_stopped = false;
        while let Some((first, behind)) = rest.split_first() {
            if self.was_stopped {
                observer.notice(&match rest.len() {
                    1 => "the statement behind it was not executed".to_string(),
                    n => format!("the {n} statements behind it were not executed"),
                });
                return Ok(());
            }
            first.notices.iter().for_each(|n| observer.notice(n));
            rest = match &first.statement {
                Statement::Insert(insert) => self.run_inserts(insert, first, behind, observer)?,
                _ => {
                    self.execute(first, observer).map_err(|e| placed(e, first))?;
                    behind
                }
            };
        }
        Ok(())
    }

    /// Runs `first` with the INSERTs behind it that belong to the same job; gives what is left.
    fn run_inserts<'a>(
        &mut self,
        first: &Insert,
        place: &Parsed,
        mut rest: &'a [Parsed],
        observer: &mut dyn Observer,
    ) -> Result<&'a [Parsed]> {
        let mut group = vec![first.clone()];
        let mut places = vec![place];
        while let Some((Parsed { statement: Statement::Insert(next), notices, .. }, behind)) = rest.split_first()
            && !reads_what_is_written(next, &group)
        {
            notices.iter().for_each(|n| observer.notice(n));
            group.push((**next).clone());
            places.push(&rest[0]);
            rest = behind;
        }
        let is_bounded = match self.planner().plan_inserts(&group) {
            Ok(plan) => plan.bounded,
            Err(e) => return Err(placed(e, self.first_wrong(&group, &places))),
        };
        if !is_bounded {
            while let Some((next, behind)) = rest.split_first() {
                match &next.statement {
                    Statement::Insert(insert) => group.push((**insert).clone()),
                    Statement::StatementSet(inserts) => group.extend(inserts.iter().cloned()),
                    Statement::Query(_) => break,
                    Statement::CreateTable(table) if table.as_select.is_some() => break,
                    _ => self.execute(next, observer).map_err(|e| placed(e, next))?,
                }
                rest = behind;
            }
        }
        self.run_job(&group, observer).map_err(|e| placed(e, place))?;
        Ok(rest)
    }

    /// The statement of the first INSERT that cannot be planned by itself, else of the first one.
    fn first_wrong<'a>(&self, group: &[Insert], places: &[&'a Parsed]) -> &'a Parsed {
        let alone = |insert: &Insert| self.planner().plan_inserts(std::slice::from_ref(insert)).is_err();
        let wrong = group.iter().position(alone).unwrap_or(0);
        places[wrong]
    }

    /// Checks the statements of `text` without running anything; gives how many there are.
    ///
    /// # Errors
    /// The first error, with its place in `text`.
    pub fn check_script(&mut self, text: &str, notice: &mut dyn FnMut(&str)) -> Result<usize> {
        let parsed = parse_script(text)?;
        let mut dry = self.dry()?;
        let mut listener = Notices(notice);
        for statement in &parsed {
            statement.notices.iter().for_each(|n| listener.notice(n));
            dry.execute(statement, &mut listener).map_err(|e| placed(e, statement))?;
        }
        Ok(parsed.len())
    }

    /// The plans of the INSERTs and SELECTs of `text`, without running anything.
    ///
    /// # Errors
    /// The first error, with its place in `text`.
    pub fn explain_script(&mut self, text: &str) -> Result<Vec<String>> {
        let mut dry = self.dry()?;
        let mut plans = Vec::new();
        for parsed in &parse_script(text)? {
            let plan = match &parsed.statement {
                Statement::Insert(_) | Statement::StatementSet(_) | Statement::Query(_) => {
                    Some(dry.explain(&parsed.statement, &[]).map_err(|e| placed(e, parsed))?)
                }
                statement => {
                    if matches!(statement, Statement::CreateTable(table) if table.as_select.is_some()) {
                        plans.push(dry.explain(statement, &[]).map_err(|e| placed(e, parsed))?);
                    }
                    dry.execute(parsed, &mut Notices(&mut |_| {})).map_err(|e| placed(e, parsed))?;
                    None
                }
            };
            plans.extend(plan);
        }
        Ok(plans)
    }
}

/// Whether `next` reads a table that one of `group` writes; by name, so it may say yes once too often.
fn reads_what_is_written(next: &Insert, group: &[Insert]) -> bool {
    let text = next.source.to_string();
    let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    group.iter().any(|insert| insert.table.last().is_some_and(|name| words.contains(&name.as_str())))
}

/// The error with its place: the one that it knows, else that of the word that it names, else that of its statement;
/// none where the statement has no part in it.
fn placed(e: Error, parsed: &Parsed) -> Error {
    if matches!(e.code(), "query.cancelled" | "output.closed" | "output.failed") {
        return e;
    }
    let whole = parsed.span;
    // Places are looked up in the statement, and known in the script.
    let own = e.span_of().filter(|span| whole.start <= span.start && span.end <= whole.end);
    let e = e.without_span();
    let inside = match own {
        Some(own) => e.span(own.start - whole.start, own.end - whole.start),
        None => e,
    };
    let place = place_of(&inside, &parsed.text).or(inside.span_of());
    match place {
        Some(place) => inside.without_span().span(whole.start + place.start, whole.start + place.end),
        None => inside.span(whole.start, whole.end),
    }
}

/// Hears notices only.
struct Notices<'a>(&'a mut dyn FnMut(&str));

impl Observer for Notices<'_> {
    fn notice(&mut self, text: &str) {
        (self.0)(text);
    }

    fn listing(&mut self, _rows: &arrow::array::RecordBatch) -> Result<()> {
        Ok(())
    }

    fn text(&mut self, _text: &str) -> Result<()> {
        Ok(())
    }

    fn result_writer(&mut self, _info: &crate::ResultInfo) -> Box<dyn crate::ResultWriter> {
        unreachable!("a dry session runs no query")
    }
}
