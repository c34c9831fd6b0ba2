//! From the fields that a text named to a day and a time, and the weeks of a day.
//!
//! Weeks are those of the American calendar: the week of 1 January is the first, and begins on Sunday.

use super::Dialect;
use crate::functions::cast::temporal::smart_date;
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// What a text named.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed {
    /// Fields of the day by their letters, in the order of the text: y, Y, M, d, D, w, W, F, and E with Sunday as 1.
    day: Vec<(char, i32)>,
    pub(super) hour: Option<i32>,
    pub(super) hour12: Option<i32>,
    pub(super) afternoon: Option<bool>,
    pub(super) minute: Option<i32>,
    pub(super) second: Option<i32>,
    pub(super) nanos: Option<i32>,
    pub(super) offset: Option<FixedOffset>,
}

impl Parsed {
    pub(super) fn date(&mut self, letter: char, value: i32) {
        self.day.push((letter, value));
    }

    fn get(&self, letter: char) -> Option<i32> {
        self.day.iter().rfind(|(l, _)| *l == letter).map(|(_, value)| *value)
    }

    /// What was not named is the start: 1970-01-01 00:00.
    ///
    /// SimpleDateFormat is lenient: the 13th month is January of the next year, the 90th minute half past one. The
    /// other takes the last day of a month for days that it lacks, and 24:00 for midnight.
    pub(super) fn finish(self, dialect: Dialect) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
        let (minute, second, nanos) = (self.minute.unwrap_or(0), self.second.unwrap_or(0), self.nanos.unwrap_or(0));
        let half = self.afternoon.map(|afternoon| if afternoon { 12 } else { 0 });
        if dialect == Dialect::Simple {
            let hour = self.hour.or(self.hour12.map(|hour| hour + half.unwrap_or(0))).unwrap_or(0);
            let time = TimeDelta::seconds(i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second))
                + TimeDelta::nanoseconds(i64::from(nanos));
            return Some((self.lenient_day()?.and_time(NaiveTime::MIN).checked_add_signed(time)?, self.offset));
        }
        if self.hour12.is_some_and(|hour| hour > 11) {
            return None;
        }
        // Half of the day unknown, the hour is, too.
        let hour = self.hour.or(self.hour12.zip(half).map(|(hour, half)| hour + half)).unwrap_or(0);
        let date = self.strict_day()?;
        if hour == 24 && (minute, second, nanos) == (0, 0, 0) {
            return Some((date.succ_opt()?.and_time(NaiveTime::MIN), self.offset));
        }
        let unsigned = |value: i32| u32::try_from(value).ok();
        let time =
            NaiveTime::from_hms_nano_opt(unsigned(hour)?, unsigned(minute)?, unsigned(second)?, unsigned(nanos)?)?;
        Some((date.and_time(time), self.offset))
    }

    /// The day for DateTimeFormatter: fields that make no day together count each for itself, or not at all.
    fn strict_day(&self) -> Option<NaiveDate> {
        let unsigned = |value: i32| u32::try_from(value).ok();
        if let (Some(year), Some(ordinal)) = (self.get('y'), self.get('D')) {
            return NaiveDate::from_yo_opt(year, unsigned(ordinal)?);
        }
        if let (Some(year), Some(week), Some(weekday)) = (self.get('Y'), self.get('w'), self.get('E')) {
            return day_of_week(year, week, weekday);
        }
        let (year, month, day) =
            (self.get('y').unwrap_or(1970), self.get('M').unwrap_or(1), self.get('d').unwrap_or(1));
        smart_date(year, unsigned(month)?, unsigned(day)?)
    }

    /// The day for SimpleDateFormat: of the ways to name a day the one that was completed last.
    fn lenient_day(&self) -> Option<NaiveDate> {
        let place = |letter: char| self.day.iter().rposition(|(l, _)| *l == letter).map_or(0, |at| at + 1);
        let value = |letter: char, default: i32| self.get(letter).unwrap_or(default);
        if place('Y') > place('y') {
            return day_of_week(value('Y', 1970), value('w', 1), value('E', 1));
        }
        let with_weekday = |letter: char| match (place(letter), place('E')) {
            (0, _) | (_, 0) => 0,
            (one, other) => one.max(other),
        };
        let last = |ways: &[(char, usize)]| {
            let best = ways.iter().map(|(_, place)| *place).max().filter(|place| *place > 0)?;
            ways.iter().find(|(_, place)| *place == best).map(|(letter, _)| *letter)
        };
        let complete = [
            ('d', place('d')),
            ('W', with_weekday('W')),
            ('F', with_weekday('F')),
            ('D', place('D')),
            ('w', with_weekday('w')),
        ];
        let alone = [('W', place('W')), ('F', place('F').max(place('E'))), ('w', place('w'))];
        let way = last(&complete).or_else(|| last(&alone)).unwrap_or('d');
        let year = value('y', 1970);
        let months = i64::from(year) * 12 + i64::from(value('M', 1)) - 1;
        let first = NaiveDate::from_ymd_opt(
            i32::try_from(months.div_euclid(12)).ok()?,
            u32::try_from(months.rem_euclid(12)).ok()? + 1,
            1,
        )?;
        let weekday = i64::from(value('E', 1)) - 1;
        let into_week = i64::from(first.weekday().num_days_from_sunday());
        let (from, days) = match way {
            'd' => (first, i64::from(value('d', 1)) - 1),
            'D' => (NaiveDate::from_ymd_opt(year, 1, 1)?, i64::from(value('D', 1)) - 1),
            'w' => return day_of_week(year, value('w', 1), value('E', 1)),
            'W' => (first, 7 * (i64::from(value('W', 1)) - 1) + weekday - into_week),
            _ => (first, 7 * (i64::from(value('F', 1)) - 1) + (weekday - into_week).rem_euclid(7)),
        };
        from.checked_add_signed(TimeDelta::days(days))
    }
}

/// A day by the year of its week, the week, and the day in it, Sunday being 1.
fn day_of_week(year: i32, week: i32, weekday: i32) -> Option<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
    let days = 7 * (i64::from(week) - 1) + i64::from(weekday) - 1 - i64::from(first.weekday().num_days_from_sunday());
    first.checked_add_signed(TimeDelta::days(days))
}

/// The year that the week of a day belongs to: that of the week's Saturday.
pub(super) fn week_year(date: NaiveDate) -> i32 {
    let rest = 6 - date.weekday().num_days_from_sunday();
    date.checked_add_signed(TimeDelta::days(i64::from(rest))).map_or(date.year(), |saturday| saturday.year())
}

pub(super) fn week_of_year(date: NaiveDate) -> u32 {
    if week_year(date) != date.year() {
        return 1;
    }
    let first = NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap_or(date);
    (date.ordinal0() + first.weekday().num_days_from_sunday()) / 7 + 1
}

pub(super) fn week_of_month(date: NaiveDate) -> u32 {
    let first = date.with_day(1).unwrap_or(date);
    (date.day0() + first.weekday().num_days_from_sunday()) / 7 + 1
}
